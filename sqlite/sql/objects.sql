-- What Migrate hangs on the host's tables. Migrate compares each with what the database has, word for word, and makes
-- it anew when it differs. Nothing here needs a SQLite newer than 3.25: another program that opens the database reads
-- all of its schema, and fails on what it does not know.

-- name: create_sessions
CREATE TABLE "{sessions}" (
    id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(8)))),
    owner_id TEXT,
    name TEXT,
    code TEXT,
    active BOOLEAN NOT NULL DEFAULT 1,
    auto_cleanup BOOLEAN,
    created_at DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    last_activity DATETIME,
    expires_at DATETIME
)

-- name: drop_sessions
DROP TABLE "{sessions}"

-- name: add_active
ALTER TABLE "{sessions}" ADD COLUMN "{active_column}" BOOLEAN NOT NULL DEFAULT 1

-- name: add_last_activity
ALTER TABLE "{sessions}" ADD COLUMN "{last_activity_column}" DATETIME

-- name: add_expires_at
ALTER TABLE "{sessions}" ADD COLUMN "{expires_at_column}" DATETIME

-- name: add_auto_cleanup
ALTER TABLE "{sessions}" ADD COLUMN "{auto_cleanup_column}" BOOLEAN

-- name: drop_column
ALTER TABLE "{table}" DROP COLUMN "{column}"

-- name: drop_object
DROP "{type}" "{name}"

-- name: index_due_idle
CREATE INDEX sessioncleanup_idle ON "{sessions}" ("{last_activity_at}", "{id}")
 WHERE "{is_active}" AND "{may_be_cleaned}"

-- name: index_due_expired
CREATE INDEX sessioncleanup_expired ON "{sessions}" ("{expires_at_at}", "{id}")
 WHERE "{is_active}" AND "{may_be_cleaned}" AND "{expires_at}" IS NOT NULL

-- name: index_due_gone
CREATE INDEX sessioncleanup_gone ON "{sessions}" ("{last_sign_at}", "{id}")
 WHERE "{is_inactive}" AND "{may_be_cleaned}"

-- name: index_protected
CREATE INDEX sessioncleanup_protected ON "{sessions}" ("{active}")
 WHERE "{is_protected}"

-- name: index_of_column
CREATE INDEX "{name}" ON "{table}" ("{column}")

-- name: trigger_session_inserted
-- For hosts that know nothing of these columns. A row that is inserted is a session in use.
CREATE TRIGGER sessioncleanup_session_inserted AFTER INSERT ON "{sessions}"
WHEN NEW."{last_activity_column}" IS NULL OR NEW."{auto_cleanup_column}" IS NULL
BEGIN
  UPDATE "{sessions}"
     SET "{last_activity_column}" = coalesce("{last_activity}", "{write_now}"),
         "{auto_cleanup_column}" = coalesce("{auto_cleanup}", (SELECT auto_cleanup_default FROM sessioncleanup_settings))
   WHERE "{id}" = NEW."{id_column}";
END

-- name: trigger_source_inserted
CREATE TRIGGER "{name}" AFTER INSERT ON "{source}"
WHEN NEW."{source_session}" IS NOT NULL
BEGIN
"{touch_sessions}"
END

-- name: trigger_source_updated
-- A row that moves touches the session that it left, too. One that loses its session because that is deleted finds
-- it gone.
CREATE TRIGGER "{name}" AFTER UPDATE ON "{source}"
WHEN NEW."{source_session}" IS NOT NULL OR OLD."{source_session}" IS NOT NULL
BEGIN
"{touch_sessions}"
END

-- name: inserted_session
NEW."{source_session}"

-- name: updated_sessions
NEW."{source_session}", OLD."{source_session}"

-- name: touch_sessions
  INSERT INTO sessioncleanup_events (at, action, actor, reason, sessions)
  SELECT "{now}", 'reactivated', 'system', 'activity',
         json_array(json_object('id', "{id_text}", 'owner_id', "{owner_text}", 'name', "{name_text}"))
    FROM "{sessions}"
   WHERE "{id}" IN ("{touched}") AND "{is_revivable}" AND (SELECT reactivate_on_activity FROM sessioncleanup_settings);
  UPDATE "{sessions}"
     SET "{last_activity_column}" = "{write_now}",
         "{active_column}" = CASE WHEN "{revives}" THEN 1 ELSE "{active}" END,
         "{expires_at_column}" = CASE WHEN "{revives}" AND "{expires_at_at}" <= "{now}" THEN NULL ELSE "{expires_at}" END
   WHERE "{id}" IN ("{touched}")
     AND ("{last_activity_at}" <= strftime('%Y-%m-%d %H:%M:%f', 'now',
            (SELECT printf('-%.3f seconds', touch_interval_seconds) FROM sessioncleanup_settings))
          OR "{last_activity_time}" IS NULL OR "{revives}");

-- name: revives
"{is_revivable}" AND (SELECT reactivate_on_activity FROM sessioncleanup_settings)

-- name: view
CREATE VIEW sessions_cleanup_view AS
SELECT "{sessions}".*"{view_columns}"
  FROM "{sessions}"
 CROSS JOIN (SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') AS now,
                    CASE WHEN inactive_after_seconds IS NOT NULL THEN
                      strftime('%Y-%m-%d %H:%M:%f', 'now',
                        printf('-%.3f seconds', inactive_after_seconds + touch_interval_seconds)) END AS inactive,
                    CASE WHEN delete_after_seconds IS NOT NULL THEN
                      strftime('%Y-%m-%d %H:%M:%f', 'now',
                        printf('-%.3f seconds', delete_after_seconds + touch_interval_seconds)) END AS gone
               FROM sessioncleanup_settings) AS sessioncleanup_cutoffs

-- name: view_owner_name
nullif("{owner_name}", '')

-- name: view_hours_inactive
round(max(julianday('now') - julianday("{last_activity_time}"), 0) * 24, 2)

-- name: view_days_old
round(max(julianday('now') - julianday("{created_at_time}"), 0), 2)

-- name: view_status
CASE WHEN "{is_protected}" THEN 'protected'
       WHEN "{is_active}" THEN
         CASE WHEN sessioncleanup_cutoffs.inactive IS NOT NULL
                   AND ("{last_activity_at}" < sessioncleanup_cutoffs.inactive OR "{expires_at_at}" <= sessioncleanup_cutoffs.now)
              THEN 'to_deactivate' ELSE 'active' END
       WHEN "{last_sign_at}" < sessioncleanup_cutoffs.gone THEN 'to_delete'
       ELSE 'inactive' END

-- name: view_cleanup_status
CASE "{view_status}" WHEN 'to_deactivate' THEN 'À désactiver' WHEN 'to_delete' THEN 'À supprimer' ELSE 'Actif' END

-- name: backfill
-- Sessions that were there before the columns. What is known best is the latest of what is known; nothing lies in the
-- future.
UPDATE "{sessions}"
   SET "{last_activity_column}" = coalesce("{last_activity}", "{write_best_known}"),
       "{auto_cleanup_column}" = coalesce("{auto_cleanup}", CASE WHEN :fill_auto_cleanup THEN :auto_cleanup END)
 WHERE "{id}" > :after "{until}" AND "{unfilled}"

-- name: until
AND "{id}" <= :last

-- name: last_unfilled
-- The last session of a batch; none when there are fewer left.
SELECT "{id}" FROM "{sessions}" WHERE "{id}" > :after AND "{unfilled}" ORDER BY "{id}" LIMIT 1 OFFSET :skip

-- name: unfilled
("{last_activity}" IS NULL OR :fill_auto_cleanup AND "{auto_cleanup}" IS NULL)

-- name: best_known
min("{now}", coalesce(nullif(max('', ''"{known_times}"), ''), "{now}"))

-- name: known_time
coalesce("{value}", '')

-- name: newest_activity
(SELECT max("{source_at_time}") FROM "{source}" WHERE "{source}"."{source_session}" = "{id}")
