-- Columns are qualified by their table because SQLite takes an unknown name in double quotes for a text.

-- name: session_columns
"{id_text}", "{owner_text}", "{owner_name}", "{name_text}", "{code_text}", "{active}" IS NOT 0, "{auto_cleanup}" IS 1,
       "{created_at_time}", "{updated_at_time}", "{last_activity_at}", "{expires_at_at}", "{activity_count}"

-- name: owner_name
coalesce((SELECT "{owners}"."{owners_name}" FROM "{owners}" WHERE "{owners}"."{owners_id}" = "{owner}"), '')

-- name: activity_count
(SELECT count(*) FROM "{source}" WHERE "{source}"."{source_session}" = "{id}")

-- name: page
-- The page is found first. Owners and activity are then looked up for its rows only.
SELECT "{session_columns}"
  FROM (SELECT "{id}" AS id, "{place}" AS place
          FROM "{sessions}"
         WHERE "{condition}" AND (:first OR ("{place}", "{id}") "{beyond}" (:after_place, :after_id))
         ORDER BY place "{direction}", id "{direction}"
         LIMIT :limit) AS sessioncleanup_page
  JOIN "{sessions}" ON "{id}" = sessioncleanup_page.id
 ORDER BY sessioncleanup_page.place "{direction}", sessioncleanup_page.id "{direction}"

-- name: place_created
coalesce("{created_at_time}", '')

-- name: place_name
"{name_text}" COLLATE BINARY

-- name: count
SELECT count(*) FROM (SELECT 1 FROM "{sessions}" WHERE "{condition}" LIMIT :count_up_to)

-- name: count_to_deactivate
-- From the indexes, at the start of each run. A condition with OR would read every active session.
SELECT count(*) FROM (
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_idle WHERE "{due_idle}" AND "{condition}"
  UNION ALL
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_expired WHERE "{due_expired}" AND "{condition}"
  LIMIT :count_up_to)

-- name: count_to_delete
SELECT count(*) FROM (
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_gone WHERE "{due_gone}" AND "{condition}" LIMIT :count_up_to)

-- name: counts
SELECT count(*),
       coalesce(sum("{active}" IS NOT 0), 0),
       coalesce(sum("{last_activity_at}" < "{delete_cutoff}"), 0),
       coalesce(sum("{status_protected}"), 0),
       coalesce(sum(("{status_to_deactivate}") IS 1), 0),
       coalesce(sum(("{status_to_delete}") IS 1), 0),
       min(CASE WHEN "{due_idle}" THEN "{last_activity_at}" END),
       min(CASE WHEN "{active}" IS NOT 0 AND "{auto_cleanup}" IS 1 AND "{expires_at_at}" <= "{expiry_cutoff}" THEN "{expires_at_at}" END),
       min(CASE WHEN "{due_gone}" THEN "{kept_since}" END)
  FROM "{sessions}"
 WHERE "{condition}"

-- name: counts_of_all
-- The same without a filter, from the indexes: each session is in exactly one of idle, gone and protected.
SELECT (SELECT count(*) FROM "{sessions}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{active}" IS NOT 0 AND "{auto_cleanup}" IS 1)
         + (SELECT count(*) FROM "{sessions}" WHERE "{auto_cleanup}" IS NOT 1 AND "{active}" IS NOT 0),
       (SELECT count(*) FROM "{sessions}" WHERE "{active}" IS NOT 0 AND "{auto_cleanup}" IS 1 AND "{last_activity_at}" < "{delete_cutoff}")
         + (SELECT count(*) FROM "{sessions}" WHERE "{active}" IS 0 AND "{auto_cleanup}" IS 1 AND "{last_activity_at}" < "{delete_cutoff}")
         + (SELECT count(*) FROM "{sessions}" WHERE "{auto_cleanup}" IS NOT 1 AND "{last_activity_at}" < "{delete_cutoff}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{auto_cleanup}" IS NOT 1),
       (SELECT count(*) FROM "{sessions}" WHERE "{due_idle}") + (SELECT count(*) FROM "{sessions}" WHERE "{due_expired}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{due_gone}"),
       (SELECT min("{last_activity_at}") FROM "{sessions}" WHERE "{due_idle}"),
       (SELECT min("{expires_at_at}") FROM "{sessions}"
         WHERE "{active}" IS NOT 0 AND "{auto_cleanup}" IS 1 AND "{expires_at}" IS NOT NULL AND "{expires_at_at}" <= "{expiry_cutoff}"),
       (SELECT min("{kept_since}") FROM "{sessions}" WHERE "{due_gone}")
