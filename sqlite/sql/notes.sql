-- Notes are what the triggers know and the sessions table does not say yet (table sessioncleanup_touches): when a session
-- was used, when the application deactivated it, whether a new one may be cleaned up. Reads take them into account,
-- writes fold them in first.

-- name: noted
-- The sessions that have a note, as it makes them, and as their table has them. LIMIT -1 OFFSET 0 keeps SQLite from
-- writing the long expressions wherever their values are used.
SELECT id, owner, id_text, owner_text, name_text, code_text, created_at_time, class, table_class, revives, folded_at, folded_deactivated_at,
       CASE WHEN revives THEN 1 ELSE table_active END AS active,
       coalesce(table_auto_cleanup, folded_auto_cleanup) AS auto_cleanup,
       CASE WHEN used THEN folded_at ELSE table_last_activity_at END AS last_activity_at,
       CASE WHEN revives AND table_expires_at_at <= folded_at THEN NULL ELSE table_expires_at_at END AS expires_at_at,
       max(CASE WHEN used THEN folded_at ELSE table_last_activity_at END, coalesce(CASE WHEN revives AND table_expires_at_at <= folded_at THEN NULL ELSE table_expires_at_at END, ''),
           coalesce(folded_deactivated_at, table_deactivated_at)) AS kept_since,
       used, table_active, table_auto_cleanup, table_last_activity_at, table_expires_at_at,
       max(table_last_activity_at, coalesce(table_expires_at_at, ''), table_deactivated_at) AS table_kept_since
  FROM (SELECT *,
               folded_at > replace(table_last_activity_at, '9000-01-01 00:00:00.000', never) AS used
          FROM (SELECT "{id}" AS id, "{owner}" AS owner, "{id_text}" AS id_text, "{owner_text}" AS owner_text, "{name_text}" AS name_text,
                       "{code_text}" AS code_text, "{noted_class}" AS class, "{class}" AS table_class, "{created_at_time}" AS created_at_time, "{active}" AS table_active,
                       "{auto_cleanup}" AS table_auto_cleanup, sessioncleanup_note.auto_cleanup AS folded_auto_cleanup,
                       "{last_activity_at}" AS table_last_activity_at, CASE WHEN "{last_activity_infinite}" THEN '9999' ELSE '' END AS never,
                       "{expires_at_at}" AS table_expires_at_at,
                       "{deactivated_at_time}" AS table_deactivated_at,
                       sessioncleanup_note.at AS folded_at,
                       sessioncleanup_note.deactivated_at AS folded_deactivated_at,
                       "{note_revives}" AS revives
                  FROM sessioncleanup_touches AS sessioncleanup_note CROSS JOIN "{sessions}" ON "{id}" = sessioncleanup_note.session
                 WHERE "{notes_chosen}""{if_visible}"
                 LIMIT -1 OFFSET 0))

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

-- name: lock_in
-- Takes the write lock, and changes nothing.
UPDATE sessioncleanup_touches SET refused = refused WHERE 0

-- name: touched_in
SELECT "{id}" AS session FROM "{sessions}" WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids))"{if_visible}"
