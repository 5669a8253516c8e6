-- Sessions as they are read. Columns stand with their table, because SQLite takes a bare name in double quotes that
-- is no column for a text.

-- name: session_columns
"{id_text}", "{owner_text}", "{owner_name}", "{name_text}", "{code_text}", "{is_active}", "{may_be_cleaned}",
       "{created_at_time}", "{updated_at_time}", "{last_activity_at}", "{expires_at_at}", "{activity_count}"

-- name: owner_name
coalesce((SELECT "{owners}"."{owners_name}" FROM "{owners}" WHERE "{owners}"."{owners_id}" = "{owner}"), '')

-- name: activity_count
(SELECT count(*) FROM "{source}" WHERE "{source}"."{source_session}" = "{id}")

-- name: page
-- The page is found first: what looks into other tables is then done for its rows only.
SELECT "{session_columns}", sessioncleanup_page.place
  FROM (SELECT "{id}" AS id, "{place}" AS place
          FROM "{sessions}"
         WHERE "{condition}"
         ORDER BY place "{direction}", id "{direction}"
         LIMIT :limit) AS sessioncleanup_page
  JOIN "{sessions}" ON "{id}" = sessioncleanup_page.id
 ORDER BY sessioncleanup_page.place "{direction}", sessioncleanup_page.id "{direction}"

-- name: count
SELECT count(*) FROM (SELECT 1 FROM "{sessions}" WHERE "{condition}" LIMIT :count_up_to)

-- name: count_to_deactivate
-- Two searches, where a condition with OR would look up every row.
SELECT count(*) FROM (
  SELECT 1 FROM "{sessions}" WHERE "{due_idle}" AND "{condition}"
  UNION ALL
  SELECT 1 FROM "{sessions}" WHERE "{due_expired}" AND "{condition}"
  LIMIT :count_up_to)

-- name: count_all_to_deactivate
-- At the start of each run: from the indexes alone, whatever the statistics say.
SELECT count(*) FROM (
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_idle WHERE "{due_idle}" AND "{condition}"
  UNION ALL
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_expired WHERE "{due_expired}" AND "{condition}"
  LIMIT :count_up_to)

-- name: count_all_to_delete
SELECT count(*) FROM (
  SELECT 1 FROM "{sessions}" INDEXED BY sessioncleanup_gone WHERE "{due_gone}" AND "{condition}" LIMIT :count_up_to)

-- name: place_last_activity
"{last_activity_at}"

-- name: place_created
coalesce("{created_at_time}", '')

-- name: place_name
"{name_text}" COLLATE BINARY

-- name: any
"{id}" IS NOT NULL

-- name: with_id
"{id}" = :id

-- name: with_owner
"{owner}" = :owner

-- name: with_text
-- lower() knows ASCII only, as the contract wants it.
(instr(lower("{name_text}"), lower(:text)) > 0 OR instr(lower("{code_text}"), lower(:text)) > 0
 OR instr(lower("{id_text}"), lower(:text)) > 0)

-- name: ascending
("{place}", "{id}") > (:after_place, :after_id)

-- name: descending
("{place}", "{id}") < (:after_place, :after_id)

-- name: one
SELECT "{session_columns}", "{now}" FROM "{sessions}" WHERE "{id}" = :id AND "{condition}"

-- name: change
UPDATE "{sessions}"
   SET "{active_column}" = coalesce(:active, "{active}"),
       "{auto_cleanup_column}" = coalesce(:auto_cleanup, "{auto_cleanup}"),
       "{last_activity_column}" = CASE WHEN :last_activity IS NULL THEN "{last_activity}" ELSE "{write_last_activity}" END,
       "{expires_at_column}" = CASE WHEN :set_expires_at THEN "{write_expires_at}" ELSE "{expires_at}" END
 WHERE "{id}" = :id

-- name: delete
DELETE FROM "{sessions}" WHERE "{id}" = :id

-- name: counts
SELECT count(*),
       coalesce(sum("{is_active}"), 0),
       coalesce(sum("{last_activity_at}" < :delete), 0),
       coalesce(sum("{is_protected}"), 0),
       coalesce(sum(("{status_to_deactivate}") IS 1), 0),
       coalesce(sum(("{status_to_delete}") IS 1), 0),
       min(CASE WHEN "{due_idle}" THEN "{last_activity_at}" END),
       min(CASE WHEN "{is_active}" AND "{may_be_cleaned}" AND "{expires_at_at}" <= :expired THEN "{expires_at_at}" END),
       min(CASE WHEN "{due_gone}" THEN "{last_sign_at}" END)
  FROM "{sessions}"
 WHERE "{condition}"

-- name: counts_of_all
-- The same, put together from the indexes: each session stands in exactly one of idle, gone and protected.
SELECT (SELECT count(*) FROM "{sessions}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{is_active}" AND "{may_be_cleaned}")
         + (SELECT count(*) FROM "{sessions}" WHERE "{is_protected}" AND "{is_active}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{is_active}" AND "{may_be_cleaned}" AND "{last_activity_at}" < :delete)
         + (SELECT count(*) FROM "{sessions}" WHERE "{is_inactive}" AND "{may_be_cleaned}" AND "{last_activity_at}" < :delete)
         + (SELECT count(*) FROM "{sessions}" WHERE "{is_protected}" AND "{last_activity_at}" < :delete),
       (SELECT count(*) FROM "{sessions}" WHERE "{is_protected}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{due_idle}") + (SELECT count(*) FROM "{sessions}" WHERE "{due_expired}"),
       (SELECT count(*) FROM "{sessions}" WHERE "{due_gone}"),
       (SELECT min("{last_activity_at}") FROM "{sessions}" WHERE "{due_idle}"),
       (SELECT min("{expires_at_at}") FROM "{sessions}"
         WHERE "{is_active}" AND "{may_be_cleaned}" AND "{expires_at}" IS NOT NULL AND "{expires_at_at}" <= :expired),
       (SELECT min("{last_sign_at}") FROM "{sessions}" WHERE "{due_gone}")
