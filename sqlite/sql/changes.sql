-- Changes of single sessions, and touches.

-- name: select_one
SELECT "{session_columns}" FROM "{sessions}" WHERE "{id}" = :id

-- name: change
-- NULL leaves a column as it is. Times are written only when they change, so that the application's own value is kept.
UPDATE "{sessions}"
   SET "{active_column}" = coalesce(:active, "{active}"),
       "{auto_cleanup_column}" = coalesce(:auto_cleanup, "{auto_cleanup}"),
       "{last_activity_column}" = CASE WHEN :last_activity IS NULL THEN "{last_activity}" ELSE "{write_last_activity}" END,
       "{expires_at_column}" = CASE WHEN :set_expires_at THEN "{write_expires_at}" ELSE "{expires_at}" END
 WHERE "{id}" = :id

-- name: delete
DELETE FROM "{sessions}" WHERE "{id}" = :id

-- name: touch
-- As Touch.Apply. With :reactivate, sessions that it makes active are left to the statement below.
UPDATE "{sessions}"
   SET "{last_activity_column}" = "{write_now}"
 WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids)) AND "{condition}"
   AND NOT (:reactivate AND "{active}" IS 0 AND "{auto_cleanup}" IS 1)
   AND ("{last_activity_at}" <= :touched_before OR "{last_activity_time}" IS NULL)

-- name: reactivate
UPDATE "{sessions}"
   SET "{active_column}" = 1,
       "{last_activity_column}" = CASE WHEN "{last_activity_time}" > :now THEN "{last_activity}" ELSE "{write_now}" END,
       "{expires_at_column}" = CASE WHEN "{expires_at_at}" <= :now THEN NULL ELSE "{expires_at}" END
 WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids)) AND "{condition}"
   AND "{active}" IS 0 AND "{auto_cleanup}" IS 1
RETURNING "{id_text}", "{owner_text}", "{name_text}"
