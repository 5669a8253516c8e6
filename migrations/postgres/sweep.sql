-- One batch of a run, for Store.Sweep and for runs in SQL.

-- name: sessioncleanup_sweep
-- Deletes or deactivates at most p_limit sessions that are due, in the order of an index: 'deleted' follows the index of
-- what is gone; 'deactivated' first that of idle sessions and then that of expired ones. Rows that another transaction has
-- locked are left out. If a row cannot be changed, nothing is, and the result is the sessions selected and the failure.
--
-- The search path is that of the migration, because the application's triggers on sessions run in here. Each step reads an
-- index in order, whatever the statistics say: they may be from before a mass deletion.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_sweep(
    p_action text, p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_limit integer, p_after text,
    p_id text, p_owner text, p_text text, p_actor text, p_reason text, p_run_id text,
    OUT ids text[], OUT next text, OUT failure_code text, OUT failure text)
LANGUAGE plpgsql
SET search_path = pg_catalog, "{path}", pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_cut    record;
    v_filter record;
    v_index  text := coalesce(nullif(p_after, '')::json ->> 0, CASE p_action WHEN 'deleted' THEN 'gone' ELSE 'idle' END);
    v_at     text := coalesce(nullif(p_after, '')::json ->> 1, '-infinity');
    v_id     "{id_type}" := nullif(p_after, '')::json ->> 2;
    v_locked "{id_type}"[] := '{}';
    v_ended  "{id_type}"[];
    v_owners text[];
    v_names  text[];
BEGIN
    SELECT p_now AS now, p_inactive AS inactive, p_delete AS delete INTO v_cut;
    SELECT p_id AS id, p_owner AS owner, p_text AS text INTO v_filter;
    PERFORM "{space}".sessioncleanup_settle_touches();
    IF v_index = 'idle' THEN
        SELECT coalesce(array_agg(d.id), '{}'), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}' INTO v_locked, v_at
          FROM (SELECT s."{id}" AS id, s."{last_activity}" AS at
                  FROM "{sessions}" s
                 WHERE "{is_active}" AND "{is_auto}" AND s."{last_activity}" < p_inactive "{last_activity_in}" AND "{matches}"
                   AND (s."{last_activity}", s."{id}") > (v_at::"{last_activity_type}", v_id)
                 ORDER BY s."{last_activity}", s."{id}"
                 LIMIT p_limit
                   FOR NO KEY UPDATE OF s SKIP LOCKED) d;
        IF cardinality(v_locked) < p_limit THEN
            v_index := 'expired';
            v_at := '-infinity';
            v_id := NULL;
        END IF;
    END IF;
    IF v_index = 'expired' THEN
        SELECT coalesce(array_agg(d.id), '{}'), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}' INTO v_ended, v_at
          FROM (SELECT s."{id}" AS id, s."{expires_at}" AS at
                  FROM "{sessions}" s
                 WHERE "{is_active}" AND "{is_auto}" AND s."{expires_at}" <= p_now "{expires_at_in}" AND "{matches}"
                   AND (s."{expires_at}", s."{id}") > (v_at::"{expires_at_type}", v_id)
                   AND (s."{last_activity}" < p_inactive "{last_activity_in}") IS NOT TRUE
                 ORDER BY s."{expires_at}", s."{id}"
                 LIMIT p_limit - cardinality(v_locked)
                   FOR NO KEY UPDATE OF s SKIP LOCKED) d;
        v_locked := v_locked || v_ended;
    ELSIF v_index = 'gone' THEN
        SELECT coalesce(array_agg(d.id), '{}'), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}' INTO v_locked, v_at
          FROM (SELECT s."{id}" AS id, "{kept_since}" AS at
                  FROM "{sessions}" s
                 WHERE "{not_active}" AND "{is_auto}" AND "{kept_since}" < p_delete "{kept_since_in}" AND "{matches}"
                   AND ("{kept_since}", s."{id}") > (v_at::"{kept_since_type}", v_id)
                   AND s."{last_activity}" IS NOT NULL
                 ORDER BY "{kept_since}", s."{id}"
                 LIMIT p_limit
                   FOR UPDATE OF s SKIP LOCKED) d;
    END IF;
    next := CASE WHEN cardinality(v_locked) = p_limit THEN json_build_array(v_index, v_at, v_locked[p_limit])::text ELSE '' END;
    -- A new statement sees everything that was committed until the locks were taken, such as a touch that was noted
    -- because its row was locked. From here on nobody else changes these rows.
    IF p_action = 'deleted' THEN
        WITH changed AS (
            DELETE FROM "{sessions}" s
             WHERE s."{id}" = ANY (v_locked) AND "{gone}"
            RETURNING s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, coalesce("{name_text}", '') AS name
        )
        SELECT coalesce(array_agg(c.id), '{}'), array_agg(c.owner), array_agg(c.name) INTO ids, v_owners, v_names FROM changed c;
    ELSE
        WITH changed AS (
            UPDATE "{sessions}" s
               SET "{active}" = false
             WHERE s."{id}" = ANY (v_locked) AND ("{idle}" OR "{expired}")
            RETURNING s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, coalesce("{name_text}", '') AS name
        )
        SELECT coalesce(array_agg(c.id), '{}'), array_agg(c.owner), array_agg(c.name) INTO ids, v_owners, v_names FROM changed c;
    END IF;
    IF cardinality(ids) > 0 THEN
        INSERT INTO "{events}" (action, actor, reason, run_id, session_ids, owner_ids, names)
        VALUES (p_action, p_actor, p_reason, p_run_id, ids, v_owners, v_names);
    END IF;
EXCEPTION WHEN OTHERS THEN
    -- Only failures that rows are to blame for: constraints (23), the application's triggers (P0, 22, 09, 27).
    IF left(SQLSTATE, 2) NOT IN ('23', 'P0', '22', '09', '27') OR cardinality(v_locked) = 0 THEN
        RAISE;
    END IF;
    ids := v_locked::text[];
    failure_code := SQLSTATE;
    failure := SQLERRM;
END
$sessioncleanup$;
