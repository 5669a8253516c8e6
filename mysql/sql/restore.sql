-- Restoring from the archive.

-- name: restore_row
INSERT INTO "{table}" ("{columns}") VALUES ("{values}")

-- name: accept_invalid_dates
-- As an application that allows them has stored them, such as February 30.
SET SESSION sql_mode = CONCAT(@@sql_mode, ',ALLOW_INVALID_DATES')

-- name: accept_errors
-- For a row with a value that the type of an ENUM does not list.
SET SESSION sql_mode = REPLACE(@@sql_mode, 'STRICT_ALL_TABLES', '')

-- name: refuse_errors
SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')

-- name: count_warnings
SELECT @@warning_count

-- name: without_keys
SET SESSION foreign_key_checks = 0

-- name: with_keys
SET SESSION foreign_key_checks = 1

-- name: refers_to
-- The row that a row refers to. Nobody can delete it until the transaction ends.
SELECT 1 FROM "{parent}" AS p WHERE "{is_row}" LIMIT 1 LOCK IN SHARE MODE

-- name: relink
UPDATE "{table}" AS t SET "{set}""{keep}" WHERE "{is_row}" AND "{unlinked}" LIMIT 1

-- name: is_value
"{column}" <=> :"{value}"

-- name: is_text
"{column}" <=> :"{value}" AND CAST(CONVERT("{column}" USING utf8mb4) AS BINARY) = CAST(:"{value}" AS BINARY)

-- name: ends_restored
-- Whether a session is restored as active with an expiry that has passed.
SELECT COALESCE("{was_active}" AND CAST(:expires_at AS DATETIME(6)) BETWEEN TIMESTAMP'1000-01-01 00:00:00' AND CAST(:now AS DATETIME(6)), FALSE)

-- name: id_default
SELECT COALESCE(column_default, ''), extra FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :column

-- name: next_number
SELECT GREATEST(COALESCE((SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :table), 1),
                COALESCE((SELECT MAX(t."{id_column}") FROM "{sessions}" AS t), 0) + 1)

-- name: default_id
SELECT "{value}"

-- name: id_taken
-- Whether a session has an ID, or had it when it was archived.
SELECT EXISTS (SELECT 1 FROM "{sessions}" AS t WHERE "{id}" = :new) OR EXISTS (SELECT 1 FROM sessioncleanup_archive WHERE session = :text)
