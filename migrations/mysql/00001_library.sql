-- The library's own tables. Uninstall drops every table whose name begins with sessioncleanup_, so there is no Down. A statement
-- that was interrupted is repeated: each does nothing the second time. Times are UTC.

-- +goose Up

-- The policy in force, what was adopted, and what was added to it. One row.
CREATE TABLE IF NOT EXISTS sessioncleanup_settings (
    id           INT NOT NULL PRIMARY KEY,      -- 1
    policy       LONGTEXT NOT NULL,             -- JSON
    tables       LONGTEXT NOT NULL,             -- JSON: where the application keeps its sessions
    adopted      LONGTEXT NOT NULL              -- JSON: how it stores ids and times, and what was added
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The audit log. An event gets its id from the counter in its transaction, so that ids are in the order of commits.
CREATE TABLE IF NOT EXISTS sessioncleanup_events (
    id        BIGINT NOT NULL PRIMARY KEY,
    at        DATETIME(6) NOT NULL,
    action    VARCHAR(64) NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    run_id    VARCHAR(255) NOT NULL,
    sessions  LONGTEXT,                         -- JSON: an array of {"id", "owner_id", "name"}
    run       LONGTEXT,                         -- JSON: the result of a run, the end of a pause
    proof     LONGBLOB NOT NULL,                -- that it has not changed since it was sealed: random bytes, or what an erasure left
    KEY sessioncleanup_events_at (at),
    KEY sessioncleanup_events_action (action, at),
    KEY sessioncleanup_events_run (run_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessioncleanup_counter (
    id    INT NOT NULL PRIMARY KEY,             -- 1; 2 is locked by those who seal, forget or erase events
    last  BIGINT NOT NULL                       -- the id of the last event
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

INSERT IGNORE INTO sessioncleanup_counter (id, last) VALUES (1, 0), (2, 0);

-- The seals of the audit log, one for some successive events. They stay when their events are forgotten.
CREATE TABLE IF NOT EXISTS sessioncleanup_seals (
    number     BIGINT NOT NULL PRIMARY KEY,
    first_id   BIGINT NOT NULL,
    last_id    BIGINT NOT NULL,
    entries    INT NOT NULL,
    newest     DATETIME(6) NOT NULL,            -- the latest time of an event
    forgotten  BOOLEAN NOT NULL DEFAULT FALSE,
    digests    LONGBLOB NOT NULL,               -- SHA-256 of each event; of all that, once they are forgotten
    hash       CHAR(64) NOT NULL,
    KEY sessioncleanup_seals_newest (forgotten, newest)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- How far each consumer has read the audit log: the id of an event.
CREATE TABLE IF NOT EXISTS sessioncleanup_positions (
    consumer  VARBINARY(255) NOT NULL PRIMARY KEY,
    position  BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Named values that processes share, as JSON: figures that are expensive to count, and the history of runs.
CREATE TABLE IF NOT EXISTS sessioncleanup_values (
    name     VARBINARY(255) NOT NULL PRIMARY KEY,
    version  BIGINT NOT NULL,                   -- rises by one with each change
    data     LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The warnings of the sessions' owners, at most one for each session. One with next_at is on its way.
CREATE TABLE IF NOT EXISTS sessioncleanup_notices (
    session       VARBINARY(3072) NOT NULL PRIMARY KEY,
    owner         VARBINARY(3072) NOT NULL,
    name          TEXT NOT NULL,
    kept_since    DATETIME(6) NOT NULL,         -- of the session: the warning counts for this idle period
    queued_at     DATETIME(6) NOT NULL,
    delivered_at  DATETIME(6),
    failed_at     DATETIME(6),                  -- when it was given up
    next_at       DATETIME(6),                  -- due from then on; NULL when it is delivered or given up
    message       VARBINARY(255) NOT NULL DEFAULT '', -- the id of the message that it is in; empty: in none yet
    attempts      INT NOT NULL DEFAULT 0,
    first_at      DATETIME(6),                  -- the first attempt
    error         TEXT NOT NULL DEFAULT (''),
    KEY sessioncleanup_notices_next (next_at),
    KEY sessioncleanup_notices_message (message),
    KEY sessioncleanup_notices_owner (owner(255), delivered_at),
    KEY sessioncleanup_notices_failed (failed_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
