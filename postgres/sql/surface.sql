-- name: cutoffs
-- The moments against which sessions are measured: those of the policy in force, unless thresholds are given. NULL
-- where the policy says never. The touch interval is subtracted, so that throttled activity never makes a session
-- due early; times are cut to milliseconds, as in Go.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_cutoffs(
    p_inactive_after interval DEFAULT NULL, p_delete_after interval DEFAULT NULL,
    OUT now timestamptz, OUT inactive timestamptz, OUT delete timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
    SELECT n.now,
           n.now - coalesce(p_inactive_after, p.inactive_after) - p.touch_interval,
           n.now - coalesce(p_delete_after, p.delete_after) - p.touch_interval
      FROM "{policy}" p, (SELECT date_trunc('milliseconds', pg_catalog.now()) AS now) n;
$sessioncleanup$;

-- name: cleanup
-- One run: deletes what is due for deletion, then deactivates what is due for that. Thresholds are in hours and
-- days, fractions allowed; NULL takes the policy's. All of it is one transaction, the caller's.
CREATE OR REPLACE FUNCTION "{space}".cleanup_inactive_sessions(
    inactive_hours numeric DEFAULT NULL, delete_old_days numeric DEFAULT NULL)
RETURNS TABLE (action text, session_count bigint, details text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
DECLARE
    v_started     timestamptz := clock_timestamp();
    v_run_id      text := replace(gen_random_uuid()::text, '-', '');
    v_policy      "{policy}"%ROWTYPE;
    v_cut         record;
    v_total       bigint;
    v_to_delete   bigint;
    v_deactivated record;
    v_deleted     record;
BEGIN
    IF inactive_hours <= 0 OR delete_old_days <= 0 THEN
        RAISE EXCEPTION 'cleanup_inactive_sessions(%, %): want positive hours and days, or NULL for the policy''s',
            inactive_hours, delete_old_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO STRICT v_policy FROM "{policy}";
    IF NOT v_policy.enabled THEN
        RAISE EXCEPTION 'cleanup is disabled by the policy'
            USING HINT = 'UPDATE sessioncleanup_policy SET enabled = true', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM "{space}".sessioncleanup_fold_touches();
    SELECT * INTO v_cut FROM "{space}".sessioncleanup_cutoffs(
        inactive_hours * interval '1 hour', delete_old_days * interval '24 hours');
    SELECT count(*) INTO v_to_delete FROM "{sessions}" s WHERE "{due_for_deletion}";
    v_total := v_to_delete + (SELECT count(*) FROM "{sessions}" s WHERE "{due_idle}")
                           + (SELECT count(*) FROM "{sessions}" s WHERE "{due_expired}");
    IF v_to_delete > 100 AND v_to_delete > v_policy.max_delete_fraction * (SELECT count(*) FROM "{sessions}") THEN
        RAISE EXCEPTION 'too many sessions would be deleted: % are due, more than % %% of all', v_to_delete, 100 * v_policy.max_delete_fraction
            USING HINT = 'Check the clock and the thresholds. If that is meant, raise max_delete_fraction in sessioncleanup_policy, or force a run with the command.',
                  ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT * INTO v_deleted FROM "{space}".sessioncleanup_sweep('delete', v_cut.now, v_cut.delete, v_run_id);
    SELECT * INTO v_deactivated FROM "{space}".sessioncleanup_sweep('deactivate', v_cut.now, v_cut.inactive, v_run_id);
    INSERT INTO "{events}" (action, actor, run_id, run)
    VALUES ('run', 'system', v_run_id, json_build_object(
        'deactivated', v_deactivated.done, 'deleted', v_deleted.done, 'due', v_total,
        'failures', v_deactivated.failed + v_deleted.failed,
        'duration_ns', (extract(epoch FROM clock_timestamp() - v_started) * 1000000000)::bigint));
    DELETE FROM "{events}" e WHERE e.at < v_cut.now - v_policy.events_keep;
    RETURN QUERY VALUES
        ('deactivated', v_deactivated.done, "{space}".sessioncleanup_details(
            'unused for more than ', coalesce(inactive_hours * interval '1 hour', v_policy.inactive_after), ', or expired', v_deactivated.failed, v_deactivated.failure)),
        ('deleted', v_deleted.done, "{space}".sessioncleanup_details(
            'inactive, and unused for more than ', coalesce(delete_old_days * interval '24 hours', v_policy.delete_after), '', v_deleted.failed, v_deleted.failure));
END
$sessioncleanup$;

-- name: details
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_details(
    p_before text, p_threshold interval, p_after text, p_failed bigint, p_failure text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
    SELECT CASE WHEN p_threshold IS NULL THEN 'off: the policy says never'
           ELSE p_before || CASE
                WHEN extract(epoch FROM p_threshold) >= 172800 THEN trim_scale(round(extract(epoch FROM p_threshold)::numeric / 86400, 2)) || ' days'
                ELSE trim_scale(round(extract(epoch FROM p_threshold)::numeric / 3600, 2)) || ' hours' END || p_after END
           || CASE WHEN p_failed > 0 THEN '; ' || p_failed || ' could not be changed, the first because: ' || p_failure ELSE '' END;
$sessioncleanup$;

-- name: sweep
-- All batches of one phase. A batch that fails on a row is tried again at half its size, down to that row alone,
-- which is counted and passed over. A cutoff of NULL means that the phase is off.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_sweep(
    p_phase text, p_now timestamptz, p_cutoff timestamptz, p_run_id text,
    OUT done bigint, OUT failed bigint, OUT failure text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
DECLARE
    v_most  integer := (SELECT p.batch_size FROM "{policy}" p);
    v_size  integer := v_most;
    v_after text := '';
    v_batch record;
BEGIN
    done := 0;
    failed := 0;
    WHILE p_cutoff IS NOT NULL LOOP
        IF p_phase = 'delete' THEN
            SELECT * INTO v_batch FROM "{space}".sessioncleanup_delete_batch(p_now, p_cutoff, v_size, v_after, 'system', 'cleanup_inactive_sessions', p_run_id);
        ELSE
            SELECT * INTO v_batch FROM "{space}".sessioncleanup_deactivate_batch(p_now, p_cutoff, v_size, v_after, 'system', 'cleanup_inactive_sessions', p_run_id);
        END IF;
        IF v_batch.failure IS NULL THEN
            done := done + cardinality(v_batch.ids);
            v_size := least(v_most, v_size * 2);
        ELSIF cardinality(v_batch.ids) > 1 THEN
            v_size := cardinality(v_batch.ids) / 2;
            CONTINUE;
        ELSE
            failed := failed + 1;
            failure := coalesce(failure, v_batch.failure);
        END IF;
        v_after := v_batch.next;
        EXIT WHEN v_after = '';
    END LOOP;
END
$sessioncleanup$;

-- name: stats
CREATE OR REPLACE FUNCTION "{space}".get_session_cleanup_stats()
RETURNS TABLE (total_sessions bigint, active_sessions bigint, inactive_sessions bigint, old_sessions bigint, cleanup_candidates bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
    SELECT count(*),
           count(*) FILTER (WHERE "{is_active}"),
           count(*) FILTER (WHERE NOT "{is_active}"),
           count(*) FILTER (WHERE "{last_activity_out}" < v_cut.delete AND "{untouched_since_delete}"),
           count(*) FILTER (WHERE "{due_for_deactivation}" OR "{due_for_deletion}")
      FROM "{space}".sessioncleanup_cutoffs() v_cut LEFT JOIN "{sessions}" s ON true
     WHERE s."{id}" IS NOT NULL;
$sessioncleanup$;

-- name: due_idle
v_cut.inactive IS NOT NULL AND "{is_active}" AND "{is_auto}" AND s."{last_activity}" < v_cut.inactive "{last_activity_in}"
     AND NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.inactive)

-- name: due_expired
v_cut.inactive IS NOT NULL AND "{is_active}" AND "{is_auto}" AND s."{expires_at}" <= v_cut.now "{expires_at_in}"
     AND ((s."{last_activity}" < v_cut.inactive "{last_activity_in}") IS NOT TRUE
          OR EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.inactive))

-- name: due_for_deactivation
("{due_idle}" OR "{due_expired}")

-- name: due_for_deletion
("{not_active}" AND "{is_auto}" AND s."{last_activity}" IS NOT NULL
     AND "{last_sign}" < v_cut.delete "{last_sign_in}" AND "{untouched_since_delete}")

-- name: untouched_since_delete
NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.delete)

-- name: status
CASE WHEN NOT "{is_auto}" THEN 'protected'
     WHEN "{due_for_deactivation}" THEN 'to_deactivate'
     WHEN "{due_for_deletion}" THEN 'to_delete'
     WHEN "{is_active}" THEN 'active'
     ELSE 'inactive' END

-- name: view
CREATE VIEW "{space}".sessions_cleanup_view AS
SELECT "{view_columns}""{view_owner}",
       round(greatest(extract(epoch FROM v_cut.now - "{last_used}"), 0)::numeric / 3600, 2) AS "{hours_inactive}",
       "{days_old_value}" AS "{days_old}",
       CASE r.status WHEN 'to_deactivate' THEN 'À désactiver' WHEN 'to_delete' THEN 'À supprimer' ELSE 'Actif' END AS "{cleanup_status}",
       r.status AS "{status_column}""{view_totals}"
  FROM "{sessions}" s
 CROSS JOIN "{space}".sessioncleanup_cutoffs() v_cut
 CROSS JOIN LATERAL (SELECT "{status}" AS status) r
