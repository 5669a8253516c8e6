-- +goose Up

-- The archive: sessions that were deleted, until they are restored or purged.
CREATE TABLE IF NOT EXISTS sessioncleanup_archive (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session       VARBINARY(3072) NOT NULL,
    owner         VARBINARY(3072) NOT NULL,
    name          TEXT NOT NULL,
    archived_at   DATETIME(6) NOT NULL,
    actor         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    run_id        VARCHAR(255) NOT NULL,
    held          BOOLEAN NOT NULL DEFAULT FALSE, -- kept whatever the policy says, until it is released
    row_count     INT NOT NULL,                   -- of other tables
    bytes         BIGINT NOT NULL,                -- of all rows
    backed_up_at  DATETIME(6),                    -- when it was found in a backup that was read back; NULL: in none
    KEY sessioncleanup_archive_session (session(255), id),
    KEY sessioncleanup_archive_owner (owner(255), id),
    KEY sessioncleanup_archive_at (held, archived_at, id),
    KEY sessioncleanup_archive_backed_up (backed_up_at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The first row of an entry is the session itself. A row is an object, by column. In it a number stands for a whole number, a text
-- for a value of any other type; bytes are {"hex": "00ff"}, and {"error": 0} is the value of an ENUM that its type does not list.
-- Of a row that was only unlinked it has two objects: "key" says which row it is, "set" what its reference was.
CREATE TABLE IF NOT EXISTS sessioncleanup_archive_rows (
    id        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    entry     BIGINT NOT NULL,
    of_table  VARCHAR(64) NOT NULL,
    unlinked  BOOLEAN NOT NULL,
    content   LONGTEXT NOT NULL,
    KEY sessioncleanup_archive_rows_entry (entry, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The owners that were erased, as SHA-256 of their IDs: no backup from before restores their sessions.
CREATE TABLE IF NOT EXISTS sessioncleanup_tombstones (
    owner      BINARY(32) NOT NULL PRIMARY KEY,
    erased_at  DATETIME(6) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
