-- The views. They are created on request only, because a view that names a missing column or table fails, and
-- mysqldump with it. They read with the rights of the reader. The cutoffs are those of the stored policy, relative to
-- the time at which a view is read.

-- name: view
CREATE OR REPLACE SQL SECURITY INVOKER VIEW sessions_cleanup_view AS
SELECT "{view_columns}"
  FROM "{seen}" JOIN "{sessions}" AS s ON s."{id_column}" = t.id
 WHERE "{condition}"

-- name: view_hours_inactive
ROUND(GREATEST(TIMESTAMPDIFF(MICROSECOND, NULLIF(t.last_activity, TIMESTAMP'9000-01-01 00:00:00'), UTC_TIMESTAMP(6)), 0) / 3600000000, 2)

-- name: view_days_old
ROUND(GREATEST(TIMESTAMPDIFF(MICROSECOND, t.created_at, UTC_TIMESTAMP(6)), 0) / 86400000000, 2)

-- name: view_cleanup_status
CASE WHEN "{status_to_deactivate}" THEN 'À désactiver' WHEN "{status_to_delete}" THEN 'À supprimer' ELSE 'Actif' END

-- name: view_status
CASE WHEN "{status_protected}" THEN 'protected'
     WHEN "{status_to_deactivate}" THEN 'to_deactivate'
     WHEN "{status_to_delete}" THEN 'to_delete'
     WHEN t.active THEN 'active'
     ELSE 'inactive' END

-- name: view_owner_name
NULLIF("{owner_name}", '')

-- name: archive_view
-- The archive, without the archived rows.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW sessions_archive_view AS
SELECT a.id, CONVERT(a.session USING utf8mb4) AS session_id, CONVERT(a.owner USING utf8mb4) AS owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id,
       a.row_count, a.bytes, a.held, a.backed_up_at,
       IF(a.held, NULL, a.archived_at + INTERVAL ("{archive_keep}") MICROSECOND) AS purge_at
  FROM sessioncleanup_archive AS a

-- name: view_had_tag
FIND_IN_SET("{tag}", REPLACE(a.tags, ' ', ','))

-- name: view_cutoff
-- Of the rules that apply to a session, the earliest cutoff; NULL where one of them says never.
(SELECT CASE WHEN COUNT(*) = 0 THEN "{of_policy}" WHEN COALESCE(MAX(g.tag IN ("{never}")), FALSE) THEN NULL ELSE MIN(CASE g.tag"{moments}" END) END
   FROM sessioncleanup_tags AS g WHERE g.session_id = t.id AND g.since = t.since AND g.tag IN ("{ruled}"))

-- name: view_warned
IF("{deleted_by}" IS NULL, NULL, "{warned}")

-- name: stats_view
-- The figures of the guide's get_session_cleanup_stats().
CREATE OR REPLACE SQL SECURITY INVOKER VIEW sessions_cleanup_stats AS
SELECT COUNT(*) AS total_sessions, CAST(COALESCE(SUM(t.active), 0) AS SIGNED) AS active_sessions, CAST(COALESCE(SUM(NOT t.active), 0) AS SIGNED) AS inactive_sessions,
       CAST(COALESCE(SUM(t.last_activity < "{cut_delete}"), 0) AS SIGNED) AS old_sessions,
       CAST(COALESCE(SUM(COALESCE("{status_to_deactivate}", FALSE) OR COALESCE("{status_to_delete}", FALSE)), 0) AS SIGNED) AS cleanup_candidates
  FROM "{seen}"
 WHERE "{condition}"

-- name: drop_view
DROP VIEW IF EXISTS "{name}"

-- name: known_stamp
-- A TIMESTAMP column as UTC, whatever the time zone of whoever reads the view. The zero date has the number 0.
(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL NULLIF(UNIX_TIMESTAMP("{column}"), 0) SECOND)
