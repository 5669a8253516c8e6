-- What every connection sets and reads first.

-- name: set_session
-- Double quotes around names, errors instead of truncated values, zero dates as they are. With the first variable,
-- which an application may set too, triggers of the library do nothing; with the second, the one that notes removed
-- tags does nothing. The timeout ends the transaction, and frees the locks, of a process that freezes. Without the
-- threshold, MariaDB would turn a long list into a join, which may lock other rows. On MySQL not
-- every statement can be told not to wait, so all wait for a second at most.
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO',
    SESSION time_zone = '+00:00', SESSION group_concat_max_len = 1000000, @sessioncleanup_own = 1, @sessioncleanup_library = 1
    /*M!100600 , SESSION in_predicate_conversion_threshold = 0, SESSION idle_transaction_timeout = 20 */ /*!80000 , SESSION innodb_lock_wait_timeout = 1 */

-- name: set_defaults
-- A server may have other defaults: foreign keys that are not checked, truncated results, sorting by the first bytes
-- of a name, statements that leave a transaction open without a COMMIT.
SET SESSION autocommit = 1, SESSION foreign_key_checks = 1, SESSION unique_checks = 1, SESSION sql_safe_updates = 0, SESSION sql_select_limit = 18446744073709551615,
    SESSION sql_big_selects = 1, SESSION sql_auto_is_null = 0, SESSION completion_type = 0, SESSION max_sort_length = 4096

-- name: set_isolation
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED

-- name: set_cluster
-- Reads of a node of a Galera cluster wait until it has what the others committed.
SET SESSION wsrep_sync_wait = 1

-- name: cluster_enabled
SHOW VARIABLES LIKE 'wsrep_on'

-- name: cluster_ready
SHOW STATUS LIKE 'wsrep_ready'

-- name: server
SELECT VERSION()

-- name: binary_log
-- As it is for this connection.
SELECT @@sql_log_bin AND @@log_bin, @@binlog_format

-- name: clock
SELECT UTC_TIMESTAMP(6)
