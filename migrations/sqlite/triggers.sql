-- name: trigger_session_inserted
-- For applications that do not know these columns. A row that is inserted is a session in use.
CREATE TRIGGER sessioncleanup_session_inserted AFTER INSERT ON "{sessions}"
WHEN NEW."{last_activity_column}" IS NULL OR NEW."{auto_cleanup_column}" IS NULL
BEGIN
  UPDATE "{sessions}"
     SET "{last_activity_column}" = coalesce("{last_activity}", "{write_now}"),
         "{auto_cleanup_column}" = coalesce("{auto_cleanup}", (SELECT auto_cleanup_default FROM sessioncleanup_settings))
   WHERE "{id}" = NEW."{id_column}";
END

-- name: trigger_activity
-- Applies a touch, as Touch.Apply does, to the session of a row of an activity table that was inserted or updated. A row
-- that moves touches the session that it left, too. A row whose session was just deleted touches nothing.
CREATE TRIGGER "{name}" AFTER "{event}" ON "{source}"
BEGIN
  INSERT INTO sessioncleanup_events (at, action, actor, reason, sessions)
  SELECT "{now}", 'reactivated', 'system', 'activity',
         json_array(json_object('id', "{id_text}", 'owner_id', "{owner_text}", 'name', "{name_text}"))
    FROM "{sessions}"
   WHERE "{id}" IN ("{touched}") AND "{revives}";
  UPDATE "{sessions}"
     SET "{last_activity_column}" = CASE WHEN "{last_activity_time}" > "{now}" THEN "{last_activity}" ELSE "{write_now}" END,
         "{active_column}" = CASE WHEN "{revives}" THEN 1 ELSE "{active}" END,
         "{expires_at_column}" = CASE WHEN "{revives}" AND "{expires_at_at}" <= "{now}" THEN NULL ELSE "{expires_at}" END
   WHERE "{id}" IN ("{touched}")
     AND ("{last_activity_at}" <= strftime('%Y-%m-%d %H:%M:%f', 'now',
            (SELECT printf('-%.3f seconds', touch_interval_seconds) FROM sessioncleanup_settings))
          OR "{last_activity_time}" IS NULL OR "{revives}");
END

-- name: revives
"{active}" IS 0 AND "{auto_cleanup}" IS 1 AND (SELECT reactivate_on_activity FROM sessioncleanup_settings)
