-- name: deactivate_batch
-- One batch of deactivations: first the sessions that went unused, in the order of their last activity, then those
-- that expired. Rows that somebody else has locked are passed over. A failure of the rows themselves is given back
-- with the sessions selected, and then nothing was changed.
--
-- The search path is that of the migration: the host's triggers on sessions run in here and may rely on it.
-- The planner must not be led astray by statistics from before a mass deletion: each step reads an index, in order.
-- What it then thinks the plan costs must not have it compiled.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_deactivate_batch(
    p_now timestamptz, p_inactive timestamptz, p_limit integer, p_after text,
    p_actor text, p_reason text, p_run_id text,
    OUT ids text[], OUT next text, OUT failure_code text, OUT failure text)
LANGUAGE plpgsql
SET search_path = pg_catalog, "{path}", pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_phase   text := coalesce(nullif(p_after, '')::json ->> 0, 'idle');
    v_idle_at "{last_activity_type}" := '-infinity';
    v_end_at  "{expires_at_type}" := '-infinity';
    v_id      "{id_type}";
    v_locked  "{id_type}"[] := '{}';
    v_ended   "{id_type}"[];
    v_count   integer := 0;
BEGIN
    PERFORM "{space}".sessioncleanup_fold_touches();
    next := '';
    IF v_phase = 'idle' THEN
        IF p_after <> '' THEN
            v_idle_at := p_after::json ->> 1;
            v_id := p_after::json ->> 2;
        END IF;
        SELECT coalesce(array_agg(d.id), '{}'), count(*), (array_agg(d.at))[count(*)::integer]
          INTO v_locked, v_count, v_idle_at
          FROM (SELECT s."{id}" AS id, s."{last_activity}" AS at
                  FROM "{sessions}" s
                 WHERE "{is_active}" AND "{is_auto}"
                   AND s."{last_activity}" < p_inactive "{last_activity_in}"
                   AND (s."{last_activity}", s."{id}") > (v_idle_at, v_id)
                 ORDER BY s."{last_activity}", s."{id}"
                 LIMIT p_limit
                   FOR NO KEY UPDATE OF s SKIP LOCKED) d;
        IF v_count = p_limit THEN
            next := json_build_array('idle', v_idle_at, v_locked[v_count])::text;
        END IF;
        v_id := NULL;
    ELSE
        v_end_at := p_after::json ->> 1;
        v_id := p_after::json ->> 2;
    END IF;
    IF v_count < p_limit THEN
        SELECT coalesce(array_agg(d.id), '{}'), (array_agg(d.at))[count(*)::integer]
          INTO v_ended, v_end_at
          FROM (SELECT s."{id}" AS id, s."{expires_at}" AS at
                  FROM "{sessions}" s
                 WHERE "{is_active}" AND "{is_auto}"
                   AND s."{expires_at}" <= p_now "{expires_at_in}"
                   AND (s."{expires_at}", s."{id}") > (v_end_at, v_id)
                   AND (s."{last_activity}" < p_inactive "{last_activity_in}") IS NOT TRUE
                 ORDER BY s."{expires_at}", s."{id}"
                 LIMIT p_limit - v_count
                   FOR NO KEY UPDATE OF s SKIP LOCKED) d;
        v_locked := v_locked || v_ended;
        IF cardinality(v_locked) = p_limit THEN
            next := json_build_array('expired', v_end_at, v_ended[cardinality(v_ended)])::text;
        END IF;
    END IF;
    ids := '{}';
    IF cardinality(v_locked) = 0 THEN
        RETURN;
    END IF;
    -- A new statement sees what was committed until the locks were taken: a touch that met a locked row is one of
    -- those, and from here on the rows are ours.
    WITH changed AS (
        UPDATE "{sessions}" s
           SET "{active}" = false
         WHERE s."{id}" = ANY (v_locked) AND "{is_active}" AND "{is_auto}"
           AND (s."{last_activity}" < p_inactive "{last_activity_in}"
                AND NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= p_inactive)
                OR s."{expires_at}" <= p_now "{expires_at_in}")
        RETURNING s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, coalesce("{name_text}", '') AS name
    ), event AS (
        INSERT INTO "{events}" (action, actor, reason, run_id, session_ids, owner_ids, names)
        SELECT 'deactivated', p_actor, p_reason, p_run_id, array_agg(c.id), array_agg(c.owner), array_agg(c.name)
          FROM changed c
        HAVING count(*) > 0
    )
    SELECT coalesce(array_agg(c.id), '{}') INTO ids FROM changed c;
EXCEPTION WHEN OTHERS THEN
    -- Only what the rows are to blame for: constraints (23), the host's triggers (P0, 22, 09, 27).
    IF left(SQLSTATE, 2) NOT IN ('23', 'P0', '22', '09', '27') OR cardinality(v_locked) = 0 THEN
        RAISE;
    END IF;
    ids := v_locked::text[];
    failure_code := SQLSTATE;
    failure := SQLERRM;
END
$sessioncleanup$;

-- name: delete_batch
-- One batch of deletions, in the order of the last sign of life; otherwise like sessioncleanup_deactivate_batch.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_delete_batch(
    p_now timestamptz, p_delete timestamptz, p_limit integer, p_after text,
    p_actor text, p_reason text, p_run_id text,
    OUT ids text[], OUT next text, OUT failure_code text, OUT failure text)
LANGUAGE plpgsql
SET search_path = pg_catalog, "{path}", pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_at     "{last_sign_type}" := '-infinity';
    v_id     "{id_type}";
    v_locked "{id_type}"[] := '{}';
    v_count  integer;
BEGIN
    PERFORM "{space}".sessioncleanup_fold_touches();
    next := '';
    IF p_after <> '' THEN
        v_at := p_after::json ->> 0;
        v_id := p_after::json ->> 1;
    END IF;
    SELECT coalesce(array_agg(d.id), '{}'), count(*), (array_agg(d.at))[count(*)::integer]
      INTO v_locked, v_count, v_at
      FROM (SELECT s."{id}" AS id, "{last_sign}" AS at
              FROM "{sessions}" s
             WHERE "{not_active}" AND "{is_auto}"
               AND "{last_sign}" < p_delete "{last_sign_in}"
               AND ("{last_sign}", s."{id}") > (v_at, v_id)
               AND s."{last_activity}" IS NOT NULL
             ORDER BY "{last_sign}", s."{id}"
             LIMIT p_limit
               FOR UPDATE OF s SKIP LOCKED) d;
    IF v_count = p_limit THEN
        next := json_build_array(v_at, v_locked[v_count])::text;
    END IF;
    ids := '{}';
    IF v_count = 0 THEN
        RETURN;
    END IF;
    WITH changed AS (
        DELETE FROM "{sessions}" s
         WHERE s."{id}" = ANY (v_locked) AND "{not_active}" AND "{is_auto}"
           AND "{last_sign}" < p_delete "{last_sign_in}"
           AND s."{last_activity}" IS NOT NULL
           AND NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= p_delete)
        RETURNING s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, coalesce("{name_text}", '') AS name
    ), event AS (
        INSERT INTO "{events}" (action, actor, reason, run_id, session_ids, owner_ids, names)
        SELECT 'deleted', p_actor, p_reason, p_run_id, array_agg(c.id), array_agg(c.owner), array_agg(c.name)
          FROM changed c
        HAVING count(*) > 0
    )
    SELECT coalesce(array_agg(c.id), '{}') INTO ids FROM changed c;
EXCEPTION WHEN OTHERS THEN
    IF left(SQLSTATE, 2) NOT IN ('23', 'P0', '22', '09', '27') OR cardinality(v_locked) = 0 THEN
        RAISE;
    END IF;
    ids := v_locked::text[];
    failure_code := SQLSTATE;
    failure := SQLERRM;
END
$sessioncleanup$;
