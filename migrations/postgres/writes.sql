-- The writes of a store outside of runs, and the only function that adds to the audit log. The application's triggers run where the search
-- path is theirs; everything else finds what the server has, whatever others made on a search path.

-- name: theirs
PERFORM pg_catalog.set_config('search_path', "{path_literal}", true);

-- name: ours
PERFORM pg_catalog.set_config('search_path', "{safe_literal}", true);

-- name: sessioncleanup_shorten
-- The first 200 characters, which is what the audit log keeps of a text. In a database of the encoding SQL_ASCII the server
-- counts bytes, and the texts in it are most often UTF-8.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_shorten(p_text text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF octet_length(p_text) <= 200 THEN
        RETURN p_text;
    ELSIF getdatabaseencoding() = 'SQL_ASCII' THEN
        RETURN substring(left(p_text, 800) FROM E'^(?:[\\x01-\\xbf]|[\\xc0-\\xff][\\x80-\\xbf]{0,3}){0,200}');
    END IF;
    RETURN left(p_text, 200);
END
$sessioncleanup$;

-- name: sessioncleanup_log
-- Adds an entry to the audit log. Nobody but the owner of the tables can do so in another way, or at another time than
-- that of the transaction. The entry has the login's role; the actor is what the caller says.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_log(
    p_at timestamptz, p_action text, p_actor text, p_reason text, p_run_id text, p_ids text[], p_owners text[], p_names text[], p_run jsonb,
    OUT id bigint, OUT at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}" SET datestyle = 'ISO, YMD'
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_at timestamptz := coalesce(p_at, clock_timestamp());
BEGIN
    IF cardinality(p_ids) IS DISTINCT FROM cardinality(p_owners) OR cardinality(p_ids) IS DISTINCT FROM cardinality(p_names)
       OR array_ndims(p_ids) > 1 OR array_ndims(p_owners) > 1 OR array_ndims(p_names) > 1
       OR num_nulls(array_position(p_ids, NULL), array_position(p_owners, NULL), array_position(p_names, NULL)) < 3 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'want ids, owners and names of the same sessions, without NULL';
    END IF;
    -- Whoever reads the log reads whole entries.
    IF octet_length(p_action) > 50 OR octet_length(p_run_id) > 100 OR octet_length(p_run::text) > 1000000 OR cardinality(p_ids) > 100000
       OR octet_length(array_to_string(p_ids || p_owners || p_names, '')) > 50000000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an entry is too large: want an action of 50 bytes, an id of a run of 100, a run of 1 MB, 100000 sessions and 50 MB of their texts at most';
    END IF;
    IF jsonb_typeof(p_run) <> 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'want the summary of a run as an object';
    END IF;
    -- Later runs read these, and would fail at what is neither a time nor a boolean.
    IF NOT (coalesce(isfinite((p_run ->> 'started_at')::timestamptz), true) AND coalesce(isfinite((p_run #>> '{cutoffs,now}')::timestamptz), true)
            AND coalesce(isfinite((p_run #>> '{cutoffs,inactive}')::timestamptz), true) AND coalesce(isfinite((p_run #>> '{cutoffs,delete}')::timestamptz), true)
            AND coalesce(isfinite((p_run ->> 'until')::timestamptz), true) AND coalesce((p_run ->> 'partial')::boolean, true) IS NOT NULL) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'want the times of a run, not infinity';
    END IF;
    IF (p_action IN ('run', 'paused', 'resumed') OR p_run IS NOT NULL)
       AND NOT has_function_privilege(session_user, '"{space}".sessioncleanup_seal(integer)', 'EXECUTE')
       AND NOT has_function_privilege(session_user, '"{space}".cleanup_inactive_sessions(numeric, numeric, boolean)', 'EXECUTE') THEN
        RAISE insufficient_privilege USING MESSAGE = 'only roles that may run cleanups record runs and pauses';
    END IF;
    IF NOT pg_has_role(session_user, current_user, 'USAGE') THEN
        v_at := greatest(least(v_at, clock_timestamp()), date_trunc('milliseconds', now()));
    END IF;
    INSERT INTO "{events}" AS e (at, action, actor, reason, run_id, session_ids, owner_ids, names, run)
    VALUES (v_at, p_action, "{space}".sessioncleanup_shorten(p_actor), "{space}".sessioncleanup_shorten(p_reason), p_run_id, p_ids, CASE WHEN '' = ALL (p_owners) THEN '{}' ELSE p_owners END, p_names, p_run)
    RETURNING e.id, e.at INTO id, at;
END
$sessioncleanup$;

-- name: sessioncleanup_write
-- Changes a session that the caller has locked. Times that stay as they are are not written: a column without time zone,
-- or an infinite time, might change.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_write(
    p_id text, p_active boolean, p_auto boolean, p_used boolean, p_last_activity timestamptz, p_ends boolean, p_expires_at timestamptz,
    p_closed boolean, p_deactivated_at timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_id "{id_type}" := p_id::"{id_type}";
BEGIN
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    "{theirs}"
    UPDATE "{sessions}" s
       SET "{active}" = "{written_active}", "{auto_cleanup}" = p_auto,
           "{last_activity}" = CASE WHEN p_used THEN p_last_activity "{last_activity_in}" ELSE s."{last_activity}" END,
           "{expires_at}" = CASE WHEN p_ends THEN p_expires_at "{expires_at_in}" ELSE s."{expires_at}" END,
           "{deactivated_at}" = CASE WHEN p_closed THEN p_deactivated_at "{deactivated_at_in}" ELSE s."{deactivated_at}" END
     WHERE s."{id}" "{id_eq}" v_id;
    SET CONSTRAINTS ALL IMMEDIATE;
    "{ours}"
END
$sessioncleanup$;

-- name: sessioncleanup_delete
-- Deletes sessions that the caller has locked, and says how many are still there: a trigger or a rule keeps them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_delete(p_ids text[]) RETURNS bigint
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_ids "{id_type}"[] := p_ids::"{id_type}"[];
BEGIN
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    "{theirs}"
    "{remove}" WHERE s."{id}" "{id_eq}" ANY (v_ids);
    SET CONSTRAINTS ALL IMMEDIATE;
    "{ours}"
    PERFORM set_config('sessioncleanup.writing', 'gone', true); -- nothing is left to be classed
    DELETE FROM "{tags}" t WHERE "{removes}" AND t.session_id = ANY (v_ids);
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    RETURN (SELECT count(*) FROM "{sessions}" s WHERE s."{id}" = ANY (v_ids) AND "{visible}");
END
$sessioncleanup$;

-- name: sessioncleanup_touch
-- Writes touches of sessions that need one. With p_wait it waits for those that are locked; otherwise it returns them, with
-- the time of each touch: the caller must not wait for one session while it holds another.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_touch(p_ids text[], p_ats timestamptz[], p_owner text, p_interval interval, p_wait boolean,
    OUT touched bigint, OUT locked text[], OUT locked_ats timestamptz[])
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_ids   "{id_type}"[];
    v_ats   timestamptz[];
    v_free  "{id_type}"[];
    v_done  "{id_type}"[];
    v_times timestamptz[];
BEGIN
    SELECT coalesce(array_agg(s."{id}"), '{}'), array_agg(u.at) INTO v_ids, v_ats
      FROM unnest(p_ids::"{id_type}"[], p_ats) u (id, at) JOIN "{sessions}" s ON s."{id}" = u.id
     WHERE "{visible}" AND (p_owner IS NULL OR "{owner_col}" = p_owner::"{owner_type}")
       AND (s."{last_activity}" <= (u.at - p_interval) "{last_activity_in}") IS NOT FALSE;
    IF p_wait THEN
        v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (v_ids) FOR NO KEY UPDATE OF s);
    ELSE
        v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (v_ids) FOR NO KEY UPDATE OF s SKIP LOCKED);
    END IF;
    IF cardinality(v_free) > 0 THEN
        SELECT array_agg(s."{id}"), array_agg(u.at) INTO v_done, v_times -- as they are now, under their locks
          FROM unnest(v_ids, v_ats) u (id, at) JOIN "{sessions}" s ON s."{id}" = u.id
         WHERE s."{id}" = ANY (v_free) AND "{visible}" AND (p_owner IS NULL OR "{owner_col}" = p_owner::"{owner_type}")
           AND (s."{last_activity}" <= (u.at - p_interval) "{last_activity_in}") IS NOT FALSE;
        PERFORM set_config('sessioncleanup.writing', 'on', true);
        "{theirs}"
        UPDATE "{sessions}" s
           SET "{last_activity}" = u.at "{last_activity_in}"
          FROM unnest(v_done, v_times) u (id, at)
         WHERE s."{id}" "{id_eq}" u.id;
        GET DIAGNOSTICS touched = ROW_COUNT;
        "{ours}"
    END IF;
    touched := coalesce(touched, 0);
    SELECT coalesce(array_agg(u.id::text ORDER BY u.id), '{}'), coalesce(array_agg(u.at ORDER BY u.id), '{}') INTO locked, locked_ats
      FROM unnest(v_ids, v_ats) u (id, at) WHERE u.id <> ALL (v_free);
END
$sessioncleanup$;
