-- +goose Up

-- The stored policy's rules by tag, for the views: how many seconds each threshold lies before now, with what the rule
-- leaves open filled in.
CREATE TABLE sessioncleanup_stored_rules (
    tag       TEXT NOT NULL PRIMARY KEY,
    inactive  REAL,                            -- NULL: never
    "delete"  REAL,
    warned    REAL,                            -- NULL: no warning is needed
    archive   REAL                             -- after the deletion
) WITHOUT ROWID;
