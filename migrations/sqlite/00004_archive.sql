-- +goose Up

ALTER TABLE sessioncleanup_settings ADD COLUMN archive INTEGER NOT NULL DEFAULT 0;

ALTER TABLE sessioncleanup_settings ADD COLUMN archive_keep_seconds REAL DEFAULT 2592000;   -- NULL: forever

ALTER TABLE sessioncleanup_settings ADD COLUMN archive_max_rows INTEGER NOT NULL DEFAULT 100000;

ALTER TABLE sessioncleanup_settings ADD COLUMN archive_max_bytes INTEGER NOT NULL DEFAULT 67108864;

ALTER TABLE sessioncleanup_settings ADD COLUMN backup INTEGER NOT NULL DEFAULT 0;

-- The archive: sessions that were deleted, until they are restored or purged.
CREATE TABLE sessioncleanup_archive (
    id           INTEGER NOT NULL PRIMARY KEY,
    session      TEXT NOT NULL,
    owner        TEXT NOT NULL DEFAULT '',
    name         TEXT NOT NULL DEFAULT '',
    archived_at  TEXT NOT NULL,
    actor        TEXT NOT NULL,
    reason       TEXT NOT NULL DEFAULT '',
    run_id       TEXT NOT NULL DEFAULT '',
    held         INTEGER NOT NULL DEFAULT 0,   -- kept whatever the policy says, until it is released
    row_count    INTEGER NOT NULL,             -- of other tables
    bytes        INTEGER NOT NULL,             -- of all rows
    backed_up_at TEXT                          -- when it was found in a backup that was read back; NULL: in none
);

CREATE INDEX sessioncleanup_archive_session ON sessioncleanup_archive (session, id);

CREATE INDEX sessioncleanup_archive_owner ON sessioncleanup_archive (owner, id);

CREATE INDEX sessioncleanup_archive_at ON sessioncleanup_archive (archived_at, id) WHERE NOT held;

CREATE INDEX sessioncleanup_archive_held ON sessioncleanup_archive (id) WHERE held;

CREATE INDEX sessioncleanup_archive_not_backed_up ON sessioncleanup_archive (id) WHERE backed_up_at IS NULL;

-- Its rows, up to 100 of a table in an array, "row": to insert each by itself takes longer. The number is that of the
-- first of them, and number 1 is the session itself. A row is an object, by column. In it a number or a text stands for
-- itself; what JSON has no word for is {"real": "0.1"}, {"blob": BASE64} or, for a text that is not UTF-8, {"text":
-- BASE64}. Of a row that was only unlinked it has two objects: "key" says which row it is, "set" what its reference
-- was.
CREATE TABLE sessioncleanup_archive_rows (
    entry     INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    "table"   TEXT NOT NULL,
    unlinked  INTEGER NOT NULL,
    "row"     TEXT NOT NULL,
    PRIMARY KEY (entry, number)
);

-- The owners that were erased, as SHA-256 of their IDs: no backup from before restores their sessions.
CREATE TABLE sessioncleanup_tombstones (
    owner      BLOB NOT NULL PRIMARY KEY,
    erased_at  TEXT NOT NULL
);

-- The last number that an entry got. None is given twice.
CREATE TABLE sessioncleanup_archive_numbers (last INTEGER NOT NULL);

INSERT INTO sessioncleanup_archive_numbers VALUES (0);
