-- The SQL of the guide, for psql and pg_cron: a run, figures and a view, by the policy in force.

-- name: sessioncleanup_cutoffs
-- The moments against which sessions are measured: those of the policy in force, unless thresholds are given. NULL
-- where the policy says never. The touch interval is subtracted, so that throttled activity never makes a session
-- due early; times are cut to milliseconds, as in Go. The rules have, in milliseconds, how long before now their moments are; see by_tags.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_cutoffs(
    p_inactive_after interval DEFAULT NULL, p_delete_after interval DEFAULT NULL,
    OUT now timestamptz, OUT inactive timestamptz, OUT delete timestamptz, OUT warn timestamptz, OUT warned timestamptz, OUT given_up timestamptz, OUT rules jsonb)
LANGUAGE sql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    SELECT n.now,
           n.now - coalesce(p_inactive_after, p.inactive_after) - p.touch_interval,
           n.now - d.after,
           n.now - CASE WHEN d.after > p.warn_before THEN d.after - p.warn_before WHEN d.after IS NOT NULL AND p.warn_before IS NOT NULL THEN '0' END,
           CASE WHEN d.after IS NOT NULL THEN n.now - p.warn_before END,
           CASE WHEN d.after IS NOT NULL AND p.undeliverable_proceed THEN n.now - p.warn_before END,
           (SELECT coalesce(jsonb_agg(jsonb_build_object('tag', r.tag, 'inactive', o.inactive, 'delete', o.delete,
                                                         'warned', CASE WHEN o.delete IS NOT NULL THEN o.warn END, 'proceed', p.undeliverable_proceed) ORDER BY r.tag COLLATE "C"), '[]')
              FROM "{space}".sessioncleanup_rules(p.rules) r
             CROSS JOIN LATERAL (SELECT "{span_inactive}" + k.touch AS inactive, "{span_delete}" + k.touch AS delete, "{span_warn}" AS warn
                                   FROM (SELECT ceil(extract(epoch FROM p.touch_interval) * 1000)::bigint AS touch) k) o)
      FROM "{policy}" p CROSS JOIN LATERAL (SELECT coalesce(p_delete_after, p.delete_after) + p.touch_interval AS after) d, (SELECT date_trunc('milliseconds', pg_catalog.now()) AS now) n;
$sessioncleanup$;

-- name: sessioncleanup_due
-- How many sessions are due, found by their indexes.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_due(
    p_action text, p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_warn timestamptz, p_warned timestamptz, p_given_up timestamptz, p_rules jsonb) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_base record;
    v_last record;
BEGIN
    SELECT p_now AS now, p_inactive AS inactive, p_delete AS delete, p_warn AS warn, p_warned AS warned, p_given_up AS given_up INTO v_base;
    IF p_action = 'dated' THEN
        RETURN (SELECT count(*) FROM "{sessions}" s WHERE "{undated}");
    ELSIF p_action = 'activity_corrected' THEN
        RETURN (SELECT count(*) FROM "{sessions}" s CROSS JOIN (SELECT p_now AS now) v_cut WHERE "{ahead_active}")
             + (SELECT count(*) FROM "{sessions}" s CROSS JOIN (SELECT p_now AS now) v_cut WHERE "{ahead_classed}")
             + (SELECT count(*) FROM "{sessions}" s CROSS JOIN (SELECT p_now AS now) v_cut WHERE "{ahead_inactive}");
    END IF;
    SELECT r.* INTO v_last FROM "{space}".sessioncleanup_ranges(p_now, p_inactive, p_delete, p_warn, p_rules) r WHERE r.class IS NULL;
    IF p_action = 'deleted' THEN
        RETURN (SELECT count(*) FROM "{sessions}" s "{by_tags}" WHERE s."{class}" IS NULL AND "{kept_since}" < v_last.delete "{kept_since_in}" AND "{gone}" AND NOT "{retagged_since}")
             + (SELECT count(*) FROM "{space}".sessioncleanup_candidates('to_delete', p_now, p_inactive, p_delete, p_warn, p_rules) c JOIN "{sessions}" s ON s."{id}" = c.id "{by_tags}" WHERE "{gone}");
    ELSIF p_action = 'noticed' THEN
        RETURN (SELECT count(*) FROM "{sessions}" s "{by_tags}" WHERE s."{class}" IS NULL AND "{kept_since}" < v_last.warn "{kept_since_in}" AND "{to_warn}" AND NOT "{retagged_since}")
             + (SELECT count(*) FROM "{space}".sessioncleanup_candidates('to_warn', p_now, p_inactive, p_delete, p_warn, p_rules) c JOIN "{sessions}" s ON s."{id}" = c.id "{by_tags}" WHERE "{to_warn}");
    ELSIF p_action = 'waiting' THEN
        RETURN (SELECT count(*) FROM "{sessions}" s "{by_tags}" WHERE s."{class}" IS NULL AND "{kept_since}" < v_last.delete "{kept_since_in}" AND "{waiting}" AND NOT "{retagged_since}")
             + (SELECT count(*) FROM "{space}".sessioncleanup_candidates('waiting', p_now, p_inactive, p_delete, p_warn, p_rules) c JOIN "{sessions}" s ON s."{id}" = c.id "{by_tags}" WHERE "{waiting}");
    END IF;
    RETURN (SELECT count(*) FROM "{sessions}" s "{by_tags}" WHERE s."{class}" IS NULL AND s."{last_activity}" < v_last.inactive "{last_activity_in}" AND "{idle}" AND NOT "{retagged_since}")
         + (SELECT count(*) FROM "{sessions}" s "{by_tags}" WHERE s."{class}" IS NULL AND "{expired}" AND NOT "{retagged_since}")
         + (SELECT count(DISTINCT s."{id}") FROM "{space}".sessioncleanup_candidates('to_deactivate', p_now, p_inactive, p_delete, p_warn, p_rules) c JOIN "{sessions}" s ON s."{id}" = c.id "{by_tags}" WHERE ("{idle}" OR "{expired}"));
END
$sessioncleanup$;

-- name: sessioncleanup_phase
-- All batches of one phase, and what they did. A batch that fails on a row is tried again at half its size, down to that
-- row alone, which is counted and left out, unless it is only locked. Nothing else is tried when the first 100 sessions
-- all fail.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_phase(
    p_action text, p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_warn timestamptz, p_warned timestamptz, p_given_up timestamptz, p_rules jsonb, p_run_id text,
    OUT due bigint, OUT done bigint, OUT skipped bigint, OUT failed bigint, OUT failure text)
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_policy "{policy}"%ROWTYPE;
    v_most  integer;
    v_size  integer;
    v_after text := '';
    v_batch record;
BEGIN
    SELECT * INTO STRICT v_policy FROM "{policy}";
    v_most := v_policy.batch_size;
    v_size := v_most;
    due := "{space}".sessioncleanup_due(p_action, p_now, p_inactive, p_delete, p_warn, p_warned, p_given_up, p_rules);
    done := 0;
    failed := 0;
    WHILE due > 0 AND p_action = 'noticed' LOOP
        SELECT * INTO v_batch FROM "{space}".sessioncleanup_warn(p_now, p_delete, p_warn, p_warned, v_after,
            NULL, NULL, NULL, 'system', 'cleanup_inactive_sessions', p_run_id, v_size, p_rules);
        done := done + cardinality(v_batch.ids);
        v_after := v_batch.next;
        EXIT WHEN v_after = '';
    END LOOP;
    WHILE due > 0 AND p_action <> 'noticed' LOOP
        SELECT * INTO v_batch FROM "{space}".sessioncleanup_sweep(p_action, p_now, p_inactive, p_delete, v_after,
            NULL, NULL, NULL, 'system', 'cleanup_inactive_sessions', p_run_id, v_size,
            CASE WHEN v_policy.archive THEN v_policy.archive_max_rows END, CASE WHEN v_policy.archive THEN v_policy.archive_max_bytes END, NULL, p_warned, p_given_up, p_rules);
        IF v_batch.failure IS NULL THEN
            done := done + cardinality(v_batch.ids);
            v_size := least(v_most, v_size * 2);
        ELSIF cardinality(v_batch.ids) > 1 THEN
            v_size := cardinality(v_batch.ids) / 2;
            CONTINUE;
        ELSIF left(v_batch.failure_code, 5) NOT IN ('55P03', '40P01', '40001') THEN
            failed := failed + 1;
            failure := coalesce(failure, v_batch.failure);
        END IF;
        v_after := v_batch.next;
        EXIT WHEN v_after = '' OR done = 0 AND failed = 100;
    END LOOP;
    skipped := greatest("{space}".sessioncleanup_due(p_action, p_now, p_inactive, p_delete, p_warn, p_warned, p_given_up, p_rules) - failed, 0);
END
$sessioncleanup$;

-- name: sessioncleanup_details
-- The text about a phase in the result of a run.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_details(
    p_before text, p_threshold interval, p_after text, p_failed bigint, p_failure text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    SELECT CASE WHEN p_threshold IS NULL THEN 'off: the policy says never'
           ELSE p_before || CASE
                WHEN extract(epoch FROM p_threshold) >= 172800 THEN trim_scale(round(extract(epoch FROM p_threshold)::numeric / 86400, 2)) || ' days'
                WHEN extract(epoch FROM p_threshold) = 3600 THEN '1 hour'
                ELSE trim_scale(round(extract(epoch FROM p_threshold)::numeric / 3600, 2)) || ' hours' END || p_after END
           || CASE WHEN p_failed > 0 THEN '; ' || p_failed || ' could not be changed, the first because: ' || p_failure ELSE '' END;
$sessioncleanup$;

-- name: sessioncleanup_expected
-- Whether many deletions are no surprise: a whole run with the same thresholds ended without an error and began in the last
-- 8 days, and some session is in use.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_expected(p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_warned timestamptz, p_given_up timestamptz, p_rules jsonb) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = "{safe}" SET datestyle = 'ISO, YMD'
AS $sessioncleanup$
    SELECT (EXISTS (SELECT FROM "{sessions}" s
                     WHERE "{visible}" AND "{last_activity_out}" >= coalesce(p_inactive, p_delete) AND "{last_activity_out}" <= p_now + interval '10 minutes')
            OR EXISTS (SELECT FROM "{touches}" t WHERE t.at >= coalesce(p_inactive, p_delete)))
       AND EXISTS (
           SELECT FROM "{events}" e
            CROSS JOIN LATERAL (SELECT (e.run ->> 'started_at')::timestamptz AS started_at, (e.run #>> '{cutoffs,now}')::timestamptz AS now,
                                       (e.run #>> '{cutoffs,inactive}')::timestamptz AS inactive, (e.run #>> '{cutoffs,delete}')::timestamptz AS delete,
                                       (e.run #>> '{cutoffs,warned}')::timestamptz AS warned, (e.run #>> '{cutoffs,given_up}')::timestamptz AS given_up,
                                       coalesce(e.run #> '{cutoffs,rules}', '[]') AS rules) r
            WHERE e.at > p_now - interval '8 days' AND e.action = 'run' AND e.run IS NOT NULL
              AND coalesce(e.run ->> 'error', '') = '' AND NOT coalesce((e.run ->> 'partial')::boolean, false) AND NOT e.run ? 'filter'
              AND r.started_at <= p_now AND p_now - r.started_at < interval '8 days'
              AND r.now - r.inactive IS NOT DISTINCT FROM p_now - p_inactive AND r.now - r.delete IS NOT DISTINCT FROM p_now - p_delete
              AND r.now - r.warned IS NOT DISTINCT FROM p_now - p_warned AND r.now - r.given_up IS NOT DISTINCT FROM p_now - p_given_up
              AND NOT EXISTS (SELECT o.tag, r.now - o.inactive, r.now - o.delete, r.now - o.warned FROM jsonb_to_recordset(r.rules) o (tag text, inactive timestamptz, delete timestamptz, warned timestamptz)
                              EXCEPT SELECT w.tag, p_now - w.inactive, p_now - w.delete, p_now - w.warned FROM "{rule_moments}" w)
              AND NOT EXISTS (SELECT w.tag, p_now - w.inactive, p_now - w.delete, p_now - w.warned FROM "{rule_moments}" w
                              EXCEPT SELECT o.tag, r.now - o.inactive, r.now - o.delete, r.now - o.warned FROM jsonb_to_recordset(r.rules) o (tag text, inactive timestamptz, delete timestamptz, warned timestamptz)));
$sessioncleanup$;

-- name: rule_moments
-- The rules with moments, as Go has them in the summary of a run.
(SELECT w.tag, p_now - w.inactive * interval '1 millisecond' AS inactive, p_now - w.delete * interval '1 millisecond' AS delete, p_now - w.warned * interval '1 millisecond' AS warned
   FROM jsonb_to_recordset(p_rules) w (tag text, inactive bigint, delete bigint, warned bigint))

-- name: span
-- A threshold of a rule r in milliseconds, which may leave it to the policy: NULL for never.
CASE WHEN r."{field}" = -1 THEN NULL WHEN r."{field}" IS NULL THEN ceil(extract(epoch FROM "{policy_value}") * 1000)::bigint ELSE r."{field}" END

-- name: cleanup_inactive_sessions
-- One run: deletes what is due for deletion, then deactivates what is due for that. Thresholds are in hours and
-- days, fractions allowed; NULL takes the policy's. A run that exceeds the deletion limit deletes nothing, and its row
-- 'deleted' says so; with force there is no limit. All of it is one transaction, the caller's. It runs with the rights of
-- the owner of the sessions: whoever was granted it needs no others.
CREATE OR REPLACE FUNCTION "{space}".cleanup_inactive_sessions(
    inactive_hours numeric DEFAULT NULL, delete_old_days numeric DEFAULT NULL, force boolean DEFAULT false)
RETURNS TABLE (action text, session_count bigint, details text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_started     timestamptz := clock_timestamp();
    v_run_id      text := replace(gen_random_uuid()::text, '-', '');
    v_policy      "{policy}"%ROWTYPE;
    v_pause       record;
    v_cut         record;
    v_due         bigint;
    v_refused     text;
    v_deleted     record;
    v_noticed     record;
    v_waiting     bigint;
    v_deactivated record;
    v_old         bigint;
    v_purged      bigint := 0;
    v_page        record;
    v_on          record; -- the phases that any session may go through
    v_tags        text;
BEGIN
    IF inactive_hours <= 0 OR delete_old_days <= 0 THEN
        RAISE EXCEPTION 'cleanup_inactive_sessions(%, %): want positive hours and days, or NULL for the policy''s',
            inactive_hours, delete_old_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN -- touches since its snapshot would not be seen
        RAISE EXCEPTION 'cleanup_inactive_sessions in a transaction with isolation level %: want read committed', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    SELECT * INTO STRICT v_policy FROM "{policy}";
    IF NOT v_policy.enabled THEN
        RAISE EXCEPTION 'cleanup is disabled by the policy'
            USING HINT = 'UPDATE sessioncleanup_policy SET enabled = true', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT e.action, (e.run ->> 'until')::timestamptz AS until, e.actor, e.reason INTO v_pause
      FROM "{events}" e WHERE e.action IN ('paused', 'resumed') ORDER BY e.id DESC LIMIT 1;
    IF v_pause.action = 'paused' AND v_pause.until > clock_timestamp() THEN
        RAISE EXCEPTION 'cleanup is paused until %, by %: %', date_trunc('seconds', v_pause.until), v_pause.actor, v_pause.reason
            USING HINT = 'sessioncleanup resume', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    v_policy.inactive_after := coalesce(inactive_hours * interval '1 hour', v_policy.inactive_after);
    v_policy.delete_after := coalesce(delete_old_days * interval '24 hours', v_policy.delete_after);
    IF v_policy.warn_before >= v_policy.delete_after THEN
        RAISE EXCEPTION 'cleanup_inactive_sessions would delete after %, and the policy warns % before: want more days', v_policy.delete_after, v_policy.warn_before
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO v_cut FROM "{space}".sessioncleanup_cutoffs(v_policy.inactive_after, v_policy.delete_after);
    SELECT v_cut.inactive IS NOT NULL OR count(r.inactive) > 0 AS deactivated, v_cut.delete IS NOT NULL OR count(r.delete) > 0 AS deleted,
           v_cut.warn IS NOT NULL OR count(r.warned) > 0 AS noticed INTO v_on
      FROM jsonb_to_recordset(v_cut.rules) r (inactive bigint, delete bigint, warned bigint);
    v_tags := (SELECT '; other rules for the tags ' || string_agg(r.tag, ', ') FROM jsonb_to_recordset(v_cut.rules) r (tag text));
    PERFORM "{space}".sessioncleanup_phase(a.name, v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules, v_run_id)
       FROM unnest(ARRAY['dated', 'activity_corrected']) WITH ORDINALITY a (name, place) ORDER BY a.place;
    v_old := (SELECT count(*) FROM "{archive}" a CROSS JOIN (SELECT "{space}".sessioncleanup_purge_rules() AS rules) w
               WHERE "{purgeable_by_policy}" AND NOT a.held AND (a.backed_up_at IS NOT NULL OR NOT v_policy.backup));
    SELECT '' AS next INTO v_page;
    WHILE v_purged < v_old LOOP
        SELECT * INTO v_page
          FROM "{space}".sessioncleanup_purge(v_cut.now - v_policy.archive_keep, v_policy.backup, 1000, v_page.next, 'system', 'cleanup_inactive_sessions', v_run_id,
                                              "{space}".sessioncleanup_purge_rules());
        v_purged := v_purged + cardinality(v_page.ids);
        EXIT WHEN v_page.next = ''; -- others have locked the rest
    END LOOP;
    v_due := "{space}".sessioncleanup_due('deleted', v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules);
    v_waiting := "{space}".sessioncleanup_due('waiting', v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules);
    IF v_due > 100 AND force IS NOT TRUE AND v_due > v_policy.max_delete_fraction * (SELECT count(*) FROM "{sessions}" s WHERE "{visible}")
       AND NOT "{space}".sessioncleanup_expected(v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warned, v_cut.given_up, v_cut.rules) THEN
        v_refused := format('too many sessions would be deleted: %s are due for deletion, more than %s %% of all; none was deleted. '
            'Check the clock and the thresholds, then allow the deletion once with cleanup_inactive_sessions(force => true)',
            v_due, 100 * v_policy.max_delete_fraction);
        SELECT 'deleted' AS action, v_due AS due, 0::bigint AS done, v_due AS skipped, 0::bigint AS failed, v_refused AS failure INTO v_deleted;
    ELSE
        SELECT 'deleted' AS action, p.* INTO v_deleted
          FROM "{space}".sessioncleanup_phase('deleted', v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules, v_run_id) p;
    END IF;
    SELECT 'noticed' AS action, p.* INTO v_noticed
      FROM "{space}".sessioncleanup_phase('noticed', v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules, v_run_id) p;
    SELECT 'deactivated' AS action, p.* INTO v_deactivated
      FROM "{space}".sessioncleanup_phase('deactivated', v_cut.now, v_cut.inactive, v_cut.delete, v_cut.warn, v_cut.warned, v_cut.given_up, v_cut.rules, v_run_id) p;
    PERFORM "{space}".sessioncleanup_log(NULL, 'run', 'system', 'cleanup_inactive_sessions', v_run_id, '{}', '{}', '{}', jsonb_strip_nulls(jsonb_build_object(
        'started_at', v_cut.now,
        'phases', (SELECT coalesce(jsonb_agg(p.phase - 'failure' ORDER BY p.place), '[]')
                     FROM (SELECT 0 AS place, jsonb_build_object('action', 'purged', 'due', v_old, 'done', v_purged, 'skipped', v_old - v_purged, 'failed', 0) AS phase
                            WHERE v_policy.archive AND (v_policy.archive_keep IS NOT NULL OR EXISTS (SELECT FROM jsonb_to_recordset("{space}".sessioncleanup_purge_rules()) r (before timestamptz) WHERE r.before IS NOT NULL)) OR v_old > 0
                            UNION ALL SELECT 1, to_jsonb(v_deleted) WHERE v_on.deleted
                            UNION ALL SELECT 2, to_jsonb(v_noticed) WHERE v_on.noticed
                            UNION ALL SELECT 3, to_jsonb(v_deactivated) WHERE v_on.deactivated) p),
        'duration_ns', (extract(epoch FROM clock_timestamp() - v_started) * 1000000000)::bigint,
        'error', v_refused, 'refused', CASE WHEN v_refused IS NOT NULL THEN true END, 'forced', CASE WHEN force THEN true END,
        'cutoffs', to_jsonb(v_cut) || CASE WHEN v_cut.rules = '[]' THEN '{"rules": null}' ELSE (SELECT jsonb_build_object('rules', jsonb_agg(to_jsonb(w)), 'proceed', v_policy.undeliverable_proceed AND v_on.noticed)
                                                                                               FROM (SELECT v_cut.now AS p_now, v_cut.rules AS p_rules) g CROSS JOIN LATERAL "{rule_moments}" w) END)));
    BEGIN
        IF v_refused IS NULL THEN
            PERFORM "{space}".sessioncleanup_forget(v_cut.now - v_policy.events_keep, 100000);
        END IF;
        PERFORM "{space}".sessioncleanup_seal(1000);
    EXCEPTION WHEN lock_not_available THEN
        NULL; -- the next run seals
    WHEN OTHERS THEN
        RAISE WARNING 'the audit log could not be sealed: %', SQLERRM;
    END;
    RETURN QUERY VALUES
        ('deactivated', v_deactivated.done, "{space}".sessioncleanup_details(
            'unused for more than ', v_policy.inactive_after, ', or expired', v_deactivated.failed, v_deactivated.failure) || coalesce(v_tags, '')),
        ('deleted', v_deleted.done, coalesce(v_refused, "{space}".sessioncleanup_details(
            'inactive, and unused for more than ', v_policy.delete_after, CASE WHEN v_waiting > 0 THEN '; ' || v_waiting || ' are waiting for their warning' ELSE '' END,
            v_deleted.failed, v_deleted.failure) || coalesce(v_tags, '')));
    IF v_on.noticed THEN
        RETURN QUERY VALUES ('noticed', v_noticed.done, "{space}".sessioncleanup_details(
            'their owners will be warned, ', v_policy.warn_before, ' before the deletion', v_noticed.failed, v_noticed.failure) || coalesce(v_tags, ''));
    END IF;
END
$sessioncleanup$;

-- name: get_session_cleanup_stats
CREATE OR REPLACE FUNCTION "{space}".get_session_cleanup_stats()
RETURNS TABLE (total_sessions bigint, active_sessions bigint, inactive_sessions bigint, old_sessions bigint, cleanup_candidates bigint)
LANGUAGE sql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    SELECT count(*),
           count(*) FILTER (WHERE "{is_active}"),
           count(*) FILTER (WHERE "{not_active}"),
           count(*) FILTER (WHERE greatest("{last_activity_out}", n.at) < v_cut.delete),
           count(*) FILTER (WHERE d.idle OR d.expired OR d.gone)
      FROM "{sessions}" s
      LEFT JOIN (SELECT t.session_id, max(t.at) AS at FROM "{touches}" t GROUP BY t.session_id) n ON n.session_id = s."{id}"
     CROSS JOIN "{space}".sessioncleanup_cutoffs() v_base
      "{by_tags_of_policy}"
     CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
     WHERE "{visible}";
$sessioncleanup$;

-- name: sessioncleanup_view
-- The rows of the view. The server does not look into a function's text: so the application can alter and drop the columns of
-- its tables, which a view would prevent. It runs with the rights of whoever reads the view, under the row security that
-- holds for that role.
CREATE FUNCTION "{space}".sessioncleanup_view() RETURNS TABLE ("{view_types}") LANGUAGE sql STABLE AS $sessioncleanup$
SELECT "{view_columns}""{view_owner}",
       round(greatest(extract(epoch FROM v_cut.now - "{last_used}"), 0)::numeric / 3600, 2) AS "{hours_inactive}",
       "{days_old_value}" AS "{days_old}",
       CASE r.status WHEN 'to_deactivate' THEN 'À désactiver' WHEN 'to_delete' THEN 'À supprimer' ELSE 'Actif' END AS "{cleanup_status}",
       r.status AS "{status_column}""{view_totals}"
  FROM "{sessions}" s
 CROSS JOIN "{space}".sessioncleanup_cutoffs() v_base
 "{by_tags_of_policy}"
 CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
 CROSS JOIN LATERAL (SELECT "{status}" AS status) r
 WHERE "{visible}";
$sessioncleanup$;

-- name: view
CREATE OR REPLACE VIEW "{space}".sessions_cleanup_view AS SELECT "{view_list}" FROM "{space}".sessioncleanup_view();
