-- name: view_values
-- What decides about a session, its note included. It is a view of its own because the parser of SQLite before 3.46 refuses expressions
-- that are nested too deeply, and with them the whole database.
CREATE VIEW sessioncleanup_view AS
SELECT "{id}" AS id, "{values}"
  FROM "{sessions}"
  LEFT JOIN ("{noted}") AS sessioncleanup_noted ON "{id}" = sessioncleanup_noted.id

-- name: view
-- Created only on request: while it exists, SQLite refuses to rename, and so to rebuild, the tables that it names.
CREATE VIEW sessions_cleanup_view AS
SELECT "{sessions}".*"{view_columns}"
  FROM "{sessions}"
  JOIN sessioncleanup_view ON sessioncleanup_view.id IS "{id}"
 CROSS JOIN (SELECT CASE WHEN inactive_after_seconds IS NOT NULL THEN
                      strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%.3f seconds', inactive_after_seconds + touch_interval_seconds))
                    END AS inactive,
                    CASE WHEN inactive_after_seconds IS NOT NULL THEN strftime('%Y-%m-%d %H:%M:%f', 'now') END AS expired,
                    CASE WHEN delete_after_seconds IS NOT NULL THEN
                      strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%.3f seconds', delete_after_seconds + touch_interval_seconds))
                    END AS gone,
                    CASE WHEN warn_before_seconds IS NOT NULL THEN strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%.3f seconds', warn_before_seconds)) END AS warned,
                    CASE WHEN warn_before_seconds IS NOT NULL AND undeliverable_proceed THEN
                      strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%.3f seconds', warn_before_seconds))
                    END AS given_up,
                    undeliverable_proceed AS proceed
               FROM sessioncleanup_settings) AS sessioncleanup_cutoffs"{where_visible}"

-- name: archive_view
-- The archive, without the archived rows.
CREATE VIEW sessions_archive_view AS
SELECT a.id, a.session AS session_id, a.owner AS owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.held,
       CASE WHEN NOT a.held THEN
         (SELECT CASE WHEN count(*) = 0 AND s.archive_keep_seconds IS NOT NULL THEN
                        strftime('%Y-%m-%d %H:%M:%f', a.archived_at, printf('+%.3f seconds', s.archive_keep_seconds))
                      WHEN count(*) > 0 AND count(r.archive) = count(*) THEN
                        strftime('%Y-%m-%d %H:%M:%f', a.archived_at, printf('+%.3f seconds', max(r.archive)))
                 END
            FROM sessioncleanup_stored_rules AS r WHERE instr(' ' || a.tags || ' ', ' ' || r.tag || ' ') > 0)
       END AS purge_at
  FROM sessioncleanup_archive AS a CROSS JOIN sessioncleanup_settings AS s

-- name: view_cutoff
-- The policy's, or that of the longest of the rules for the session's tags, as Cutoffs.For.
(SELECT CASE WHEN count(*) = 0 THEN sessioncleanup_cutoffs."{cutoff}" WHEN "{by_rules}" THEN strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%.3f seconds', "{seconds}")) END
   FROM "{tags}" AS t CROSS JOIN sessioncleanup_stored_rules AS r ON r.tag = t.tag WHERE t.session_id = "{id_text}")

-- name: view_owner_name
nullif("{owner_name}", '')

-- name: view_hours_inactive
round(max(julianday('now') - julianday(nullif("{last_activity_at}", '9000-01-01 00:00:00.000')), 0) * 24, 2)

-- name: view_days_old
round(max(julianday('now') - julianday("{created_at_time}"), 0), 2)

-- name: view_cleanup_status
CASE WHEN "{status_to_deactivate}" THEN 'À désactiver' WHEN "{status_to_delete}" THEN 'À supprimer' ELSE 'Actif' END

-- name: view_status
CASE WHEN "{status_protected}" THEN 'protected'
       WHEN "{status_to_deactivate}" THEN 'to_deactivate'
       WHEN "{status_to_delete}" THEN 'to_delete'
       WHEN "{active}" IS NOT 0 THEN 'active'
       ELSE 'inactive' END

-- name: view_value
-- As the note makes it, where there is one.
CASE WHEN sessioncleanup_noted.id IS NULL THEN "{value}" ELSE sessioncleanup_noted."{noted_column}" END AS "{noted_column}"
