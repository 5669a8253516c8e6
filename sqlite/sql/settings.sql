-- name: read_settings
SELECT enabled, inactive_after_seconds, delete_after_seconds, touch_interval_seconds, auto_cleanup_default,
       reactivate_on_activity, batch_size, batch_budget_seconds, rate, busy_share, max_delete_fraction, events_keep_seconds,
       alert_due, alert_use_rate, alert_activity_rate, archive, archive_keep_seconds, archive_max_rows, archive_max_bytes, backup,
       warn_before_seconds, undeliverable_proceed, rules, "schema", adopted
  FROM sessioncleanup_settings
 WHERE id = 1

-- name: write_settings
INSERT OR REPLACE INTO sessioncleanup_settings (
       id, enabled, inactive_after_seconds, delete_after_seconds, touch_interval_seconds, auto_cleanup_default,
       reactivate_on_activity, batch_size, batch_budget_seconds, rate, busy_share, max_delete_fraction, events_keep_seconds,
       alert_due, alert_use_rate, alert_activity_rate, archive, archive_keep_seconds, archive_max_rows, archive_max_bytes, backup,
       warn_before_seconds, undeliverable_proceed, rules, "schema", adopted)
VALUES (1, :enabled, :inactive_after, :delete_after, :touch_interval, :auto_cleanup_default, :reactivate_on_activity,
       :batch_size, :batch_budget, :rate, :busy_share, :max_delete_fraction, :events_keep, :alert_due, :alert_use_rate, :alert_activity_rate,
       :archive, :archive_keep, :archive_max_rows, :archive_max_bytes, :backup, :warn_before, :proceed, :rules, :schema, :adopted)

-- name: unfilled
SELECT NOT coalesce(json_extract(adopted, '$.filled'), 0) OR coalesce(json_extract(adopted, '$.catch_up'), 0) FROM sessioncleanup_settings WHERE id = 1

-- name: forget_stored_rules
DELETE FROM sessioncleanup_stored_rules

-- name: store_rules
INSERT INTO sessioncleanup_stored_rules (tag, inactive, "delete", warned, archive)
SELECT json_extract(value, '$.Tag'), json_extract(value, '$.Inactive'), json_extract(value, '$.Delete'), json_extract(value, '$.Warned'), json_extract(value, '$.Archive')
  FROM json_each(:rules)

-- name: set_writing
UPDATE sessioncleanup_settings SET writing = :writing

-- name: has_table
SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table)

-- name: read_version
SELECT coalesce(max(version_id), 0) FROM sessioncleanup_migrations
