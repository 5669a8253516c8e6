-- +goose Up

ALTER TABLE sessioncleanup_settings ADD COLUMN warn_before_seconds REAL;                       -- NULL: never

ALTER TABLE sessioncleanup_settings ADD COLUMN undeliverable_proceed INTEGER NOT NULL DEFAULT 0;

-- The warnings of the sessions' owners, at most one for each session. One with next_at is on its way.
CREATE TABLE sessioncleanup_notices (
    session       TEXT NOT NULL PRIMARY KEY,
    owner         TEXT NOT NULL DEFAULT '',
    name          TEXT NOT NULL DEFAULT '',
    kept_since    TEXT NOT NULL,               -- of the session: the warning counts for this idle period
    queued_at     TEXT NOT NULL,
    delivered_at  TEXT,
    failed_at     TEXT,                        -- when it was given up
    next_at       TEXT,                        -- due from then on; NULL when it is delivered or given up
    message       TEXT NOT NULL DEFAULT '',    -- the id of the message that it is in; empty: in none yet
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_at      TEXT,                        -- the first attempt
    error         TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE INDEX sessioncleanup_notices_next ON sessioncleanup_notices (next_at, session) WHERE next_at IS NOT NULL;

CREATE INDEX sessioncleanup_notices_message ON sessioncleanup_notices (message) WHERE next_at IS NOT NULL;

CREATE INDEX sessioncleanup_notices_owner ON sessioncleanup_notices (owner, delivered_at);

CREATE INDEX sessioncleanup_notices_failed ON sessioncleanup_notices (failed_at) WHERE failed_at IS NOT NULL;
