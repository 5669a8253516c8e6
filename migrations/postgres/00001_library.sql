-- The policy in force: one row, written by Migrate, read by functions, view and triggers. NULL stands for never.
CREATE TABLE "{policy}" (
    singleton              boolean          PRIMARY KEY DEFAULT true CHECK (singleton),
    inactive_after         interval         CHECK (inactive_after > '0'),
    delete_after           interval         CHECK (delete_after > '0'),
    warn_before            interval         CHECK (warn_before > '0'),
    undeliverable_proceed  boolean          NOT NULL DEFAULT false,
    -- By tag, such as 'vip: delete=never; test: inactive=1h delete=1d'.
    rules                  text             NOT NULL DEFAULT ''
                           CHECK (rules ~ '^(none|( *[a-z0-9][a-z0-9_.:-]* *:( +(inactive|delete|warn|archive)=(never|([0-9.]+[dhms])+))+ *(;|$))*)$'),
    auto_cleanup_default   boolean          NOT NULL,
    reactivate_on_activity boolean          NOT NULL,
    enabled                boolean          NOT NULL,
    touch_interval         interval         NOT NULL CHECK (touch_interval >= '0'),
    batch_size             integer          NOT NULL CHECK (batch_size > 0),
    batch_budget           interval         NOT NULL CHECK (batch_budget > '0'),
    rate                   double precision NOT NULL CHECK (rate >= 0),
    busy_share             double precision NOT NULL CHECK (busy_share > 0 AND busy_share <= 1),
    max_delete_fraction    double precision NOT NULL CHECK (max_delete_fraction > 0 AND max_delete_fraction <= 1),
    events_keep            interval         CHECK (events_keep > '0'),
    archive                boolean          NOT NULL DEFAULT false,
    archive_keep           interval         CHECK (archive_keep > '0'),
    archive_max_rows       integer          NOT NULL CHECK (archive_max_rows > 0),
    archive_max_bytes      bigint           NOT NULL CHECK (archive_max_bytes > 0),
    backup                 boolean          NOT NULL DEFAULT false,
    alert_due              integer          NOT NULL,
    alert_use_rate         double precision NOT NULL,
    alert_activity_rate    double precision NOT NULL
);

-- The audit log. A batch is one row; its three arrays run in parallel, one element for each session. That of the owners is empty
-- when the entry was written for sessions without one.
CREATE TABLE "{events}" (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    action      text        NOT NULL,
    actor       text        NOT NULL,
    reason      text        NOT NULL DEFAULT '',
    run_id      text        NOT NULL DEFAULT '',
    session_ids text[]      NOT NULL DEFAULT '{}',
    owner_ids   text[]      NOT NULL DEFAULT '{}',
    names       text[]      NOT NULL DEFAULT '{}',
    run         jsonb,
    role        name        NOT NULL DEFAULT session_user, -- that of the login; the actor is what the caller says
    proof       bytea       NOT NULL DEFAULT uuid_send(gen_random_uuid()) -- a salt, or what an erasure made of it; see seals.sql
);
CREATE INDEX "sessioncleanup_events_at" ON "{events}" (at);
CREATE INDEX "sessioncleanup_events_action" ON "{events}" (action, id);
CREATE INDEX "sessioncleanup_events_run" ON "{events}" (run_id, id) WHERE run_id <> '';

-- The seals of the audit log, one for some successive entries. They stay when their entries are forgotten.
CREATE TABLE "{seals}" (
    number    bigint      PRIMARY KEY,
    first_id  bigint      NOT NULL,
    last_id   bigint      NOT NULL,
    entries   integer     NOT NULL,
    newest    timestamptz NOT NULL, -- the latest time of an entry
    forgotten boolean     NOT NULL DEFAULT false,
    digests   bytea       NOT NULL, -- SHA-256 of each entry; of all that, once they are forgotten
    hash      text        NOT NULL
);
CREATE INDEX "sessioncleanup_seals_newest" ON "{seals}" (newest) WHERE NOT forgotten;

-- The archive: sessions that were deleted, until they are restored or purged.
CREATE TABLE "{archive}" (
    id           bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    session_id   text        COLLATE "C" NOT NULL, -- only compared for equality, which this does fastest
    owner_id     text        COLLATE "C" NOT NULL DEFAULT '',
    name         text        NOT NULL DEFAULT '',
    archived_at  timestamptz NOT NULL,
    actor        text        NOT NULL,
    reason       text        NOT NULL DEFAULT '',
    run_id       text        NOT NULL DEFAULT '',
    held         boolean     NOT NULL DEFAULT false, -- kept whatever the policy says, until it is released
    row_count    integer     NOT NULL, -- of other tables
    bytes        bigint      NOT NULL, -- of all rows
    backed_up_at timestamptz,         -- when it was found in a backup that was read back; NULL: in none
    tags         text[]      COLLATE "C" NOT NULL DEFAULT '{}', -- that the session had
    "table"      text        NOT NULL, -- the session's row: its columns there, and their values
    columns      text[]      NOT NULL,
    texts        text[]      NOT NULL
);
CREATE INDEX "sessioncleanup_archive_session" ON "{archive}" (session_id, id);
CREATE INDEX "sessioncleanup_archive_owner" ON "{archive}" (owner_id, id);
CREATE INDEX "sessioncleanup_archive_at" ON "{archive}" (archived_at, id) WHERE NOT held;
CREATE INDEX "sessioncleanup_archive_held" ON "{archive}" (id) WHERE held;
CREATE INDEX "sessioncleanup_archive_not_backed_up" ON "{archive}" (id) WHERE backed_up_at IS NULL;

-- The rows that belong to a session, up to 100 of a table in an array, and its tags in another: to insert each by itself
-- takes longer. Of a row that was only unlinked, the first columns say which row it is, and the others what its reference
-- was.
CREATE TABLE "{archive_rows}" (
    entry     bigint  NOT NULL,
    number    integer NOT NULL, -- of the first of them, from 2: the session itself is number 1; there are gaps
    row_count integer NOT NULL,
    "table"   text    NOT NULL,
    unlinked  boolean NOT NULL,
    key_count integer NOT NULL, -- how many columns say which row it is; 0 of rows that were deleted
    columns   text[]  NOT NULL,
    rows      text[]  NOT NULL, -- the values of the first row in the order of the columns, those of the next one, ...
    PRIMARY KEY (entry, number)
);

-- The warnings of the sessions' owners, at most one for each session. One with next_at is on its way.
CREATE TABLE "{notices}" (
    session_id   text        PRIMARY KEY,
    owner_id     text        NOT NULL DEFAULT '',
    name         text        NOT NULL DEFAULT '',
    kept_since   timestamptz NOT NULL, -- of the session: the warning counts for this idle period
    queued_at    timestamptz NOT NULL,
    delivered_at timestamptz,
    failed_at    timestamptz,          -- when it was given up
    next_at      timestamptz,          -- due from then on; NULL when it is delivered or given up
    message      text        NOT NULL DEFAULT '', -- the id of the message that it is in; empty: in none yet
    attempts     integer     NOT NULL DEFAULT 0,
    first_at     timestamptz,          -- the first attempt
    error        text        NOT NULL DEFAULT '',
    stage        integer     NOT NULL DEFAULT 0, -- reminders so far; one makes a delivered notice due again
    deleted_at   timestamptz,          -- when a run deleted the session, which makes it due again, too
    told_at      timestamptz,          -- when the last message about it was delivered
    tags         text[]      COLLATE "C" NOT NULL DEFAULT '{}' -- that the session had when it was deleted
);
CREATE INDEX "sessioncleanup_notices_next" ON "{notices}" (next_at, session_id) WHERE next_at IS NOT NULL;
CREATE INDEX "sessioncleanup_notices_message" ON "{notices}" (message) WHERE next_at IS NOT NULL;
CREATE INDEX "sessioncleanup_notices_owner" ON "{notices}" (owner_id, told_at);
CREATE INDEX "sessioncleanup_notices_failed" ON "{notices}" (failed_at) WHERE failed_at IS NOT NULL;

-- The tags of sessions. The application may write them, too.
CREATE TABLE "{tags}" (
    session_id "{id_type}"        NOT NULL,
    tag        text COLLATE "C" NOT NULL CHECK (length(tag) <= 50 AND tag ~ '^[a-z0-9][a-z0-9_.:-]*$'),
    PRIMARY KEY (session_id, tag)
);
CREATE INDEX "sessioncleanup_tags_tag" ON "{tags}" (tag, session_id);

-- The tags by which sessions are classed, see classes.sql: a tag is added when a run has a rule for it, and then its
-- sessions are gone through.
CREATE TABLE "{rule_tags}" (
    tag    text COLLATE "C" PRIMARY KEY CHECK (length(tag) <= 50 AND tag ~ '^[a-z0-9][a-z0-9_.:-]*$'),
    after  "{id_type}", -- the last session that was gone through
    walked boolean NOT NULL DEFAULT false
);

-- Sessions whose tags changed since they were classed. Statements that write tags only insert rows here, so that they
-- wait for nobody. The defaults of autovacuum fit: it comes within a minute after a run has removed many rows. Until then
-- the first reader marks what the index has of them, and each later one passes over it: less than 1 ms for 300,000.
CREATE TABLE "{retagged}" (
    session_id "{id_type}" NOT NULL,
    id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX "sessioncleanup_retagged_session" ON "{retagged}" (session_id);

-- The owners that were erased, as SHA-256 of their IDs: no backup from before restores their sessions.
CREATE TABLE "{tombstones}" (
    owner     bytea       PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

-- The leases of runs: their holder and when they end. A released lease keeps its row, without a holder, so that the
-- epoch keeps rising.
CREATE TABLE "{leases}" (
    name       text        PRIMARY KEY,
    holder     text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    expires_at timestamptz CHECK (isfinite(expires_at)),
    ttl_ms     bigint      NOT NULL DEFAULT 0
);

-- How far each consumer has read the audit log: the id of an entry.
CREATE TABLE "{positions}" (
    consumer text   PRIMARY KEY,
    position bigint NOT NULL
);

-- Named values that processes share: figures that are expensive to count, and the history of runs.
CREATE TABLE "{values}" (
    name    text   PRIMARY KEY,
    version bigint NOT NULL, -- rises by one with each change
    data    jsonb  NOT NULL
);

-- Touches that are not yet written to their session. The application's statements only insert rows here, so that they
-- wait for nobody. Rows are removed when their transaction commits or, where the session was locked then, by the next run.
CREATE TABLE "{touches}" (
    session_id    "{id_type}"   NOT NULL,
    at            timestamptz   NOT NULL,
    statement_ids "{id_type}"[], -- on one row of each statement: all of its sessions, to be written at commit
    id            bigint        PRIMARY KEY GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX "sessioncleanup_touches_session" ON "{touches}" (session_id, at);

-- The adopted schema, and what was added to the application's tables for it, in that order.
CREATE TABLE "{settings}" (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    schema     jsonb   NOT NULL,
    zone       text    NOT NULL, -- of columns without time zone
    added      jsonb   NOT NULL DEFAULT '[]',
    backfilled boolean NOT NULL DEFAULT false,
    complete   integer NOT NULL DEFAULT 0, -- the version of the adoption that was finished
    untracked  boolean NOT NULL DEFAULT false, -- nothing shows when the sessions are used: the idle rules are off
    accepted   boolean NOT NULL DEFAULT false, -- the idle rules are on although nothing shows that
    places     jsonb   NOT NULL DEFAULT '{}', -- where the schema's tables and columns are, to follow them when they are renamed
    reached    jsonb   NOT NULL DEFAULT '[]', -- the tables that a deletion reached when Migrate last looked
    replaced   jsonb   NOT NULL DEFAULT '[]' -- what Migrate took over, in that order: statements that make it again
);
