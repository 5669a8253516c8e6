-- Changes of single sessions, and touches. Notes of the sessions were folded in before.

-- name: change
-- NULL leaves a column as it is. Times are written only when they change, so that the application's own value is kept.
UPDATE "{sessions}"
   SET "{active_column}" = "{write_active}",
       "{auto_cleanup_column}" = coalesce(:auto_cleanup, "{auto_cleanup}"),
       "{last_activity_column}" = CASE WHEN :last_activity IS NULL THEN "{last_activity}" ELSE "{write_last_activity}" END,
       "{expires_at_column}" = CASE WHEN :set_expires_at THEN "{write_expires_at}" ELSE "{expires_at}" END,
       "{deactivated_at_column}" = CASE WHEN :set_deactivated_at THEN "{write_deactivated_at}" ELSE "{deactivated_at}" END
 WHERE "{id}" = :id

-- name: write_switch
coalesce(:active, "{active}")

-- name: write_state
-- One of several values that mean the same stays.
CASE WHEN :active IS NULL OR :active = ("{active}" IS NOT 0) THEN "{active_value}" WHEN :active THEN "{active_on}" ELSE "{active_off}" END

-- name: delete
"{remove}" WHERE "{id}" = :id

-- name: used
-- When sessions were used, as an array of [id, time, time minus the touch interval].
(SELECT "{used_id}" AS id, json_extract(value, '$[1]') AS at, json_extract(value, '$[2]') AS before FROM json_each(:used)) AS sessioncleanup_used

-- name: touch
-- As Touch.Apply, but for two cases: a last activity that cannot be read is written, one at the end of time is kept.
-- Sessions that the touch makes active are left to the statement below.
UPDATE "{sessions}"
   SET "{last_activity_column}" = "{write_used}"
  FROM "{used}"
 WHERE "{id}" = sessioncleanup_used.id AND "{condition}" AND NOT coalesce("{use_revives}", 0)
   AND "{last_activity_known}" <= sessioncleanup_used.before

-- name: reactivate
UPDATE "{sessions}"
   SET "{active_column}" = "{active_on}",
       "{last_activity_column}" = CASE WHEN "{last_activity_known}" > sessioncleanup_used.at THEN "{last_activity}" ELSE "{write_used}" END,
       "{expires_at_column}" = CASE WHEN "{expires_at_at}" <= sessioncleanup_used.at THEN NULL ELSE "{expires_at}" END,
       "{deactivated_at_column}" = NULL
  FROM "{used}"
 WHERE "{id}" = sessioncleanup_used.id AND "{condition}" AND "{use_revives}"
RETURNING "{id_text}", "{owner_text}", "{name_text}"

-- name: use_revives
-- The plus signs keep SQLite from looking through all inactive sessions instead of those that were used.
(+"{active}" IS 0 AND +"{auto_cleanup}" IS 1 AND sessioncleanup_used.at > "{deactivated_at_time}" AND "{by_run}")

-- name: fold
WITH sessioncleanup_noted AS ("{noted}")
UPDATE "{sessions}"
   SET "{active_column}" = CASE WHEN revives THEN "{active_on}" ELSE "{active_value}" END,
       "{auto_cleanup_column}" = coalesce("{auto_cleanup}", sessioncleanup_noted.auto_cleanup),
       "{last_activity_column}" = CASE WHEN used THEN "{write_folded_at}" ELSE "{last_activity}" END,
       "{expires_at_column}" = CASE WHEN revives AND "{expires_at_at}" <= folded_at THEN NULL ELSE "{expires_at}" END,
       "{deactivated_at_column}" = CASE WHEN sessioncleanup_noted.active IS NOT 0 THEN NULL
                                        WHEN folded_deactivated_at IS NULL THEN "{deactivated_at}"
                                        ELSE "{write_folded_deactivated_at}" END
  FROM sessioncleanup_noted
 WHERE "{id}" = sessioncleanup_noted.id

-- name: revived
WITH sessioncleanup_noted AS ("{noted}")
SELECT id_text, owner_text, name_text FROM sessioncleanup_noted WHERE revives

-- name: drop_notes
DELETE FROM sessioncleanup_touches AS sessioncleanup_note WHERE "{notes_chosen}"

-- name: refuse_notes
-- A constraint or a trigger of the application refuses them. Their session is kept for as long as they say; new activity
-- makes them try again.
UPDATE sessioncleanup_touches AS sessioncleanup_note SET refused = 1 WHERE "{notes_chosen}"

-- name: last_of_notes
SELECT count(*), max(session)
  FROM (SELECT session FROM sessioncleanup_touches AS sessioncleanup_note WHERE "{notes_chosen}" ORDER BY session LIMIT :limit + 0)

-- name: choose_older_notes
-- Not those of since the run began. A note that lies ahead of the clock is of before: the clock was wrong.
NOT sessioncleanup_note.refused
 AND (max(coalesce(sessioncleanup_note.at, ''), coalesce(sessioncleanup_note.deactivated_at, '')) > :run
      AND max(coalesce(sessioncleanup_note.at, ''), coalesce(sessioncleanup_note.deactivated_at, '')) <= :clock) IS NOT 1

-- name: choose_older_notes_up_to
"{older}" AND sessioncleanup_note.session <= :last

-- name: choose_notes_of
sessioncleanup_note.session IN (SELECT "{listed_id}" FROM json_each(:ids))

-- name: choose_note
sessioncleanup_note.session = :one

-- name: has_notes
SELECT EXISTS (SELECT 1 FROM sessioncleanup_touches AS sessioncleanup_note WHERE "{notes_chosen}")

-- name: has_more
-- Whether notes say more than that tags were changed. One without a time is also that of a session that the application
-- made active.
SELECT EXISTS (SELECT 1 FROM sessioncleanup_touches AS sessioncleanup_note
                WHERE ("{notes_chosen}")
                  AND (sessioncleanup_note.at IS NOT NULL OR sessioncleanup_note.deactivated_at IS NOT NULL OR sessioncleanup_note.auto_cleanup IS NOT NULL
                       OR EXISTS (SELECT 1 FROM "{sessions}" WHERE "{id}" = sessioncleanup_note.session AND "{deactivated_at}" IS NOT NULL AND "{active}" IS NOT 0)))

-- name: list_notes
SELECT session FROM sessioncleanup_touches AS sessioncleanup_note WHERE "{notes_chosen}"
