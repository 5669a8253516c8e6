-- The table in which goose notes the versions.

-- name: create_versions
-- As goose makes it, but without AUTOINCREMENT, which would leave a table sqlite_sequence behind.
CREATE TABLE IF NOT EXISTS sessioncleanup_migrations (
    id          INTEGER PRIMARY KEY,
    version_id  INTEGER NOT NULL,
    is_applied  INTEGER NOT NULL,
    tstamp      TIMESTAMP DEFAULT (datetime('now'))
)

-- name: insert_first_version
-- The row by which goose recognizes its table.
INSERT INTO sessioncleanup_migrations (version_id, is_applied)
SELECT 0, 1 WHERE NOT EXISTS (SELECT 1 FROM sessioncleanup_migrations)
