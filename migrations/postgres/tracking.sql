-- How activity becomes a session's last activity. A trigger on each activity table notes touches in a table of the
-- library's own, and when the application's transaction commits they are written to their sessions. What is locked just
-- then stays noted: it counts already, and the next run writes it. So no statement of the application ever waits for
-- tracking, no deadlock comes from it, and no touch is lost.

-- name: sessioncleanup_reactivate
-- Makes sessions active again, with one event for them. An expiry that has passed is removed, so that the next run does
-- not deactivate the session at once. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_reactivate(p_ids "{id_type}"[], p_actor text, p_reason text, p_run_id text) RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, "{path}", pg_temp
AS $sessioncleanup$
    WITH changed AS (
        UPDATE "{sessions}" s
           SET "{active}" = true,
               "{last_activity}" = greatest(s."{last_activity}", date_trunc('milliseconds', clock_timestamp()) "{last_activity_in}"),
               "{expires_at}" = CASE WHEN s."{expires_at}" <= date_trunc('milliseconds', clock_timestamp()) "{expires_at_in}" THEN NULL ELSE s."{expires_at}" END
         WHERE s."{id}" = ANY (p_ids) AND "{not_active}" AND "{is_auto}"
        RETURNING s."{id}"::text AS id, coalesce("{owner_text}", '') AS owner, coalesce("{name_text}", '') AS name
    ), event AS (
        INSERT INTO "{events}" (action, actor, reason, run_id, session_ids, owner_ids, names)
        SELECT 'reactivated', p_actor, p_reason, p_run_id, array_agg(c.id), array_agg(c.owner), array_agg(c.name)
          FROM changed c
        HAVING count(*) > 0
    )
    SELECT coalesce(array_agg(c.id), '{}') FROM changed c;
$sessioncleanup$;

-- name: sessioncleanup_apply_touches
-- Writes the noted touches of those of the sessions that nobody has locked, and forgets them. It waits for nothing and
-- never fails: a touch that cannot be written, or that a trigger of the application suppresses, stays noted.
--
-- The plans are made once, and look for each session by its id in the table and among the notes: notes that are gone,
-- and that vacuum has not removed yet, are not read.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_apply_touches(p_ids "{id_type}"[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, "{path}", pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_free "{id_type}"[];
BEGIN
    LOCK TABLE "{sessions}" IN ROW EXCLUSIVE MODE NOWAIT;
    v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids) FOR NO KEY UPDATE OF s SKIP LOCKED);
    WITH newest AS (
        SELECT t.session_id AS id, max(t.at) AS at FROM "{touches}" t WHERE t.session_id = ANY (v_free) GROUP BY t.session_id
    ), written AS (
        UPDATE "{sessions}" s
           SET "{last_activity}" = greatest(s."{last_activity}", n.at "{last_activity_in}")
          FROM newest n
         WHERE s."{id}" = ANY (v_free) AND s."{id}" = n.id
        RETURNING n.id
    )
    DELETE FROM "{touches}" t USING written w WHERE t.session_id = ANY (v_free) AND t.session_id = w.id;
    IF (SELECT p.reactivate_on_activity FROM "{policy}" p) THEN
        PERFORM "{space}".sessioncleanup_reactivate(v_free, 'system', 'activity', '');
    END IF;
EXCEPTION WHEN OTHERS THEN
    NULL;
END
$sessioncleanup$;

-- name: sessioncleanup_settle_touches
-- Writes the touches that stayed noted, each by itself so that one that cannot be written does not keep the others, and
-- forgets those of sessions that are gone. Every batch does so before it decides.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_settle_touches() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
BEGIN
    PERFORM "{space}".sessioncleanup_apply_touches(ARRAY[n.id])
       FROM (SELECT DISTINCT t.session_id AS id FROM "{touches}" t LIMIT 1000) n;
    IF FOUND THEN
        DELETE FROM "{touches}" t
         WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM "{touches}" o
                                    WHERE NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = o.session_id)
                                    LIMIT 1000 FOR UPDATE SKIP LOCKED));
    END IF;
END
$sessioncleanup$;

-- name: sessioncleanup_commit_touches
-- Runs when a transaction that noted touches commits: only then are its sessions locked, for as long as the commit takes.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_commit_touches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
BEGIN
    PERFORM "{space}".sessioncleanup_apply_touches(NEW.statement_ids);
    RETURN NULL;
END
$sessioncleanup$;

-- name: sessioncleanup_note_touches
-- Notes a touch of those of the sessions that need one, to be written when the transaction commits: at most one for each
-- session and touch interval, however long its row stays locked. While the whole table is locked, all seem to need one.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_note_touches(p_ids "{id_type}"[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_stale "{id_type}"[] := p_ids;
    v_since timestamptz := clock_timestamp() - (SELECT p.touch_interval FROM "{policy}" p);
BEGIN
    BEGIN
        LOCK TABLE "{sessions}" IN ACCESS SHARE MODE NOWAIT;
        v_stale := ARRAY(SELECT r.id FROM unnest(p_ids) r (id) WHERE "{stale}");
    EXCEPTION WHEN lock_not_available THEN
        NULL;
    END;
    INSERT INTO "{touches}" (session_id, at, statement_ids)
    SELECT n.id, date_trunc('milliseconds', clock_timestamp()), CASE WHEN row_number() OVER () = 1 THEN v_stale END
      FROM unnest(v_stale) n (id)
     WHERE NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = n.id AND t.at >= v_since OFFSET 0);
END
$sessioncleanup$;

-- name: commit_trigger
CREATE CONSTRAINT TRIGGER "{trigger}" AFTER INSERT ON "{touches}"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.statement_ids IS NOT NULL)
EXECUTE FUNCTION "{space}".sessioncleanup_commit_touches();

-- name: stale
-- Whether a touch of the session r.id would be written. OFFSET 0 has each session looked up by its id.
EXISTS (SELECT FROM "{sessions}" s
         WHERE s."{id}" OPERATOR(pg_catalog.=) r.id
           AND (s."{last_activity}" OPERATOR(pg_catalog.>=) ((pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
                    (SELECT p.touch_interval FROM "{policy}" p)) "{last_activity_in}")
                AND ("{is_active}" OR NOT (SELECT p.reactivate_on_activity FROM "{policy}" p))) IS NOT TRUE OFFSET 0)

-- name: track
-- Runs after each statement on an activity table. Most find their sessions touched already and end after one look.
--
-- The application's statements wait for this, so the look is kept short: a search path of its own would cost as much as
-- the look itself, and so every name and operator has its schema instead. It does not wait for a lock on the table of
-- sessions either: without a foreign key, the application's statement would not need that table at all.
CREATE OR REPLACE FUNCTION "{space}"."{track}"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $sessioncleanup$
DECLARE
    v_ids "{id_type}"[];
BEGIN
    BEGIN
        LOCK TABLE "{sessions}" IN ACCESS SHARE MODE NOWAIT;
        PERFORM FROM (SELECT n."{session}"::"{id_type}" AS id FROM new_rows n) r WHERE "{stale}" LIMIT 1;
        IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
            PERFORM FROM (SELECT o."{session}"::"{id_type}" AS id FROM old_rows o) r WHERE "{stale}" LIMIT 1;
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN lock_not_available THEN
        NULL; -- whether a session needs a touch is not known: all are noted
    END;
    IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
        v_ids := ARRAY(SELECT DISTINCT n."{session}"::"{id_type}" FROM new_rows n WHERE n."{session}" IS NOT NULL);
    ELSE
        v_ids := ARRAY(SELECT r.id FROM (SELECT n."{session}"::"{id_type}" AS id FROM new_rows n
                                          UNION SELECT o."{session}"::"{id_type}" FROM old_rows o) r WHERE r.id IS NOT NULL);
    END IF;
    PERFORM "{space}".sessioncleanup_note_touches(v_ids);
    RETURN NULL;
END
$sessioncleanup$;

-- name: track_insert
CREATE TRIGGER "{trigger}" AFTER INSERT ON "{source}"
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}"."{track}"();

-- name: track_update
CREATE TRIGGER "{trigger}" AFTER UPDATE ON "{source}"
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}"."{track}"();
