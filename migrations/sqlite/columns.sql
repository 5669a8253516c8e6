-- The sessions table, the columns of the lifecycle, and the values that old rows get.

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
    expires_at DATETIME,
    deactivated_at DATETIME
)

-- name: add_active
ALTER TABLE "{sessions}" ADD COLUMN "{active_column}" "{boolean}" NOT NULL DEFAULT 1

-- name: add_last_activity
ALTER TABLE "{sessions}" ADD COLUMN "{last_activity_column}" "{datetime}"

-- name: add_expires_at
ALTER TABLE "{sessions}" ADD COLUMN "{expires_at_column}" "{datetime}"

-- name: add_auto_cleanup
ALTER TABLE "{sessions}" ADD COLUMN "{auto_cleanup_column}" "{boolean}"

-- name: add_deactivated_at
ALTER TABLE "{sessions}" ADD COLUMN "{deactivated_at_column}" "{datetime}"

-- name: drop_column
ALTER TABLE "{table}" DROP COLUMN "{column}"

-- name: drop_object
DROP "{kind}" "{name}"

-- name: first_session
SELECT min("{id}") FROM "{sessions}"

-- name: last_of_sessions
-- The last session of a batch, and the first one after it.
SELECT last, (SELECT min("{id}") FROM "{sessions}" WHERE "{id}" > last)
  FROM (SELECT max(id) AS last FROM (SELECT "{id}" AS id FROM "{sessions}" WHERE "{id}" >= :from ORDER BY "{id}" LIMIT :limit))

-- name: backfill_needed
SELECT EXISTS (SELECT 1 FROM "{sessions}" WHERE "{id}" BETWEEN :from AND :last AND ("{lacks_values}"))

-- name: backfill
-- Sessions that are inactive when their table is adopted are inactive since before: 1970 stands for that. Those of which no
-- time from 1971 on is known are inactive from now on, so that they are not deleted at once.
UPDATE "{sessions}"
   SET "{last_activity_column}" = CASE WHEN "{revived}" AND ("{last_activity_at}" < :now OR "{last_activity}" IS NULL) THEN "{write_used_now}" WHEN "{last_activity}" IS NULL OR "{outdone}" THEN "{write_best_known}" WHEN "{lags}" THEN "{write_newest_known}" ELSE "{last_activity}" END,
       "{auto_cleanup_column}" = coalesce("{auto_cleanup}", CASE WHEN :fill_auto_cleanup OR "{appeared}" THEN :auto_cleanup END),
       "{deactivated_at_column}" = CASE WHEN "{revived}" THEN NULL WHEN :mark_inactive AND "{active}" IS 0 THEN coalesce("{deactivated_at}", CASE WHEN "{last_activity}" IS NOT NULL AND "{last_activity_at}" < '1971' THEN "{write_now}" ELSE "{write_epoch}" END) ELSE "{deactivated_at}" END
 WHERE "{id}" BETWEEN :from AND :last AND ("{lacks_values}")

-- name: lags
-- The application's own column of last activities lags behind what its other tables show.
"{newest_known}" > strftime('%Y-%m-%d %H:%M:%f', "{last_activity_at}", :patience)

-- name: outdone
-- Neither the last activity nor the creation says anything, and another time does.
"{last_activity_at}" < '1971' AND max('1971', ''"{known_times}") > '1971'

-- name: newest_known
nullif(min(:now, max('1971', ''"{known_times}")), '1971')

-- name: revived_unnoticed
-- Made active again while no trigger noticed it, at an unknown time.
(:catch_up AND "{active}" IS NOT 0 AND "{deactivated_at}" IS NOT NULL AND "{unnoted}")

-- name: appeared
-- Inserted while no trigger noticed it. Every other session has a last activity.
(:catch_up AND "{last_activity}" IS NULL)

-- name: time_or_now
coalesce("{time}", :now)

-- name: lacks_values
("{last_activity}" IS NULL OR "{outdone}" OR "{lags}" OR "{revived}" OR :fill_auto_cleanup AND "{auto_cleanup}" IS NULL OR :mark_inactive AND "{active}" IS 0 AND "{deactivated_at}" IS NULL)"{if_visible}"

-- name: best_known
-- The latest of the known times, but never one in the future; now when none is known. One before 1971 is none.
min(:now, coalesce(nullif(max('1971', ''"{known_times}"), '1971'), :now))

-- name: newest_activity
(SELECT max("{source_at_time}") FROM "{source}" WHERE "{source}"."{source_session}" = "{id}")

-- name: untag_rows
DELETE FROM sessioncleanup_tags
 WHERE (session_id, tag) IN (SELECT t.session_id, t.tag FROM "{sessions}" CROSS JOIN sessioncleanup_tags AS t
                              WHERE "{id}" BETWEEN :from AND :last AND t.session_id = "{id_text}" AND "{of_columns}" AND t.tag NOT IN ("{row_tags}"))

-- name: tag_rows
INSERT INTO sessioncleanup_tags (session_id, tag)
SELECT "{id_text}", "{row_tag}" FROM "{sessions}" WHERE "{id}" BETWEEN :from AND :last AND "{row_tag}" <> ''
    ON CONFLICT DO NOTHING

-- name: forget_column_tags
DELETE FROM sessioncleanup_tags WHERE (session_id, tag) IN (SELECT session_id, tag FROM sessioncleanup_tags WHERE "{of_columns}" LIMIT :limit)
