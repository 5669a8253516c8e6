-- name: write_touches
-- Writes the noted touches of those of the sessions that nobody has locked, and forgets them. Waits for nothing:
-- what is locked stays noted.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_write_touches(p_ids "{id_type}"[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, "{path}", pg_temp
AS $sessioncleanup$
DECLARE
    v_free "{id_type}"[];
    v_kept bigint;
BEGIN
    LOCK TABLE "{sessions}" IN ROW EXCLUSIVE MODE NOWAIT;
    SELECT array_agg(f.id) INTO v_free
      FROM (SELECT s."{id}" AS id FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids)
               FOR NO KEY UPDATE OF s SKIP LOCKED) f;
    IF v_free IS NULL THEN
        RETURN;
    END IF;
    WITH taken AS (
        DELETE FROM "{touches}" t WHERE t.session_id = ANY (v_free) RETURNING t.session_id, t.at
    ), newest AS (
        SELECT k.session_id, max(k.at) AS at FROM taken k GROUP BY k.session_id
    ), written AS (
        UPDATE "{sessions}" s
           SET "{last_activity}" = greatest(s."{last_activity}", n.at "{last_activity_in}")
          FROM newest n
         WHERE s."{id}" = n.session_id
        RETURNING s."{id}"
    )
    SELECT (SELECT count(*) FROM newest) - (SELECT count(*) FROM written) INTO v_kept;
    IF v_kept > 0 THEN
        RAISE EXCEPTION 'a trigger kept % sessions as they were', v_kept; -- so that their touches stay noted
    END IF;
    IF (SELECT p.reactivate_on_activity FROM "{policy}" p) THEN
        PERFORM "{space}".sessioncleanup_reactivate(v_free, 'system', 'activity', '');
    END IF;
END
$sessioncleanup$;

-- name: reactivate
-- Makes sessions active again, with one event for them. An expiry that has passed goes, lest the next run deactivate
-- the session at once. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_reactivate(p_ids "{id_type}"[], p_actor text, p_reason text, p_run_id text) RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, "{path}", pg_temp
AS $sessioncleanup$
    WITH changed AS (
        UPDATE "{sessions}" s
           SET "{active}" = true,
               "{last_activity}" = greatest(s."{last_activity}", clock_timestamp() "{last_activity_in}"),
               "{expires_at}" = CASE WHEN s."{expires_at}" <= clock_timestamp() "{expires_at_in}" THEN NULL ELSE s."{expires_at}" END
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

-- name: fold_touches
-- Writes what touches are noted, as far as sessions are free. Every batch does so before it decides; what stays noted
-- keeps its session from being due all the same.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_fold_touches() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
DECLARE
    v_ids "{id_type}"[] := ARRAY(SELECT DISTINCT t.session_id FROM "{touches}" t LIMIT 1000);
    v_id  "{id_type}";
BEGIN
    IF cardinality(v_ids) = 0 THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM "{space}".sessioncleanup_write_touches(v_ids);
    EXCEPTION WHEN OTHERS THEN -- one of them cannot be written: the others can
        FOREACH v_id IN ARRAY v_ids LOOP
            BEGIN
                PERFORM "{space}".sessioncleanup_write_touches(ARRAY[v_id]);
            EXCEPTION WHEN OTHERS THEN
                NULL; -- stays noted
            END;
        END LOOP;
    END;
    DELETE FROM "{touches}" t
     WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM "{touches}" o
                                WHERE o.session_id = ANY (v_ids)
                                  AND NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = o.session_id)
                                  FOR UPDATE SKIP LOCKED));
END
$sessioncleanup$;

-- name: apply_touches
-- Runs when a transaction that noted touches commits: only then are the sessions locked, for as long as the commit
-- takes, so that nobody waits for a long transaction that touched a session in passing. Its statements have no choice
-- but to look for each session by its id, in the table and among the notes: those that others left, and vacuum has not
-- taken away yet, are not read.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_apply_touches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, "{path}", pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_free    "{id_type}"[];
    v_written bigint;
BEGIN
    LOCK TABLE "{sessions}" IN ROW EXCLUSIVE MODE NOWAIT;
    v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (NEW.statement_ids)
                       FOR NO KEY UPDATE OF s SKIP LOCKED);
    UPDATE "{sessions}" s SET "{last_activity}" = greatest(s."{last_activity}", NEW.at "{last_activity_in}")
     WHERE s."{id}" = ANY (v_free);
    GET DIAGNOSTICS v_written = ROW_COUNT;
    IF v_written = cardinality(v_free) THEN -- else a trigger of the host kept some as they were: they stay noted
        DELETE FROM "{touches}" t WHERE t.session_id = ANY (v_free) AND t.at <= NEW.at;
    END IF;
    IF "{reactivate}" THEN
        PERFORM "{space}".sessioncleanup_reactivate(v_free, 'system', 'activity', '');
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL; -- they stay noted for the next run; tracking never fails the host's transaction
END
$sessioncleanup$;

-- name: apply_trigger
CREATE CONSTRAINT TRIGGER sessioncleanup_apply AFTER INSERT ON "{touches}"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.statement_ids IS NOT NULL)
EXECUTE FUNCTION "{space}".sessioncleanup_apply_touches();

-- name: track
-- Runs after each statement on an activity source. Most find their sessions touched already and end after one look;
-- each session is looked up by its id, whatever the planner believed when it first planned this: OFFSET 0 keeps it from
-- joining the tables.
--
-- This is in the way of the host's statements, so it is kept short. A search path of its own would cost as much as the
-- look itself, and so every name and operator has its schema instead; the interval is written in, where a look at the
-- policy would cost half as much again, and sessioncleanup_keep_tracking sees to it that the two stay the same. Each
-- expression is prepared anew in each transaction, so there are few; and where it may, the look uses the snapshot of the
-- host's statement. A session that is not in there, because the statement itself or somebody else has just made it, gets a
-- note: at the commit it will be seen.
CREATE OR REPLACE FUNCTION "{space}"."{track}"() RETURNS trigger
LANGUAGE plpgsql "{volatility}" SECURITY DEFINER
AS $sessioncleanup$
BEGIN
    "{guard}"
    PERFORM FROM ("{rows}") r WHERE r.id IS NOT NULL AND "{stale}" LIMIT 1;
    IF FOUND THEN
        PERFORM "{space}".sessioncleanup_note_touches(
            (SELECT pg_catalog.array_agg(r.id::"{id_type}") FROM ("{touched}") r WHERE r.id IS NOT NULL AND "{stale}"),
            pg_catalog.clock_timestamp(), interval "{interval}");
    END IF;
    RETURN NEW; -- there is none
END
$sessioncleanup$;

-- name: track_stale
EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" OPERATOR(pg_catalog.=) r.id::"{id_type}" AND ("{fresh}") IS NOT TRUE OFFSET 0)

-- name: track_stale_or_unseen
NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" OPERATOR(pg_catalog.=) r.id::"{id_type}" AND "{fresh}" OFFSET 0)

-- name: track_fresh
s."{last_activity}" OPERATOR(pg_catalog.>=) ((pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval "{interval}") "{last_activity_in}") AND ("{is_active}" OR NOT "{reactivate}")

-- name: rows_of_insert
SELECT n."{session}" AS id FROM new_rows n

-- name: touched_by_insert
SELECT DISTINCT n."{session}" AS id FROM new_rows n

-- name: touched_by_update
SELECT n."{session}" AS id FROM new_rows n UNION SELECT o."{session}" FROM old_rows o

-- name: keep_tracking
-- The touch interval and the switch for reactivation are written into the triggers: only Migrate changes them, there
-- and here at once.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_keep_tracking() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $sessioncleanup$
BEGIN
    IF current_setting('sessioncleanup.migrating', true) IS DISTINCT FROM 'yes' THEN
        RAISE EXCEPTION 'touch_interval and reactivate_on_activity are part of the triggers'
            USING HINT = 'Change them with Migrate, or the command''s migrate.', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NEW;
END
$sessioncleanup$;

-- name: keep_trigger
CREATE TRIGGER sessioncleanup_keep BEFORE UPDATE ON "{policy}" FOR EACH ROW
WHEN (OLD.touch_interval <> NEW.touch_interval OR OLD.reactivate_on_activity <> NEW.reactivate_on_activity)
EXECUTE FUNCTION "{space}".sessioncleanup_keep_tracking();

-- name: track_guard
-- Without a foreign key to the sessions, the host's statement would not need their table at all: it must not wait
    -- for it here either.
    BEGIN
        LOCK TABLE "{sessions}" IN ACCESS SHARE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        PERFORM "{space}".sessioncleanup_note_touches(
            ARRAY(SELECT r.id::"{id_type}" FROM ("{touched}") r WHERE r.id IS NOT NULL),
            pg_catalog.clock_timestamp(), interval "{interval}");
        RETURN NEW;
    END;

-- name: note_touches
-- Notes touches, to be written when the transaction commits: at most one for each session and interval, however long its
-- row stays locked. Planned once: to plan costs more than to do; and in a way that looks for each session, since the table
-- is mostly empty when that happens. Most statements come with one session, for which the simpler one does.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_note_touches(p_ids "{id_type}"[], p_at timestamptz, p_interval interval) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
BEGIN
    IF cardinality(p_ids) = 1 THEN
        INSERT INTO "{touches}" (session_id, at, statement_ids)
        SELECT p_ids[1], p_at, p_ids
         WHERE NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = p_ids[1] AND t.at >= p_at - p_interval);
        RETURN;
    END IF;
    INSERT INTO "{touches}" (session_id, at, statement_ids)
    SELECT n.id, p_at, CASE WHEN row_number() OVER () = 1 THEN p_ids END
      FROM unnest(p_ids) n (id)
      LEFT JOIN LATERAL (SELECT true AS noted FROM "{touches}" t
                          WHERE t.session_id = n.id AND t.at >= p_at - p_interval LIMIT 1) k ON true
     WHERE k.noted IS NULL;
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
