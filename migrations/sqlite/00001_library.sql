-- The library's own tables. Uninstall drops every table whose name begins with sessioncleanup_, so there is no Down.
-- Times are text, UTC, as strftime('%Y-%m-%d %H:%M:%f') writes it.

-- +goose Up

-- The policy in force, what was adopted, and what was added to it. One row.
CREATE TABLE sessioncleanup_settings (
    id                      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    enabled                 INTEGER NOT NULL,
    inactive_after_seconds  REAL,              -- NULL: never
    delete_after_seconds    REAL,              -- NULL: never
    touch_interval_seconds  REAL NOT NULL,
    auto_cleanup_default    INTEGER NOT NULL,
    reactivate_on_activity  INTEGER NOT NULL,
    batch_size              INTEGER NOT NULL,
    batch_budget_seconds    REAL NOT NULL,
    rate                    REAL,              -- sessions per second; NULL: no limit
    busy_share              REAL NOT NULL,
    max_delete_fraction     REAL NOT NULL,
    events_keep_seconds     REAL,              -- NULL: forever
    alert_due               INTEGER NOT NULL,
    alert_use_rate          REAL NOT NULL,
    alert_activity_rate     REAL NOT NULL,
    "schema"                TEXT NOT NULL,     -- JSON: where the application keeps its sessions
    adopted                 TEXT NOT NULL      -- JSON: how it stores ids and times, and what was added
);

-- The audit log. Ids rise with time: the newest event is never deleted before another one is written.
CREATE TABLE sessioncleanup_events (
    id        INTEGER NOT NULL PRIMARY KEY,
    at        TEXT NOT NULL,
    action    TEXT NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL DEFAULT '',
    run_id    TEXT NOT NULL DEFAULT '',
    sessions  TEXT,                            -- JSON: an array of {"id", "owner_id", "name"}
    run       TEXT                             -- JSON: the result of a run
);

CREATE INDEX sessioncleanup_events_at ON sessioncleanup_events (at);

CREATE INDEX sessioncleanup_events_action ON sessioncleanup_events (action);

CREATE INDEX sessioncleanup_events_run ON sessioncleanup_events (run_id) WHERE run_id <> '';

-- A released lease keeps its row, and so its epoch: its holder is empty.
CREATE TABLE sessioncleanup_leases (
    name        TEXT NOT NULL PRIMARY KEY,
    holder      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    expires_at  TEXT,                          -- NULL once released
    ttl_ms      INTEGER NOT NULL DEFAULT 0     -- for how long it was taken or renewed last
);
