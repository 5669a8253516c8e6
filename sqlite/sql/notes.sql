-- Notes are what the triggers know and the sessions table does not say yet (table sessioncleanup_touches): when a session
-- was used, when the application deactivated it, whether a new one may be cleaned up. Reads take them into account,
-- writes fold them in first.

-- name: noted
-- The sessions that have a note, as it makes them.
SELECT id, owner, id_text, owner_text, name_text, code_text, created_at_time, revives, folded_at, folded_deactivated_at,
       CASE WHEN revives THEN 1 ELSE active END AS active,
       auto_cleanup,
       last_activity_at,
       CASE WHEN revives AND expires_at_at <= folded_at THEN NULL ELSE expires_at_at END AS expires_at_at,
       max(last_activity_at, coalesce(expires_at_at, ''), coalesce(folded_deactivated_at, deactivated_at_time)) AS kept_since
  FROM (SELECT "{id}" AS id, "{owner}" AS owner, "{id_text}" AS id_text, "{owner_text}" AS owner_text, "{name_text}" AS name_text,
               "{code_text}" AS code_text, "{created_at_time}" AS created_at_time, "{active}" AS active,
               coalesce("{auto_cleanup}", sessioncleanup_note.auto_cleanup) AS auto_cleanup,
               "{noted_last_activity_at}" AS last_activity_at,
               "{expires_at_at}" AS expires_at_at,
               "{deactivated_at_time}" AS deactivated_at_time,
               sessioncleanup_note.at AS folded_at,
               sessioncleanup_note.deactivated_at AS folded_deactivated_at,
               "{note_revives}" AS revives
          FROM sessioncleanup_touches AS sessioncleanup_note CROSS JOIN "{sessions}" ON "{id}" = sessioncleanup_note.session
         WHERE "{notes_chosen}")

-- name: noted_last_activity_at
CASE WHEN sessioncleanup_note.at IS NULL OR "{last_activity_kept}" THEN "{last_activity_at}"
                    ELSE max(sessioncleanup_note.at, coalesce("{last_activity_known}", '')) END

-- name: note_revives
-- As Touch.Apply: whether the note makes the session active again.
("{reactivate}" AND "{active}" IS 0 AND coalesce("{auto_cleanup}", sessioncleanup_note.auto_cleanup) IS 1
                AND sessioncleanup_note.deactivated_at IS NULL AND sessioncleanup_note.at > "{deactivated_at_time}" AND "{by_run}")

-- name: by_run
-- Whether a run deactivated the session, as the log knows.
EXISTS (SELECT 1 FROM sessioncleanup_events AS e, json_each(e.sessions) AS s
                         WHERE e.at = "{deactivated_at_time}" AND e.action = 'deactivated' AND e.run_id <> '' AND json_extract(s.value, '$.id') = "{id_text}")

-- name: unnoted
NOT EXISTS (SELECT 1 FROM sessioncleanup_touches AS sessioncleanup_note WHERE sessioncleanup_note.session = "{id}")
