-- The sessions table, the columns of the lifecycle, the table of notes, and the indexes.

-- name: create_sessions
CREATE TABLE "{sessions}" (
    id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    owner_id VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    name TEXT,
    code VARCHAR(191),
    active TINYINT(1) NOT NULL DEFAULT 1,
    auto_cleanup TINYINT(1),
    created_at DATETIME(6) DEFAULT (UTC_TIMESTAMP(6)),
    updated_at DATETIME(6) DEFAULT (UTC_TIMESTAMP(6)),
    last_activity DATETIME(6),
    expires_at DATETIME(6),
    deactivated_at DATETIME(6),
    sessioncleanup_since DATETIME(6) NULL "{invisible}",
    sessioncleanup_class INT NULL "{invisible}"
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4

-- name: alter_sessions
-- New columns at the end need no copy of the table. A server that cannot do it without one refuses.
ALTER TABLE "{sessions}" "{changes}", ALGORITHM = INSTANT

-- name: alter_sessions_in_place
-- A copy in the background, which other connections can write to.
ALTER TABLE "{sessions}" "{changes}", ALGORITHM = INPLACE, LOCK = NONE

-- name: alter_sessions_plainly
ALTER TABLE "{sessions}" "{changes}"

-- name: add_switch
ADD COLUMN "{column}" TINYINT(1) NOT NULL DEFAULT "{default}"

-- name: add_time
ADD COLUMN "{column}" DATETIME(6) NULL DEFAULT NULL

-- name: add_since
-- When the row was inserted, by the trigger: which tags are its own.
ADD COLUMN "{column}" DATETIME(6) NULL DEFAULT NULL "{invisible}"

-- name: add_class
-- Those of its tags that have a rule, for indexes: see sessioncleanup_classes.
ADD COLUMN "{column}" INT NULL DEFAULT NULL "{invisible}"

-- name: invisible
/*M!100303 INVISIBLE */ /*!80023 INVISIBLE */

-- name: drop_column
DROP COLUMN "{column}"

-- name: create_notes
-- When triggers saw activity in a session. Rows are only added, so that no transaction waits for another one.
CREATE TABLE IF NOT EXISTS sessioncleanup_touches (
    id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session  "{key_type}" NOT NULL,
    at       DATETIME(3) NOT NULL,
    KEY sessioncleanup_touches_session (session, at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC

-- name: create_retagged
-- Sessions whose tags changed since their class was written. Rows are only added, so that no transaction waits for another one.
CREATE TABLE IF NOT EXISTS sessioncleanup_retagged (
    id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session  "{key_type}" NOT NULL,
    KEY sessioncleanup_retagged_session (session)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC

-- name: create_tags
-- The tags of sessions. The application may write them, too.
CREATE TABLE IF NOT EXISTS sessioncleanup_tags (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    session_id  "{key_type}" NOT NULL,
    since       DATETIME(6) NOT NULL DEFAULT '1970-01-01 00:00:01', -- of the session's row, filled in by a trigger
    tag         VARCHAR(51) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    UNIQUE KEY sessioncleanup_tags_session (session_id, since, tag),
    KEY sessioncleanup_tags_tag (tag, session_id),
    CONSTRAINT sessioncleanup_tags_form CHECK (CHAR_LENGTH(tag) BETWEEN 1 AND 50 AND tag RLIKE '^[a-z0-9]' AND tag NOT RLIKE '[^a-z0-9_.:-]')
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC

-- name: create_index
CREATE INDEX "{name}" ON "{table}" ("{columns}") ALGORITHM = INPLACE LOCK = NONE

-- name: drop_index
DROP INDEX "{name}" ON "{table}"

-- name: drop_trigger
DROP TRIGGER IF EXISTS "{name}"

-- name: drop_table
DROP TABLE IF EXISTS "{table}"

-- name: last_of_backfill
-- The last session of a batch of the backfill; NULL when there is nothing left.
SELECT MAX(id) FROM (SELECT "{id}" AS id FROM "{sessions}" AS t WHERE "{behind}" ORDER BY "{id}" LIMIT :limit) AS batch

-- name: lock_tagged
-- The columns stay as they are until this is committed.
SELECT COUNT(*) FROM (SELECT "{id}" FROM "{sessions}" AS t WHERE "{behind}" AND "{id}" <= :last FOR UPDATE) AS locked

-- name: untag_rows
DELETE g FROM sessioncleanup_tags AS g JOIN "{sessions}" AS t ON "{id}" = g.session_id AND "{born}" = g.since
 WHERE "{behind}" AND "{id}" <= :last AND "{of_columns}" AND g.tag NOT IN ("{row_tags}")

-- name: tag_rows
INSERT INTO sessioncleanup_tags (session_id, tag)
SELECT "{id}", "{row_tag}" FROM "{sessions}" AS t WHERE "{behind}" AND "{id}" <= :last AND "{row_tag}" <> ''
    ON DUPLICATE KEY UPDATE tag = VALUES(tag)

-- name: forget_column_tags
DELETE FROM sessioncleanup_tags WHERE "{of_columns}" LIMIT :limit

-- name: tie_tags_again
-- A table that was rebuilt has lost the time at which its rows were inserted: SELECT * leaves out invisible columns. The newest
-- tags of an ID are those of its row now, unless the row was created later.
UPDATE IGNORE sessioncleanup_tags AS g
  JOIN (SELECT session_id, MAX(since) AS since FROM sessioncleanup_tags GROUP BY session_id) AS newest ON newest.session_id = g.session_id AND newest.since = g.since
  JOIN "{sessions}" AS t ON "{id}" = g.session_id
   SET g.since = "{born}"
 WHERE t."{since_column}" IS NULL AND g.since > "{born}" AND COALESCE("{created_at}" <= g.since + INTERVAL 1 DAY, TRUE)

-- name: have_tags_noted
SET @sessioncleanup_library = NULL

-- name: have_no_tags_noted
SET @sessioncleanup_library = 1

-- name: triggers_on
-- Of one table at a time: the server looks into the files of all tables otherwise.
SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND event_object_table = :table

-- name: behind_last
"{id}" > :from

-- name: backfill
-- Sessions that are inactive when their table is adopted are inactive since before: 1970 stands for that. Assignments see those before them.
UPDATE "{sessions}" AS t
   SET "{auto_cleanup_column}" = IF("{unswitched}", "{auto_cleanup_default}", "{auto_cleanup_column}"),
       "{last_activity_column}" = CASE WHEN "{revived}" THEN GREATEST(COALESCE("{last_activity}", UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6)) WHEN "{lags}" THEN "{newest_known}"
                                       ELSE COALESCE("{last_activity}", LEAST(UTC_TIMESTAMP(6), COALESCE(NULLIF(GREATEST(TIMESTAMP'1971-01-01 00:00:00'"{known_times}"), TIMESTAMP'1971-01-01 00:00:00'), UTC_TIMESTAMP(6)))) END,
       "{deactivated_at_column}" = CASE WHEN "{revived}" THEN NULL WHEN NOT "{active}" AND "{mark_inactive}" THEN COALESCE("{deactivated_at}", TIMESTAMP'1970-01-01 00:00:01') ELSE "{deactivated_at}" END"{keep}"
 WHERE "{behind}" AND "{id}" <= :last
   AND ("{revived}" OR "{lags}" OR "{last_activity}" IS NULL OR "{unswitched}" OR NOT "{active}" AND "{mark_inactive}" AND "{deactivated_at}" IS NULL)

-- name: unswitched
("{auto_cleanup_column}" IS NULL AND "{appeared}")

-- name: appeared_unnoticed
-- Inserted while no trigger noticed it. Every other session has a last activity.
"{last_activity}" IS NULL

-- name: newest_known
NULLIF(LEAST(UTC_TIMESTAMP(6), GREATEST(TIMESTAMP'1971-01-01 00:00:00', TIMESTAMP'1971-01-01 00:00:00'"{activity_times}")), TIMESTAMP'1971-01-01 00:00:00')

-- name: lags
-- The rows show a later use: when the table is adopted, by more than an hour; later, when no trigger noticed them, by more than runs
-- allow for anyway.
COALESCE("{newest_known}" > "{last_activity}" + INTERVAL "{patience}" SECOND, FALSE)

-- name: revived_unnoticed
-- Made active again while no trigger noticed it, at an unknown time.
("{active}" AND "{deactivated_at}" IS NOT NULL)

-- name: known_time
, COALESCE("{time}", TIMESTAMP'1971-01-01 00:00:00')

-- name: newest_activity
(SELECT MAX("{source_at}") FROM "{source}" AS a WHERE a."{source_session}" = "{id}")

-- name: source_at
a."{source_at}"

-- name: time_or_now
COALESCE(NULLIF("{time}", '0000-00-00 00:00:00'), UTC_TIMESTAMP(6))
