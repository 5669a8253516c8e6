-- The figures. Those of all sessions come from the indexes, without the table while most of its pages are visible to all. That
-- takes the last activity from its column alone. Of the exceptions, sessions with a note and those whose column stands for no
-- time, it is not so: they are subtracted as they were counted, and added as they are.

-- name: one_core
-- Counting is what is done all day.
SELECT set_config('max_parallel_workers_per_gather', '0', true);

-- name: counts
SELECT count(*),
       count(*) FILTER (WHERE "{is_active}"),
       count(*) FILTER (WHERE "{not_active}"),
       count(*) FILTER (WHERE u.at < v_cut.delete),
       count(*) FILTER (WHERE NOT "{is_auto}"),
       count(*) FILTER (WHERE d.idle OR d.expired),
       count(*) FILTER (WHERE d.gone),
       count(*) FILTER (WHERE "{is_active}" AND "{is_auto}" AND ("{untracked}" OR u.at IS NULL OR u.at >= "{never_ends}") AND (u.ends IS NULL OR u.ends >= "{never_ends}")),
       count(*) FILTER (WHERE "{tracked}" AND u.at >= v_base.inactive),
       count(*) FILTER (WHERE "{tracked}" AND u.at >= v_base.inactive - (v_base.now - v_base.inactive)),
       extract(epoch FROM coalesce(max(CASE
           WHEN d.idle OR d.expired THEN greatest(CASE WHEN "{tracked}" THEN v_cut.inactive - u.at END, CASE WHEN u.ends <= v_cut.now THEN v_cut.now - u.ends END)
           WHEN d.gone THEN v_cut.delete - greatest(u.at, u.ends, "{deactivated_at_out}") END), '0'))::float8 * 1000000
  FROM "{counted}" s
  LEFT JOIN (SELECT t.session_id, max(t.at) AS at FROM "{touches}" t GROUP BY t.session_id) n ON n.session_id = s."{id}"
 "{cut_of_all}" "{filter}"
 CROSS JOIN LATERAL (SELECT greatest("{last_activity_out}", n.at) AS at, "{expires_at_out}" AS ends) u
 CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
 WHERE "{matches}"

-- name: counts_of_all
WITH "{exceptions_of_all}"
SELECT sum(c.total)::bigint, sum(c.active)::bigint, sum(c.total - c.active)::bigint, sum(c.old)::bigint, sum(c.protected)::bigint,
       sum(c.to_deactivate)::bigint, sum(c.to_delete)::bigint, sum(c.never_due)::bigint, sum(c.in_use)::bigint, sum(c.recent)::bigint,
       greatest(max(c.overdue), 0)
  FROM (SELECT i.*, 0::float8 AS overdue FROM ("{counts_by_index}") i
        UNION ALL
        SELECT -x.total, -x.active, -x.old, -x.protected, -x.to_deactivate, -x.to_delete, -x.never_due, -x.in_use, -x.recent, 0
          FROM ("{counts_by_column}") x
        UNION ALL
        SELECT x.total, x.active, x.old, x.protected, x.to_deactivate, x.to_delete, x.never_due, x.in_use, x.recent, x.overdue
          FROM ("{counts_as_they_are}") x (total, active, inactive, old, protected, to_deactivate, to_delete, never_due, in_use, recent, overdue)
        UNION ALL
        SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0, extract(epoch FROM ("{overdue_by_index}"))::float8 * 1000000) c;

-- name: exceptions_of_all
sessioncleanup_cut AS MATERIALIZED (SELECT v_cut.* FROM (SELECT) one "{cut}"),
     sessioncleanup_exceptions (id) AS MATERIALIZED (
  SELECT t.session_id FROM "{touches}" t
   UNION SELECT s."{id}" FROM "{each_class}" s WHERE "{is_active}" AND "{is_auto}" AND "{last_activity_early}"
   UNION SELECT s."{id}" FROM "{sessions}" s WHERE "{not_active}" AND "{is_auto}" AND "{last_activity_early}"
   UNION SELECT s."{id}" FROM "{sessions}" s WHERE "{is_protected}" AND "{last_activity_early}")

-- name: counts_exceptions
-- By their ids: the planner takes a join for one of many.
(SELECT s.* FROM "{sessions}" s WHERE s."{id}" = ANY (ARRAY(SELECT x.id FROM sessioncleanup_exceptions x)))

-- name: counts_by_index
-- A part reads one index, except for what is due or never is, which is little.
SELECT count(*) AS total, count(*) AS active, count(*) FILTER (WHERE "{used}" < (SELECT c.delete FROM sessioncleanup_cut c)) AS old, 0 AS protected,
       count(*) FILTER (WHERE "{used}" < (SELECT c.inactive FROM sessioncleanup_cut c)) AS to_deactivate, 0 AS to_delete, 0 AS never_due,
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive FROM sessioncleanup_cut c)) AS in_use,
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive - (c.now - c.inactive) FROM sessioncleanup_cut c)) AS recent
  FROM "{each_class}" s WHERE "{is_active}" AND "{is_auto}"
 UNION ALL
SELECT count(*), 0, count(*) FILTER (WHERE "{used}" < (SELECT c.delete FROM sessioncleanup_cut c)), 0, 0, 0, 0,
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive FROM sessioncleanup_cut c)),
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive - (c.now - c.inactive) FROM sessioncleanup_cut c))
  FROM "{sessions}" s WHERE "{not_active}" AND "{is_auto}"
 UNION ALL
SELECT count(*), count(*) FILTER (WHERE "{says_active}"), count(*) FILTER (WHERE "{used}" < (SELECT c.delete FROM sessioncleanup_cut c)), count(*), 0, 0, 0,
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive FROM sessioncleanup_cut c)),
       count(*) FILTER (WHERE "{used}" >= (SELECT c.inactive - (c.now - c.inactive) FROM sessioncleanup_cut c))
  FROM "{sessions}" s WHERE "{is_protected}"
 UNION ALL
SELECT 0, 0, 0, 0, count(*), 0, 0, 0, 0 FROM "{each_class}" s "{cut}" WHERE "{expired_by_column}"
 UNION ALL
SELECT 0, 0, 0, 0, 0, count(*), 0, 0, 0 FROM "{each_class}" s "{cut}" WHERE "{gone_by_column}"
 UNION ALL
SELECT 0, 0, 0, 0, 0, 0, count(*), 0, 0 FROM "{each_class}" s WHERE "{never_due_by_column}"

-- name: counts_by_column
-- The same of the exceptions.
SELECT count(*) AS total, count(*) FILTER (WHERE "{says_active}") AS active, count(*) FILTER (WHERE "{used}" < v_cut.delete) AS old,
       count(*) FILTER (WHERE NOT "{is_auto}") AS protected,
       count(*) FILTER (WHERE "{is_active}" AND "{is_auto}" AND "{used}" < v_cut.inactive OR "{expired_by_column}") AS to_deactivate,
       count(*) FILTER (WHERE "{gone_by_column}") AS to_delete, count(*) FILTER (WHERE "{never_due_by_column}") AS never_due,
       count(*) FILTER (WHERE "{used}" >= v_cut.inactive) AS in_use,
       count(*) FILTER (WHERE "{used}" >= v_cut.inactive - (v_cut.now - v_cut.inactive)) AS recent
  FROM "{exceptions}" s "{cut}" WHERE "{visible}"

-- name: expired_by_column
-- Without those that are idle.
"{is_active}" AND "{is_auto}" AND v_cut.inactive IS NOT NULL AND s."{expires_at}" <= v_cut.now "{expires_at_in}" AND "{expired_exactly}"
AND ("{used}" < v_cut.inactive) IS NOT TRUE

-- name: never_due_by_column
"{is_active}" AND "{is_auto}" AND (s."{last_activity}" IS NULL OR s."{last_activity}" > '8999-01-01' AND "{last_activity_out}" >= "{never_ends}")
AND ("{expires_at_out}" IS NULL OR "{expires_at_out}" >= "{never_ends}")

-- name: overdue_by_index
-- For how long what was due first has been due, exceptions aside.
SELECT greatest(
  (SELECT c.inactive - "{last_activity_out}" FROM "{each_class}" s, sessioncleanup_cut c
    WHERE "{is_active}" AND "{is_auto}" AND NOT "{last_activity_early}" AND s."{id}" NOT IN (SELECT x.id FROM sessioncleanup_exceptions x)
    ORDER BY s."{last_activity}", s."{id}" LIMIT 1),
  (SELECT CASE WHEN c.inactive IS NOT NULL THEN c.now - "{expires_at_out}" END FROM "{each_class}" s, sessioncleanup_cut c
    WHERE "{is_active}" AND "{is_auto}" AND s."{expires_at}" IS NOT NULL AND s."{id}" NOT IN (SELECT x.id FROM sessioncleanup_exceptions x)
    ORDER BY s."{expires_at}", s."{id}" LIMIT 1),
  (SELECT v_cut.delete - greatest("{last_activity_out}", "{expires_at_out}", "{deactivated_at_out}") FROM "{each_class}" s "{cut}"
    WHERE "{gone_by_column}" AND s."{id}" NOT IN (SELECT x.id FROM sessioncleanup_exceptions x)
    ORDER BY "{kept_since}", s."{id}" LIMIT 1))

-- name: count_to_deactivate
-- Of all sessions, no further than asked.
WITH "{exceptions_of_all}"
SELECT least($4::bigint,
  (SELECT count(*) FROM "{each_class}" s "{cut}"
    WHERE "{is_active}" AND "{is_auto}" AND s."{last_activity}" < v_cut.inactive "{last_activity_in}" AND "{used}" < v_cut.inactive)
  + (SELECT count(*) FROM "{each_class}" s "{cut}" WHERE "{expired_by_column}")
  - (SELECT x.to_deactivate FROM ("{counts_by_column}") x)
  + (SELECT count(*) FROM "{exceptions}" s "{cut}" WHERE "{idle}" OR "{expired}"));

-- name: each_class
-- All sessions: without a class and with one, which have indexes of their own.
(SELECT s.* FROM "{sessions}" s WHERE s."{class}" IS NULL UNION ALL SELECT s.* FROM "{sessions}" s WHERE s."{class}" IS NOT NULL)
