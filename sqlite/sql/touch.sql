-- name: touch
-- With :reactivate, sessions that it makes active again are left to the statement below.
UPDATE "{sessions}"
   SET "{last_activity_column}" = "{write_now}"
 WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids)) AND "{condition}"
   AND NOT (:reactivate AND "{is_revivable}")
   AND ("{last_activity_at}" <= strftime('%Y-%m-%d %H:%M:%f', 'now', :interval) OR "{last_activity_time}" IS NULL)

-- name: reactivate
UPDATE "{sessions}"
   SET "{active_column}" = 1,
       "{last_activity_column}" = "{write_now}",
       "{expires_at_column}" = CASE WHEN "{expires_at_at}" <= "{now}" THEN NULL ELSE "{expires_at}" END
 WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids)) AND "{condition}" AND "{is_revivable}"
RETURNING "{id_text}", "{owner_text}", "{name_text}"
