-- Whether the use of a row of an activity table is noticed, and whether the user of the connection has the rights that runs need.

-- name: probe_as_application
SET @sessioncleanup_own = NULL

-- name: probe_as_library
SET @sessioncleanup_own = 1

-- name: probe_row
SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1

-- name: probe_notes
SELECT COUNT(*) FROM sessioncleanup_touches WHERE session = :session

-- name: probe_use
/*M!100600 SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ UPDATE "{table}" SET "{column}" = "{column}" WHERE "{column}" = :session LIMIT 1

-- name: shows_triggers
-- MariaDB shows the triggers of a table to who has another right on it than SELECT.
SELECT 0 /*M!100600 + 1 */

-- name: try_select
SELECT * FROM "{table}" WHERE FALSE

-- name: try_insert
INSERT INTO "{table}" SELECT * FROM "{table}" WHERE FALSE

-- name: try_update
UPDATE "{table}" SET "{column}" = "{column}" WHERE FALSE

-- name: try_delete
DELETE FROM "{table}" WHERE FALSE

-- name: try_temporary
CREATE TEMPORARY TABLE sessioncleanup_try (id INT)

-- name: end_temporary
DROP TEMPORARY TABLE IF EXISTS sessioncleanup_try
