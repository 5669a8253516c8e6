-- What every connection does first, and asks.

-- name: set_session
-- Double quotes around names, errors instead of values that were cut, zero dates as they are. Triggers of the library do nothing
-- for a connection with the first variable, which an application may set, too, and the one that notes removed tags for one with the second. A process that freezes within a transaction loses it, and its locks. MariaDB makes a join of a long list otherwise, which may lock other rows; MySQL cannot have
-- a statement that does not wait, so that all wait for a second only.
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO',
    SESSION time_zone = '+00:00', SESSION group_concat_max_len = 1000000, @sessioncleanup_own = 1, @sessioncleanup_library = 1
    /*M!100600 , SESSION in_predicate_conversion_threshold = 0, SESSION idle_transaction_timeout = 20 */ /*!80000 , SESSION innodb_lock_wait_timeout = 1 */

-- name: set_defaults
-- What a server may have otherwise for all connections: foreign keys that are not followed, results that are cut off, names that are
-- sorted by their first bytes, statements without COMMIT that leave a transaction open.
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
