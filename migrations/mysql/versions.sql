-- name: create_leases
-- Before all other tables: those who migrate take a lease.
-- A released lease keeps its row, and so its epoch: its holder is empty. A batch writes the row of its lease, so that
-- nobody takes the lease before the batch is committed, on another node of a cluster either.
CREATE TABLE IF NOT EXISTS sessioncleanup_leases (
    name        VARBINARY(255) NOT NULL PRIMARY KEY,
    holder      VARBINARY(255) NOT NULL,
    epoch       BIGINT NOT NULL,
    expires_at  DATETIME(6),                    -- NULL once released
    ttl_ms      BIGINT NOT NULL,                -- for how long it was taken or renewed last
    batches     BIGINT NOT NULL DEFAULT 0       -- that it guarded
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC

-- name: create_versions
-- As goose makes it, with its first row at once.
CREATE TABLE IF NOT EXISTS sessioncleanup_migrations (
    id          SERIAL NOT NULL PRIMARY KEY,
    version_id  BIGINT NOT NULL,
    is_applied  BOOLEAN NOT NULL,
    tstamp      TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC

-- name: insert_first_version
INSERT INTO sessioncleanup_migrations (version_id, is_applied)
SELECT 0, TRUE FROM (SELECT COUNT(*) AS n FROM sessioncleanup_migrations) AS v WHERE v.n = 0
