-- One batch of a run, for Store.Sweep and for runs in SQL.

-- name: sessioncleanup_sweep
-- Deletes, deactivates, dates or corrects at most p_limit sessions for which that is due, in the order of an index:
-- 'deleted' follows the index of what is gone; 'deactivated' first that of idle sessions and then that of expired ones,
-- both in each class of sessions; 'dated' that of undated ones; 'activity_corrected' the ends of those by last
-- activity. The first batch has the classes follow the tags. Rows that another transaction has locked are left out,
-- also those that its new rows refer to by a foreign key: it is at work with them. If a row cannot be changed, nothing
-- is, and the result is the sessions selected and the failure. What is due and left alone, with the reason, is in
-- skipped and reasons. With p_only it deletes none but those sessions. With p_archive_rows and p_archive_bytes it
-- archives what it deletes.
--
-- Where the application's triggers run, the search path is theirs. Each step reads an index in order, whatever the
-- statistics say: they may be from before a mass deletion. While the batch holds locks it
-- waits for another one, such as that of a child row, for 100 ms at most.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_sweep(
    p_action text, p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_after text,
    p_id text, p_owner text, p_words text[], p_actor text, p_reason text, p_run_id text, p_limit integer, p_archive_rows integer, p_archive_bytes bigint, p_only text[],
    p_warned timestamptz, p_given_up timestamptz, p_rules jsonb,
    OUT ids text[], OUT next text, OUT skipped text[], OUT reasons text[], OUT failure_code text, OUT failure text, OUT held interval)
LANGUAGE plpgsql
SET search_path = "{safe}" SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan SET lock_timeout = '100ms'
AS $sessioncleanup$
DECLARE
    v_base       record;
    v_filter     record;
    v_range      record; -- what is looked for in a class
    v_begin      text := CASE p_action WHEN 'deleted' THEN 'gone' WHEN 'dated' THEN 'undated' WHEN 'activity_corrected' THEN 'ahead_active' ELSE 'idle' END;
    v_index      text := coalesce(nullif(p_after, '')::json ->> 0, v_begin);
    v_at         text := nullif(p_after, '')::json ->> 1;
    v_id         "{id_type}" := nullif(p_after, '')::json ->> 2;
    v_class      text COLLATE "C" := nullif(p_after, '')::json ->> 3;
    v_first      boolean := v_id IS NULL; -- begin with the first entry of the index instead of after (v_at, v_id)
    v_locked     "{id_type}"[] := '{}';
    v_some       "{id_type}"[];
    v_due        "{id_type}"[];
    v_owners     text[];
    v_names      text[];
    v_some_owners text[];
    v_some_names text[];
    v_written    bigint;
    v_open       text; -- transactions, in words
    v_deferred   text; -- constraints
    v_check      text;
    v_defer      text;
    v_now        timestamptz;
    v_began      timestamptz;
    v_constraint text;
BEGIN
    SELECT p_now AS now, p_inactive AS inactive, p_delete AS delete, NULL::timestamptz AS warn, p_warned AS warned, p_given_up AS given_up INTO v_base;
    SELECT p_id AS id, p_owner AS owner, p_words[1] AS text, p_words[2:] AS tags INTO v_filter;
    IF v_first AND p_action IN ('deleted', 'deactivated') THEN
        PERFORM "{space}".sessioncleanup_require_triggers();
        IF "{loose}" THEN
            v_open := "{space}".sessioncleanup_open_activity();
            IF v_open <> '' THEN
                ids := '{}';
                next := '';
                skipped := '{""}';
                reasons := ARRAY[v_open];
                held := '0';
                RETURN;
            END IF;
        END IF;
        IF p_action = 'deleted' AND p_archive_rows IS NOT NULL AND "{removes}" THEN
            PERFORM "{space}".sessioncleanup_require_archivable();
        END IF;
    END IF;
    PERFORM "{space}".sessioncleanup_settle_touches();
    v_began := clock_timestamp();
    ids := '{}';
    skipped := '{}';
    reasons := '{}';
    IF v_first AND p_only IS NULL AND v_class IS NULL AND "{space}".sessioncleanup_classify(p_rules, p_limit) THEN
        next := '[]'; -- there is more of that
        held := clock_timestamp() - v_began;
        RETURN;
    END IF;
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    IF p_only IS NOT NULL THEN
        v_locked := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (p_only::"{id_type}"[]) AND "{matches}" ORDER BY s."{id}" FOR UPDATE OF s SKIP LOCKED);
    ELSIF p_action = 'activity_corrected' THEN
        "{sweep_ahead}"
    ELSIF p_action = 'dated' THEN
        SELECT coalesce(array_agg(d.id), '{}') INTO v_locked
          FROM (SELECT s."{id}" AS id
                  FROM "{sessions}" s
                 WHERE "{undated}" AND "{matches}" AND (v_id IS NULL OR s."{id}" > v_id)
                 ORDER BY s."{id}"
                 LIMIT p_limit
                   FOR NO KEY UPDATE OF s SKIP LOCKED) d;
    ELSE
        FOR v_range IN SELECT r.* FROM "{space}".sessioncleanup_ranges(p_now, p_inactive, p_delete, NULL, p_rules) r
                        WHERE v_class IS NULL OR r.class >= v_class ORDER BY r.class NULLS FIRST LOOP
            IF v_range.class IS DISTINCT FROM v_class THEN
                v_class := v_range.class;
                v_index := v_begin;
                v_first := true;
            END IF;
            IF v_index = 'gone' AND v_class IS NULL THEN
                "{sweep_gone}"
            ELSIF v_index = 'gone' THEN
                "{sweep_gone_classed}"
            END IF;
            IF v_index = 'idle' THEN
                IF v_class IS NULL THEN
                    "{sweep_idle}"
                ELSE
                    "{sweep_idle_classed}"
                END IF;
                IF cardinality(v_locked) < p_limit THEN
                    v_index := 'expired';
                    v_first := true;
                END IF;
            END IF;
            IF v_index = 'expired' AND v_class IS NULL THEN
                "{sweep_expired}"
            ELSIF v_index = 'expired' THEN
                "{sweep_expired_classed}"
            END IF;
            EXIT WHEN cardinality(v_locked) = p_limit;
        END LOOP;
    END IF;
    next := CASE WHEN cardinality(v_locked) = p_limit AND p_only IS NULL THEN json_build_array(v_index, v_at, v_locked[p_limit], v_class)::text ELSE '' END;
    IF cardinality(v_locked) = 0 THEN
        held := '0';
        PERFORM set_config('sessioncleanup.writing', '', true);
        RETURN;
    END IF;
    v_deferred := "{space}".sessioncleanup_deferred(p_action);
    v_check := 'SET CONSTRAINTS ' || nullif(v_deferred, '') || ' IMMEDIATE';
    v_defer := 'SET CONSTRAINTS ' || nullif(v_deferred, '') || ' DEFERRED';
    BEGIN
        v_now := date_trunc('milliseconds', clock_timestamp());
        -- What was found was due when its locks were taken, as the rows say. A new statement sees what was committed until then
        -- elsewhere: touches, which are noted while their rows are locked, and tags. From here on nobody else changes these rows.
        v_due := v_locked;
        IF v_owners IS NULL OR p_rules <> '[]' OR v_filter.tags <> '{}' OR "{noted}" THEN
            v_due := ARRAY(SELECT s."{id}" FROM "{sessions}" s "{by_tags}"
                            WHERE s."{id}" = ANY (v_locked) AND (v_filter.tags = '{}' OR "{has_tags}")
                              AND CASE p_action WHEN 'deleted' THEN "{gone}" WHEN 'dated' THEN "{undated}" WHEN 'activity_corrected' THEN "{ahead}" ELSE "{idle}" OR "{expired}" END);
        END IF;
        IF p_action = 'deleted' THEN
            SELECT p.due, p.skipped::text[], p.reasons INTO v_due, skipped, reasons
              FROM "{space}".sessioncleanup_spared(v_due, p_now, p_inactive, p_delete, p_id, p_owner, p_words, p_only, p_warned, p_given_up, p_rules) p;
        END IF;
        IF v_owners IS NULL OR v_due <> v_locked THEN
            SELECT coalesce(array_agg(s."{id}"), '{}'), array_agg(coalesce("{owner_text}", '')), array_agg("{event_name}")
              INTO v_due, v_owners, v_names FROM "{sessions}" s WHERE s."{id}" = ANY (v_due);
        END IF;
        ids := v_due::text[];
        IF p_action = 'deleted' AND p_archive_rows IS NOT NULL AND "{removes}" AND cardinality(v_due) > 0 THEN
            PERFORM "{space}".sessioncleanup_archive(v_due, v_now, p_actor, p_reason, p_run_id, p_archive_rows, p_archive_bytes);
        END IF;
        "{theirs}"
        IF p_action OPERATOR(pg_catalog.=) 'deleted' THEN
            "{remove}" WHERE s."{id}" "{id_eq}" ANY (v_due);
        ELSIF p_action OPERATOR(pg_catalog.=) 'dated' THEN
            UPDATE "{sessions}" s SET "{deactivated_at}" = v_now "{deactivated_at_in}" WHERE s."{id}" "{id_eq}" ANY (v_due);
        ELSIF p_action OPERATOR(pg_catalog.=) 'activity_corrected' THEN
            UPDATE "{sessions}" s SET "{last_activity}" = v_now "{last_activity_in}" WHERE s."{id}" "{id_eq}" ANY (v_due);
        ELSE
            UPDATE "{sessions}" s SET "{active}" = "{inactive_value}", "{deactivated_at}" = v_now "{deactivated_at_in}" WHERE s."{id}" "{id_eq}" ANY (v_due);
        END IF;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        IF v_check IS NOT NULL THEN -- what they would refuse at the commit is refused here
            EXECUTE v_check;
            EXECUTE v_defer;
        END IF;
        "{ours}"
        PERFORM "{space}".sessioncleanup_require_done(p_action, v_due, v_written);
        IF p_action = 'deleted' THEN -- the owners of those that were warned are told that they are gone
            UPDATE "{notices}" n
               SET deleted_at = v_now, next_at = v_now, message = '', attempts = 0, first_at = NULL, error = '', tags = w.tags
              FROM (SELECT s."{id}"::text AS id, "{tags_of}" AS tags FROM unnest(v_due) s ("{id}") "{by_tags}" WHERE v_cut.warned IS NOT NULL) w
             WHERE n.session_id = w.id AND n.delivered_at IS NOT NULL;
        END IF;
        IF p_action = 'deleted' AND "{removes}" THEN
            PERFORM set_config('sessioncleanup.writing', 'gone', true); -- nothing is left to be classed
            DELETE FROM "{tags}" t WHERE t.session_id = ANY (v_due);
        END IF;
    EXCEPTION WHEN OTHERS OR assert_failure OR query_canceled THEN
        GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
        -- Rows are to blame, and what triggers and constraints make of them, but not for a server that is stopping or
        -- full. A single session that takes a minute fails; otherwise a cancellation is meant for the whole run.
        IF left(SQLSTATE, 2) IN ('57', '08') OR SQLSTATE IN ('53100', '53300', '25006') THEN
            IF SQLSTATE <> '57014' OR p_limit > 1 OR clock_timestamp() - v_began < '50 s' THEN
                RAISE;
            END IF;
        END IF;
        ids := v_locked::text[];
        skipped := '{}';
        reasons := '{}';
        failure_code := SQLSTATE || coalesce(nullif(' ' || v_constraint, ' '), '');
        failure := CASE SQLSTATE WHEN '57014' THEN 'not finished within a minute; does a foreign key that refers to it lack an index?' ELSE SQLERRM END;
        held := clock_timestamp() - v_began;
        PERFORM set_config('sessioncleanup.writing', '', true);
        RETURN;
    END;
    IF cardinality(ids) > 0 AND p_action <> 'dated' THEN
        PERFORM "{space}".sessioncleanup_log(v_now, p_action, p_actor, p_reason, p_run_id, ids, v_owners, v_names, NULL);
    END IF;
    PERFORM set_config('sessioncleanup.writing', '', true);
    held := clock_timestamp() - v_began;
END
$sessioncleanup$;

-- name: sweep_idle
-- The next sessions of a class in the index of idle ones, locked.
IF v_first THEN
    SELECT to_json(s."{last_activity}") #>> '{}', s."{id}" INTO v_at, v_id
      FROM "{sessions}" s WHERE "{is_active}" AND "{is_auto}" AND "{of_class}" ORDER BY s."{last_activity}", s."{id}" LIMIT 1;
END IF;
SELECT coalesce(array_agg(d.id), '{}'), array_agg(d.owner), array_agg(d.name), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}'
  INTO v_some, v_some_owners, v_some_names, v_at
  FROM (SELECT s."{id}" AS id, s."{last_activity}" AS at, coalesce("{owner_text}", '') AS owner, "{event_name}" AS name
          FROM "{sessions}" s "{by_tags}"
         WHERE "{tracked}" AND "{is_active}" AND "{is_auto}" AND "{of_class}" AND s."{last_activity}" < v_range.inactive "{last_activity_in}" AND "{matches}"
           AND "{last_activity_out}" < v_cut.inactive
           AND (s."{last_activity}", s."{id}") >= (v_at::"{last_activity_type}", v_id) AND (v_first OR s."{id}" <> v_id)
         ORDER BY s."{last_activity}", s."{id}"
         LIMIT p_limit - cardinality(v_locked)
           FOR UPDATE OF s SKIP LOCKED) d;
v_locked := v_locked || v_some;
v_owners := v_owners || v_some_owners;
v_names := v_names || v_some_names;

-- name: sweep_expired
-- The same in the index of those that expire, without those that are idle.
IF v_first THEN
    SELECT to_json(s."{expires_at}") #>> '{}', s."{id}" INTO v_at, v_id
      FROM "{sessions}" s WHERE "{is_active}" AND "{is_auto}" AND s."{expires_at}" IS NOT NULL AND "{of_class}" ORDER BY s."{expires_at}", s."{id}" LIMIT 1;
END IF;
SELECT coalesce(array_agg(d.id), '{}'), array_agg(d.owner), array_agg(d.name), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}'
  INTO v_some, v_some_owners, v_some_names, v_at
  FROM (SELECT s."{id}" AS id, s."{expires_at}" AS at, coalesce("{owner_text}", '') AS owner, "{event_name}" AS name
          FROM "{sessions}" s "{by_tags}"
         WHERE "{is_active}" AND "{is_auto}" AND "{of_class}" AND s."{expires_at}" <= p_now "{expires_at_in}" AND "{expired_exactly}" AND "{matches}"
           AND v_range.inactive IS NOT NULL AND v_cut.inactive IS NOT NULL
           AND (s."{expires_at}", s."{id}") >= (v_at::"{expires_at_type}", v_id) AND (v_first OR s."{id}" <> v_id)
           AND (NOT "{tracked}" OR ("{last_activity_out}" < v_cut.inactive) IS NOT TRUE)
         ORDER BY s."{expires_at}", s."{id}"
         LIMIT p_limit - cardinality(v_locked)
           FOR UPDATE OF s SKIP LOCKED) d;
v_locked := v_locked || v_some;
v_owners := v_owners || v_some_owners;
v_names := v_names || v_some_names;

-- name: sweep_gone
-- The same in the index of what is gone.
IF v_first THEN
    SELECT to_json("{kept_since}") #>> '{}', s."{id}" INTO v_at, v_id
      FROM "{sessions}" s WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND "{of_class}" ORDER BY "{kept_since}", s."{id}" LIMIT 1;
END IF;
SELECT coalesce(array_agg(d.id), '{}'), array_agg(d.owner), array_agg(d.name), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}'
  INTO v_some, v_some_owners, v_some_names, v_at
  FROM (SELECT s."{id}" AS id, "{kept_since}" AS at, coalesce("{owner_text}", '') AS owner, "{event_name}" AS name
          FROM "{sessions}" s "{by_tags}"
         WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND "{of_class}" AND "{matches}"
           AND "{kept_since}" < v_range.delete "{kept_since_in}" AND "{kept_since}" < v_cut.delete "{kept_since_in}" AND ("{tracked}" OR "{expires_at_out}" IS NOT NULL)
           AND ("{kept_since}", s."{id}") >= (v_at::"{kept_since_type}", v_id) AND (v_first OR s."{id}" <> v_id)
           AND s."{last_activity}" IS NOT NULL AND "{kept_since_out}" < v_cut.delete AND "{warned_enough}"
         ORDER BY "{kept_since}", s."{id}"
         LIMIT p_limit - cardinality(v_locked)
           FOR UPDATE OF s SKIP LOCKED) d;
v_locked := v_locked || v_some;
v_owners := v_owners || v_some_owners;
v_names := v_names || v_some_names;

-- name: sweep_ahead
-- The sessions that were last used in the future, in three indexes, locked.
FOREACH v_begin IN ARRAY ARRAY['ahead_active', 'ahead_classed', 'ahead_inactive'] LOOP
    CONTINUE WHEN v_begin < v_index; -- they are in this order
    IF v_begin <> v_index THEN
        v_index := v_begin;
        v_first := true;
    END IF;
    IF v_index = 'ahead_active' THEN
        "{sweep_ahead_active}"
    ELSIF v_index = 'ahead_classed' THEN
        "{sweep_ahead_classed}"
    ELSE
        "{sweep_ahead_inactive}"
    END IF;
    v_locked := v_locked || v_some;
    EXIT WHEN cardinality(v_locked) = p_limit;
END LOOP;

-- name: sweep_ahead_some
SELECT coalesce(array_agg(d.id), '{}'), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}' INTO v_some, v_at
  FROM (SELECT s."{id}" AS id, s."{last_activity}" AS at
          FROM "{sessions}" s CROSS JOIN (SELECT v_base.now) v_cut
         WHERE "{those}" AND "{matches}" AND (v_first OR (s."{last_activity}", s."{id}") > (v_at::"{last_activity_type}", v_id))
         ORDER BY s."{last_activity}", s."{id}"
         LIMIT p_limit - cardinality(v_locked)
           FOR NO KEY UPDATE OF s SKIP LOCKED) d;

-- name: sessioncleanup_warn
-- One batch of warnings, for Outbox.Warn and for runs in SQL: writes a notice for at most p_limit sessions whose owners are to be
-- warned, in the order of the index of what is gone. It locks no session: one that is used meanwhile has begun another idle
-- period, for which the notice does not count. The first batch forgets old notices.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_warn(
    p_now timestamptz, p_delete timestamptz, p_warn timestamptz, p_warned timestamptz, p_after text,
    p_id text, p_owner text, p_words text[], p_actor text, p_reason text, p_run_id text, p_limit integer, p_rules jsonb,
    OUT ids text[], OUT next text, OUT held interval)
LANGUAGE plpgsql
SET search_path = "{safe}" SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_base   record;
    v_filter record;
    v_range  record;
    v_at     text := nullif(p_after, '')::json ->> 0;
    v_id     "{id_type}" := nullif(p_after, '')::json ->> 1;
    v_class  text COLLATE "C" := nullif(p_after, '')::json ->> 2;
    v_first  boolean := v_id IS NULL;
    v_some   "{id_type}"[];
    v_due    "{id_type}"[] := '{}';
    v_refs   record;
    v_now    timestamptz;
    v_began  timestamptz := clock_timestamp();
BEGIN
    SELECT p_now AS now, NULL::timestamptz AS inactive, p_delete AS delete, p_warn AS warn, p_warned AS warned, NULL::timestamptz AS given_up INTO v_base;
    SELECT p_id AS id, p_owner AS owner, p_words[1] AS text, p_words[2:] AS tags INTO v_filter;
    ids := '{}';
    next := '';
    IF v_first THEN
        PERFORM "{space}".sessioncleanup_require_triggers();
        PERFORM "{space}".sessioncleanup_settle_touches();
        DELETE FROM "{notices}" n
         USING (SELECT least(p_warned, p_now - max(r.warned) * interval '1 millisecond') - interval '90 days' AS before FROM jsonb_to_recordset(p_rules) r (warned bigint)) f
         WHERE n.delivered_at < f.before OR n.failed_at < f.before;
        IF "{space}".sessioncleanup_classify(p_rules, p_limit) THEN
            next := '[]'; -- there is more of that
            held := clock_timestamp() - v_began;
            RETURN;
        END IF;
    END IF;
    FOR v_range IN SELECT r.* FROM "{space}".sessioncleanup_ranges(p_now, NULL, p_delete, p_warn, p_rules) r
                    WHERE v_class IS NULL OR r.class >= v_class ORDER BY r.class NULLS FIRST LOOP
        IF v_range.class IS DISTINCT FROM v_class THEN
            v_class := v_range.class;
            v_first := true;
        END IF;
        IF v_class IS NULL THEN
            "{warn_some}"
        ELSE
            "{warn_some_classed}"
        END IF;
        v_due := v_due || v_some;
        EXIT WHEN cardinality(v_due) = p_limit;
    END LOOP;
    IF cardinality(v_due) > 0 THEN
        v_now := date_trunc('milliseconds', clock_timestamp());
        WITH due AS (
            SELECT s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, "{event_name}" AS name, "{period}" AS kept_since
              FROM "{sessions}" s "{by_tags}" WHERE s."{id}" = ANY (v_due) AND "{to_warn}"),
        written AS (
            INSERT INTO "{notices}" AS o (session_id, owner_id, name, kept_since, queued_at, next_at)
            SELECT d.id, d.owner, d.name, d.kept_since, v_now, v_now FROM due d
                ON CONFLICT (session_id) DO UPDATE
               SET owner_id = excluded.owner_id, name = excluded.name, kept_since = excluded.kept_since, queued_at = excluded.queued_at,
                   delivered_at = NULL, failed_at = NULL, next_at = excluded.next_at, message = '', attempts = 0, first_at = NULL, error = '',
                   stage = 0, deleted_at = NULL, told_at = NULL
            RETURNING o.session_id, o.owner_id, o.name)
        SELECT coalesce(array_agg(w.session_id), '{}') AS ids, array_agg(w.owner_id) AS owners, array_agg(w.name) AS names INTO v_refs FROM written w;
        ids := v_refs.ids;
    END IF;
    IF cardinality(ids) > 0 THEN
        PERFORM "{space}".sessioncleanup_log(v_now, 'noticed', p_actor, p_reason, p_run_id, ids, v_refs.owners, v_refs.names, NULL);
    END IF;
    IF cardinality(v_due) = p_limit THEN
        next := json_build_array(v_at, v_due[p_limit], v_class)::text;
    END IF;
    held := clock_timestamp() - v_began;
END
$sessioncleanup$;

-- name: warn_some
-- The next sessions of a class in the index of what is gone whose owners are to be warned.
IF v_first THEN
    SELECT to_json("{kept_since}") #>> '{}', s."{id}" INTO v_at, v_id
      FROM "{sessions}" s WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND "{of_class}" ORDER BY "{kept_since}", s."{id}" LIMIT 1;
END IF;
SELECT coalesce(array_agg(d.id), '{}'), to_json((array_agg(d.at))[count(*)::integer]) #>> '{}' INTO v_some, v_at
  FROM (SELECT s."{id}" AS id, "{kept_since}" AS at
          FROM "{sessions}" s "{by_tags}"
         WHERE "{of_class}" AND "{kept_since}" < v_range.warn "{kept_since_in}" AND "{to_warn}" AND "{matches}"
           AND ("{kept_since}", s."{id}") >= (v_at::"{kept_since_type}", v_id) AND (v_first OR s."{id}" <> v_id)
         ORDER BY "{kept_since}", s."{id}"
         LIMIT p_limit - cardinality(v_due)) d;

-- name: sessioncleanup_open_activity
-- Waits for the open transactions that recorded activity and did not commit it yet, where no foreign key keeps a session
-- from being taken for idle meanwhile. It holds no row's lock. Returns the reason to leave the sessions alone when one
-- takes long.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_open_activity() RETURNS text
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_until timestamptz := clock_timestamp() + interval '2 seconds';
    v_open  text[];
    v_left  integer[];
BEGIN
    LOOP
        SELECT array_agg(l.virtualtransaction), array_agg(coalesce(l.pid, 0)) INTO v_open, v_left
          FROM pg_locks l
         WHERE l.locktype = 'relation' AND l.relation = to_regclass("{touches_literal}") AND l.mode = 'RowExclusiveLock' AND l.granted
           AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
           AND l.pid IS DISTINCT FROM pg_backend_pid() AND (v_open IS NULL OR l.virtualtransaction = ANY (v_open));
        IF v_open IS NULL THEN
            RETURN '';
        ELSIF clock_timestamp() > v_until THEN
            RETURN 'perhaps in use by an open transaction that recorded activity, of the server process (pid) ' || array_to_string(v_left, ', ');
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$sessioncleanup$;

-- name: sessioncleanup_deferred
-- The constraints that a batch checks by itself, as a list for SET CONSTRAINTS: those, initially deferred, of the tables that it
-- changes. It leaves to the commit those that rows of the caller's transaction do not satisfy yet, and those whose name another
-- constraint has that is not deferred: they cannot be set by themselves.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_deferred(p_action text) RETURNS text
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_tables oid[] := ARRAY["{sessions_literal}"::regclass::oid];
    v_names  text[] := '{}';
    v_name   text;
    v_check  text;
    v_defer  text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint f WHERE f.condeferred AND f.conrelid <> "{touches_literal}"::regclass) THEN
        RETURN '';
    END IF;
    IF p_action = 'deleted' THEN
        v_tables := v_tables || ARRAY(SELECT k.target FROM "{space}".sessioncleanup_keys(false) k);
    END IF;
    v_tables := v_tables || ARRAY(SELECT p.relid FROM unnest(v_tables) t (oid) CROSS JOIN pg_partition_tree(pg_partition_root(t.oid)) p);
    FOR v_name IN SELECT DISTINCT format('%I.%I', n.nspname, f.conname)
                    FROM pg_constraint f JOIN pg_namespace n ON n.oid = f.connamespace
                   WHERE f.condeferred AND (f.conrelid = ANY (v_tables) OR f.confrelid = ANY (v_tables))
                     AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.connamespace = f.connamespace AND o.conname = f.conname AND NOT o.condeferred) LOOP
        v_check := 'SET CONSTRAINTS ' || v_name || ' IMMEDIATE';
        v_defer := 'SET CONSTRAINTS ' || v_name || ' DEFERRED';
        BEGIN
            "{theirs}"
            EXECUTE v_check;
            EXECUTE v_defer;
            "{ours}"
            v_names := v_names || v_name;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    RETURN array_to_string(v_names, ', ');
END
$sessioncleanup$;

-- name: sessioncleanup_require_done
-- Fails unless the sessions are as a batch wrote them: a trigger or a rule may have kept one as it was without an error. Where
-- there are none of the application's and as many rows were written as there are sessions, it need not look at them. A
-- deletion goes on to other tables, whose triggers count too.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_require_done(p_action text, p_ids "{id_type}"[], p_written bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_kept bigint;
BEGIN
    IF p_written = cardinality(p_ids)
       AND NOT (SELECT c.relhassubclass FROM pg_class c WHERE c.oid = "{sessions_literal}"::regclass)
       AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
                        WHERE NOT t.tgisinternal AND (p_action = 'deleted' OR t.tgrelid = "{sessions_literal}"::regclass)
                          AND NOT (f.proname ^@ 'sessioncleanup_' AND f.pronamespace = (SELECT c.relnamespace FROM pg_class c WHERE c.oid = "{touches_literal}"::regclass)))
       AND NOT EXISTS (SELECT FROM pg_rewrite r
                        WHERE r.ev_class >= 16384 AND r.ev_type <> '1' AND (p_action = 'deleted' OR r.ev_class = "{sessions_literal}"::regclass)) THEN
        RETURN;
    END IF;
    SELECT count(*) INTO v_kept
      FROM "{sessions}" s
     WHERE s."{id}" = ANY (p_ids)
       AND CASE p_action WHEN 'deleted' THEN "{removes}" OR "{visible}" WHEN 'dated' THEN s."{deactivated_at}" IS NULL
                WHEN 'activity_corrected' THEN s."{last_activity}" > (clock_timestamp() + interval '10 minutes') "{last_activity_in}" ELSE "{is_active}" OR s."{deactivated_at}" IS NULL END;
    IF v_kept > 0 THEN
        RAISE EXCEPTION 'the session was not %: a trigger or a rule of % suppresses it', p_action, "{sessions_literal}"
            USING ERRCODE = 'triggered_action_exception', HINT = E'List them with \\d in psql.';
    END IF;
END
$sessioncleanup$;

-- name: sessioncleanup_require_triggers
-- Fails when a trigger that follows activity is missing, disabled, in a partition too, or enabled for replication only, or cannot
-- note the ids any more, or when rows arrive through a subscription, so that no run takes a session in use for an idle one; and when row security hides sessions from the role, which would find nothing due.
-- Tables that are gone show no activity any more.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_require_triggers() RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_lost text;
BEGIN
    IF (SELECT m.complete = 0 OR NOT m.backfilled FROM "{settings}" m) THEN
        RAISE EXCEPTION 'the last migration or uninstallation did not finish' USING ERRCODE = 'undefined_object', HINT = 'Run migrate.';
    END IF;
    IF row_security_active("{sessions_literal}"::regclass) AND (
        SELECT coalesce(bool_or(NOT p.polpermissive), false) OR NOT coalesce(bool_or(p.polpermissive AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'), false)
          FROM pg_policy p
         WHERE p.polrelid = "{sessions_literal}"::regclass AND EXISTS (SELECT FROM unnest(p.polroles) r (oid) WHERE r.oid = 0 OR pg_has_role(r.oid, 'USAGE'))) THEN
        RAISE EXCEPTION 'row security of table % applies to the role %, so that it may not see all sessions', "{sessions_literal}", current_user
            USING ERRCODE = 'insufficient_privilege', HINT = format('ALTER ROLE %I BYPASSRLS, or CREATE POLICY ... TO %1$I USING (true).', current_user);
    END IF;
    IF EXISTS (SELECT FROM pg_subscription_rel) THEN
        v_lost := "{replicated}";
        IF v_lost IS NOT NULL THEN
            RAISE EXCEPTION 'rows arrive by logical replication, which fires no trigger that notices activity: %', v_lost
                USING ERRCODE = 'SC006', HINT = 'Clean up where the rows are written. To write them here, drop the subscription, then migrate --reread.';
        END IF;
    END IF;
    SELECT string_agg("{trigger_wrong}", ', ') INTO v_lost
      FROM "{settings}" m CROSS JOIN jsonb_to_recordset(m.added) AS o (kind text, space text, "table" text, name text)
     WHERE o.kind = 'trigger';
    SELECT concat_ws(', ', v_lost, string_agg(DISTINCT format('rows of table %s, which inherits from %s, do not count as activity', b.name, b.source), ', '))
      INTO v_lost FROM "{branches_later}" b WHERE NOT b.partition;
    SELECT concat_ws(', ', v_lost, string_agg(CASE
               WHEN to_regclass(a.path) IS NULL THEN format('the activity table %s is gone', a.path)
               WHEN c.attname IS NULL THEN format('the activity table %s has no column %s any more', a.path, a.session)
               ELSE format('the type of column %s of the activity table %s was altered', a.session, a.path) END, ', '))
      INTO v_lost
      FROM (VALUES "{source_values}") AS a (path, session, type)
      LEFT JOIN pg_attribute c ON c.attrelid = to_regclass(a.path) AND c.attname = a.session AND NOT c.attisdropped
      LEFT JOIN pg_type t ON t.oid = c.atttypid
      LEFT JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
     WHERE a.path IS NOT NULL
       AND (c.attname IS NULL
            OR b.oid >= 16384 AND (t.oid IS DISTINCT FROM to_regtype(a.type)::oid
                                   OR b.typowner NOT IN (SELECT o.oid FROM pg_roles o, pg_class s
                                                          WHERE s.oid = "{sessions_literal}"::regclass AND (o.rolsuper OR o.oid = s.relowner))));
    v_lost := nullif(v_lost, '');
    IF EXISTS (SELECT FROM pg_attribute n, pg_attribute s
                WHERE n.attrelid = "{touches_literal}"::regclass AND n.attname = 'session_id'
                  AND s.attrelid = "{sessions_literal}"::regclass AND s.attname = "{id_literal}" AND n.atttypid <> s.atttypid) THEN
        v_lost := concat_ws(', ', v_lost, format('the type of the ids of %s was altered', "{sessions_literal}"));
    END IF;
    IF EXISTS (SELECT FROM "{settings}" m CROSS JOIN jsonb_each(m.places -> 'tags') t WHERE t.value = 'false') THEN
        v_lost := concat_ws(', ', v_lost, 'the tags of columns are not complete');
    END IF;
    SELECT concat_ws(', ', v_lost, string_agg(format('the column %s of %s, whose values are tags, is gone', t.name, "{sessions_literal}"), ', ')) INTO v_lost
      FROM "{settings}" m CROSS JOIN jsonb_array_elements_text(m.schema -> 'tag_columns') t (name)
     WHERE NOT EXISTS (SELECT FROM pg_attribute c WHERE c.attrelid = "{sessions_literal}"::regclass AND c.attname = t.name AND NOT c.attisdropped);
    v_lost := nullif(v_lost, '');
    IF v_lost IS NOT NULL THEN
        RAISE EXCEPTION 'activity is not followed: %', v_lost USING ERRCODE = 'undefined_object', HINT = 'Run migrate.';
    END IF;
END
$sessioncleanup$;
