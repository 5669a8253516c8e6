-- name: create_versions
-- As goose makes it, with its first row at once.
CREATE TABLE IF NOT EXISTS sessioncleanup_migrations (
    id          SERIAL NOT NULL PRIMARY KEY,
    version_id  BIGINT NOT NULL,
    is_applied  BOOLEAN NOT NULL,
    tstamp      TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP
)

-- name: insert_first_version
INSERT INTO sessioncleanup_migrations (version_id, is_applied)
SELECT 0, TRUE FROM (SELECT COUNT(*) AS n FROM sessioncleanup_migrations) AS v WHERE v.n = 0
