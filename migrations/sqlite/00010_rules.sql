-- +goose Up

-- The policy's rules by tag, as text.
ALTER TABLE sessioncleanup_settings ADD COLUMN rules TEXT NOT NULL DEFAULT '';

-- The tags by which sessions are classed: see sqlite/class.go. One with a place is being walked, and one that is leaving has no rule any more.
CREATE TABLE sessioncleanup_rules (
    tag      TEXT NOT NULL PRIMARY KEY,
    leaving  INTEGER NOT NULL DEFAULT 0,
    after    TEXT                              -- the last session that was classed; NULL when all are
) WITHOUT ROWID;

-- The tags that a session had when it was deleted, separated by spaces.
ALTER TABLE sessioncleanup_archive ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE sessioncleanup_notices ADD COLUMN tags TEXT NOT NULL DEFAULT '';
