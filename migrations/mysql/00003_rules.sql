-- +goose Up

-- The tags that have a rule, as the classes of sessions know them: see mysql/class.go. One that is leaving has no rule any more.
CREATE TABLE IF NOT EXISTS sessioncleanup_rules (
    tag      VARCHAR(51) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    leaving  BOOLEAN NOT NULL DEFAULT FALSE,
    walked   BOOLEAN NOT NULL DEFAULT FALSE,    -- all sessions that have it have the right class
    after    VARBINARY(3072)                    -- the last session that was classed; NULL before the first
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The classes: tags that have a rule, and that a session has together.
CREATE TABLE IF NOT EXISTS sessioncleanup_classes (
    class   INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tags    TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- in their order, separated by spaces
    digest  BINARY(32) NOT NULL,                -- SHA-256 of them
    UNIQUE KEY sessioncleanup_classes_digest (digest)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The tags that a session had when it was deleted, separated by spaces.
ALTER TABLE sessioncleanup_archive ADD COLUMN /*M! IF NOT EXISTS */ tags TEXT NOT NULL DEFAULT ('');
