-- Columns are qualified by their table because SQLite takes an unknown name in double quotes for a text. What is asked of
-- sessions is asked twice: of those without a note in their table, where indexes help, and of those with one as it makes
-- them (notes.sql).

-- name: session_columns
"{id_text}", "{owner_text}", "{owner_name}", "{name_text}", "{code_text}", "{active}" IS NOT 0,
       coalesce("{auto_cleanup}", sessioncleanup_note.auto_cleanup) IS 1,
       "{created_at_time}", "{updated_at_time}", "{last_activity_at}", "{expires_at_at}",
       CASE WHEN "{active}" IS 0 THEN coalesce(sessioncleanup_note.deactivated_at, "{deactivated_at_time}") END,
       sessioncleanup_note.at, coalesce("{last_activity_infinite}", 0),
       CASE WHEN sessioncleanup_note.at IS NOT NULL THEN "{note_revives}" ELSE 0 END,
       "{warning_of}", "{tags_of}", "{activity_count}"

-- name: owner_name
coalesce((SELECT "{owners_name}" FROM "{owners}" WHERE "{owners}"."{owners_id}" = "{owner}"), '')

-- name: activity_count
(SELECT count(*) FROM "{source}" WHERE "{source}"."{source_session}" = "{id}")

-- name: select_one
SELECT "{session_columns}"
  FROM "{sessions}" LEFT JOIN sessioncleanup_touches AS sessioncleanup_note ON "{id}" = sessioncleanup_note.session
 WHERE "{id}" = :id"{if_visible}"

-- name: page
-- For few sessions, and for orders without an index: it sorts what matches. The page is found first. Owners and
-- activity are then looked up for its rows only.
WITH sessioncleanup_noted AS ("{noted}")
SELECT "{session_columns}"
  FROM (SELECT id, place
          FROM ("{rows}"
                UNION ALL
                SELECT "{noted_id}", "{noted_place}" FROM sessioncleanup_noted WHERE "{noted_condition}")
         WHERE :first OR (place, id) "{beyond}" (:after_place, :after_id)
         ORDER BY place "{direction}", id "{direction}"
         LIMIT :limit + 0) AS sessioncleanup_page
  JOIN "{sessions}" ON "{id}" = sessioncleanup_page.id
  LEFT JOIN sessioncleanup_touches AS sessioncleanup_note ON "{id}" = sessioncleanup_note.session
 ORDER BY sessioncleanup_page.place "{direction}", sessioncleanup_page.id "{direction}"

-- name: few
SELECT count(*) FROM ("{rows}" LIMIT :few + 0)

-- name: walk
-- Reads the table in the order of the list, and no further than the page needs. Each part has an index in that order.
WITH sessioncleanup_noted AS ("{noted}")
SELECT "{session_columns}", sessioncleanup_page.found, sessioncleanup_page.ends
  FROM (SELECT id, place, found, ends
          FROM ("{parts}"
                UNION ALL
                SELECT "{noted_id}", "{noted_place}", 1, 0 FROM sessioncleanup_noted WHERE "{noted_condition}" AND "{noted_past}")
         ORDER BY place "{direction}", id "{direction}", ends
         LIMIT :limit + 0) AS sessioncleanup_page
  JOIN "{sessions}" ON "{id}" = sessioncleanup_page.id
  LEFT JOIN sessioncleanup_touches AS sessioncleanup_note ON "{id}" = sessioncleanup_note.session
 ORDER BY sessioncleanup_page.place "{direction}", sessioncleanup_page.id "{direction}", sessioncleanup_page.ends

-- name: walk_all
SELECT * FROM (
  SELECT "{id}" AS id, "{place}" AS place, 1 AS found, 0 AS ends
    FROM "{sessions}" INDEXED BY "{index}" WHERE "{part}" AND "{named}" AND "{unnoted}" AND "{past}"
   ORDER BY "{place}" "{direction}", "{id}" "{direction}"
   LIMIT :limit + 0)

-- name: walk_some
-- It looks at :walked sessions at most: the last of those comes once more, and says how far that was.
SELECT * FROM (
  SELECT id, place, 1 AS found, 0 AS ends
    FROM (SELECT "{id}" AS id, "{place}" AS place, ("{condition}") IS 1 AS found
            FROM "{sessions}" INDEXED BY "{index}" WHERE "{part}" AND "{named}" AND "{unnoted}" AND "{past}"
           ORDER BY "{place}" "{direction}", "{id}" "{direction}"
           LIMIT :walked + 0)
   WHERE found
   LIMIT :limit + 0)
UNION ALL
SELECT * FROM (
  SELECT "{id}", "{place}", 0, 1
    FROM "{sessions}" INDEXED BY "{index}" WHERE "{part}" AND "{named}" AND "{unnoted}" AND "{past}"
   ORDER BY "{place}" "{direction}", "{id}" "{direction}"
   LIMIT 1 OFFSET :walked - 1)

-- name: past
-- The first comparison is for the index.
"{place}" "{beyond}"= :after_place AND ("{place}", "{id}") "{beyond}" (:after_place, :after_id)

-- name: every
-- All sessions, in no order, with what a profile needs.
SELECT "{session_columns}"
  FROM "{sessions}" LEFT JOIN sessioncleanup_touches AS sessioncleanup_note ON "{id}" = sessioncleanup_note.session
 WHERE "{named}""{if_visible}"

-- name: place_created
coalesce("{created_at_time}", '')

-- name: place_name
"{name_text}" COLLATE BINARY

-- name: count
WITH sessioncleanup_noted AS ("{noted}")
SELECT count(*) FROM (
  "{rows}"
  UNION ALL
  SELECT 1 FROM sessioncleanup_noted WHERE "{noted_condition}"
  LIMIT :count_up_to + 0)

-- name: rows
SELECT "{columns}" FROM "{sessions}" WHERE "{condition}" AND "{unnoted}"

-- name: rows_to_deactivate
-- From the indexes, at the start and the end of each run. A condition with OR would read every active session.
SELECT "{columns}" FROM "{sessions}" INDEXED BY sessioncleanup_"{of_class}"idle WHERE "{due_idle}" AND "{condition}" AND "{unnoted}"
  UNION ALL
  SELECT "{columns}" FROM "{sessions}" INDEXED BY sessioncleanup_"{of_class}"expired WHERE "{due_expired}" AND "{condition}" AND "{unnoted}"

-- name: rows_to_warn
SELECT "{columns}" FROM "{sessions}" INDEXED BY sessioncleanup_"{of_class}"gone WHERE "{due_to_warn}" AND "{condition}" AND "{unnoted}"

-- name: rows_waiting
SELECT "{columns}" FROM "{sessions}" INDEXED BY sessioncleanup_"{of_class}"gone WHERE "{status_waiting}" AND "{condition}" AND "{unnoted}"

-- name: rows_to_delete
SELECT "{columns}" FROM "{sessions}" INDEXED BY sessioncleanup_"{of_class}"gone WHERE "{due_gone}" AND "{condition}" AND "{unnoted}"

-- name: measured
-- Sessions without a note as rules need them: with the names of those that have one. See there for LIMIT -1 OFFSET 0.
SELECT class, id_text, active, auto_cleanup, last_activity_at, expires_at_at,
               max(last_activity_at, coalesce(expires_at_at, ''), deactivated_at) AS kept_since
          FROM (SELECT "{measured_class}" AS class, "{id_text}" AS id_text, "{active}" AS active, "{auto_cleanup}" AS auto_cleanup, "{last_activity_at}" AS last_activity_at,
                       "{expires_at_at}" AS expires_at_at, "{deactivated_at_time}" AS deactivated_at
                  FROM "{sessions}" WHERE "{condition}" AND "{unnoted}"
                 LIMIT -1 OFFSET 0)

-- name: measured_in_table
-- Sessions with a note as their table has them.
SELECT id_text, table_active AS active, table_auto_cleanup AS auto_cleanup, table_last_activity_at AS last_activity_at,
               table_expires_at_at AS expires_at_at, table_kept_since AS kept_since
          FROM sessioncleanup_noted

-- name: figures
-- Counted "{sign}" times.
SELECT "{figures_class}" AS class, "{sign}" * count(*) AS total,
       "{sign}" * coalesce(sum("{active}" IS NOT 0), 0) AS active,
       "{sign}" * coalesce(sum("{last_activity_at}" < "{delete_cutoff}"), 0) AS old,
       "{sign}" * coalesce(sum("{status_protected}"), 0) AS protected,
       "{sign}" * coalesce(sum(("{status_to_deactivate}") IS 1), 0) AS to_deactivate,
       "{sign}" * coalesce(sum(("{status_to_delete}") IS 1), 0) AS to_delete,
       "{sign}" * coalesce(sum("{never_due}"), 0) AS never_due,
       "{sign}" * coalesce(sum("{last_activity_at}" >= "{in_use_cutoff}"), 0) AS in_use,
       "{sign}" * coalesce(sum("{last_activity_at}" >= "{recent_cutoff}"), 0) AS recent,
       min(CASE WHEN "{due_idle}" AND "{sign}" > 0 THEN "{last_activity_at}" END) AS idle,
       min(CASE WHEN "{running}" AND "{expires_at_at}" <= "{expiry_cutoff}" AND "{sign}" > 0 THEN "{expires_at_at}" END) AS expired,
       min(CASE WHEN "{due_gone}" AND "{sign}" > 0 THEN "{kept_since}" END) AS gone
  FROM "{figures_from}" AS sessioncleanup_noted
 WHERE "{condition}""{figures_grouped}"

-- name: add_figures
WITH sessioncleanup_noted AS ("{noted}")
SELECT "{figures_class}", sum(total), sum(active), sum(old), sum(protected), sum(to_deactivate), sum(to_delete), sum(never_due), sum(in_use), sum(recent), min(idle), min(expired), min(gone)
  FROM ("{figures}")"{figures_grouped}"

-- name: used_since
(SELECT count(*) FROM "{sessions}" WHERE "{running}" AND "{last_activity_at}" >= "{cutoff}")
      + (SELECT count(*) FROM "{sessions}" WHERE "{ended}" AND "{last_activity_at}" >= "{cutoff}")
      + (SELECT count(*) FROM "{sessions}" WHERE "{protected}" AND "{last_activity_at}" >= "{cutoff}")

-- name: figures_of_all
-- Those of all sessions, from the indexes and as their table has them: each is in exactly one of idle, gone and protected.
SELECT NULL AS class, total, active, old, protected, to_deactivate, to_delete, never_due, in_use, recent,
       CASE WHEN idle < "{inactive_cutoff}" THEN idle END AS idle,
       CASE WHEN expired <= "{expiry_cutoff}" THEN expired END AS expired,
       CASE WHEN gone < "{delete_cutoff}" THEN gone END AS gone
  FROM (SELECT
    (SELECT count(*) FROM "{sessions}""{where_visible}") AS total,
    (SELECT count(*) FROM "{sessions}" WHERE "{running}")
      + (SELECT count(*) FROM "{sessions}" WHERE "{protected}" AND "{active}" IS NOT 0) AS active,
    (SELECT count(*) FROM "{sessions}" WHERE "{running}" AND "{last_activity_at}" < "{delete_cutoff}")
      + (SELECT count(*) FROM "{sessions}" WHERE "{ended}" AND "{last_activity_at}" < "{delete_cutoff}")
      + (SELECT count(*) FROM "{sessions}" WHERE "{protected}" AND "{last_activity_at}" < "{delete_cutoff}") AS old,
    (SELECT count(*) FROM "{sessions}" WHERE "{protected}") AS protected,
    (SELECT count(*) FROM "{sessions}" WHERE "{due_idle}") + (SELECT count(*) FROM "{sessions}" WHERE "{due_expired}") AS to_deactivate,
    (SELECT count(*) FROM "{sessions}" WHERE "{due_gone}") AS to_delete,
    (SELECT count(*) FROM "{sessions}" WHERE "{never_due}") AS never_due,
    "{used_since_inactive}" AS in_use,
    "{used_since_recent}" AS recent,
    (SELECT min("{last_activity_at}") FROM "{sessions}" WHERE "{running}" AND "{unnoted}") AS idle,
    (SELECT min("{expires_at_at}") FROM "{sessions}"
      WHERE "{running}" AND "{has_expires_at}" AND "{unnoted}") AS expired,
    (SELECT min("{kept_since}") FROM "{sessions}" WHERE "{due_gone}" AND "{unnoted}") AS gone
  LIMIT -1 OFFSET 0)
