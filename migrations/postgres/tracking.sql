-- How activity becomes a session's last activity. A trigger on each activity table notes touches in a table of the
-- library's own, and when the application's transaction commits they are written to their sessions. What is locked just
-- then stays noted: it counts already, and the next run writes it. So no statement of the application ever waits for
-- tracking, no deadlock comes from it, and no touch is lost.

-- name: sessioncleanup_reactivate
-- Makes sessions active again that a run deactivated before they were used, with one event for them: what a person or the
-- application closed stays closed. An expiry that has passed is removed, so that the next run does not deactivate the
-- session at once. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_reactivate(p_ids "{id_type}"[], p_ats timestamptz[], p_actor text, p_reason text, p_run_id text) RETURNS text[]
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_writing text := coalesce(current_setting('sessioncleanup.writing', true), '');
    v_used    "{id_type}"[];
    v_ats     timestamptz[];
    v_refs    record;
BEGIN
    SELECT array_agg(u.id), array_agg(u.at) INTO v_used, v_ats
      FROM (SELECT n.id, max(n.at) AS at FROM unnest(p_ids, p_ats) n (id, at) GROUP BY n.id) u
      JOIN "{sessions}" s ON s."{id}" = u.id
     WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" < u.at "{deactivated_at_in}" AND "{by_run}";
    IF v_used IS NULL THEN
        RETURN '{}';
    END IF;
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    "{theirs}"
    UPDATE "{sessions}" s
       SET "{active}" = "{active_value}", "{deactivated_at}" = NULL,
           "{last_activity}" = greatest(s."{last_activity}", u.at "{last_activity_in}"),
           "{expires_at}" = CASE WHEN s."{expires_at}" <= u.at "{expires_at_in}" THEN NULL ELSE s."{expires_at}" END
      FROM unnest(v_used, v_ats) u (id, at)
     WHERE s."{id}" "{id_eq}" u.id;
    "{ours}"
    SELECT coalesce(array_agg(s."{id}"::text ORDER BY s."{id}"), '{}') AS ids, array_agg(coalesce("{owner_text}", '') ORDER BY s."{id}") AS owners,
           array_agg("{event_name}" ORDER BY s."{id}") AS names
      INTO v_refs FROM "{sessions}" s WHERE s."{id}" = ANY (v_used) AND "{is_active}";
    IF cardinality(v_refs.ids) > 0 THEN
        PERFORM "{space}".sessioncleanup_log(NULL, 'reactivated', p_actor, p_reason, p_run_id, v_refs.ids, v_refs.owners, v_refs.names, NULL);
    END IF;
    PERFORM set_config('sessioncleanup.writing', v_writing, true);
    RETURN v_refs.ids;
END
$sessioncleanup$;

-- name: sessioncleanup_apply_touches
-- Writes the noted touches of those of the sessions that nobody has locked, and forgets them. It waits for nothing and
-- never fails: a touch that cannot be written, or that a trigger of the application suppresses, stays noted.
--
-- The plans are made once, and look for each session by its id in the table and among the notes: notes that are gone,
-- and that vacuum has not removed yet, are not read.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_apply_touches(p_ids "{id_type}"[]) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}" SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
SET lock_timeout = '10ms' -- the application's triggers on sessions run in here
AS $sessioncleanup$
DECLARE
    v_writing text := coalesce(current_setting('sessioncleanup.writing', true), '');
    v_free    "{id_type}"[];
    v_used    "{id_type}"[];
    v_ats     timestamptz[];
    v_written bigint;
BEGIN
    LOCK TABLE "{sessions}" IN ROW EXCLUSIVE MODE NOWAIT;
    v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids) AND "{visible}" FOR NO KEY UPDATE OF s SKIP LOCKED);
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    SELECT array_agg(n.id), array_agg(n.at) INTO v_used, v_ats
      FROM (SELECT f.id, max(t.at) AS at FROM unnest(v_free) f (id) JOIN "{touches}" t ON t.session_id = f.id GROUP BY f.id) n;
    IF (SELECT p.reactivate_on_activity FROM "{policy}" p) THEN
        PERFORM "{space}".sessioncleanup_reactivate(v_used, v_ats, 'system', 'activity', '');
    END IF;
    "{theirs}"
    UPDATE "{sessions}" s
       SET "{last_activity}" = greatest(s."{last_activity}", u.at "{last_activity_in}")
      FROM unnest(v_used, v_ats) u (id, at)
     WHERE s."{id}" "{id_eq}" u.id;
    GET DIAGNOSTICS v_written = ROW_COUNT;
    "{ours}"
    IF v_written = cardinality(v_used) THEN -- otherwise a trigger suppressed some: each is tried by itself by the next run
        DELETE FROM "{touches}" t USING unnest(v_used, v_ats) u (id, at) WHERE t.session_id = u.id AND t.at <= u.at;
    END IF;
    PERFORM set_config('sessioncleanup.writing', v_writing, true);
EXCEPTION WHEN OTHERS THEN
    NULL;
END
$sessioncleanup$;

-- name: sessioncleanup_settle_touches
-- Writes the touches that stayed noted, each by itself so that one that cannot be written does not keep the others, and
-- forgets those of sessions that are gone. Every batch does so before it decides; other roles cannot write the table.
-- It fails while the log's entries would get numbers that are in use or sealed: triggers may have failed to note touches then.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_settle_touches() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF coalesce(pg_sequence_last_value(pg_get_serial_sequence("{events_literal}", 'id')::regclass), 0)
       < (SELECT u.used FROM "{numbers_used}" u (path, used) WHERE u.path = "{events_literal}") THEN
        RAISE EXCEPTION 'the numbers of % would begin again, as after a switch by logical replication, which leaves sequences behind', "{events_literal}"
            USING ERRCODE = 'undefined_object', HINT = 'Run migrate.';
    END IF;
    IF NOT EXISTS (SELECT FROM "{touches}") THEN
        RETURN;
    END IF;
    DELETE FROM "{touches}" t
     WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM "{touches}" o
                                WHERE NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = o.session_id AND "{visible}")
                                LIMIT 50000 FOR UPDATE SKIP LOCKED));
    PERFORM "{space}".sessioncleanup_apply_touches(ARRAY[n.id])
       FROM (SELECT DISTINCT t.session_id AS id FROM "{touches}" t LIMIT 1000) n;
END
$sessioncleanup$;

-- name: sessioncleanup_commit_touches
-- Runs when a transaction that noted touches commits: only then are its sessions locked, for as long as the commit takes.
-- On any other table, which a role may have made to run something with the rights of this function's owner, it does nothing.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_commit_touches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF TG_RELID = to_regclass("{touches_literal}") THEN
        PERFORM "{space}".sessioncleanup_apply_touches(NEW.statement_ids);
    END IF;
    RETURN NULL;
END
$sessioncleanup$;
REVOKE EXECUTE ON FUNCTION "{space}".sessioncleanup_commit_touches() FROM PUBLIC;

-- name: sessioncleanup_note_touches
-- Notes a touch of those of the sessions that need one, to be written when the transaction commits: at most one for each
-- session and touch interval, however long its row stays locked. While the whole table is locked or altered, all seem to need one.
-- A serializable transaction must not fail for what is read or written here beside the application's own rows: it only adds
-- notes, one for each statement, and the next run writes them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_note_touches(p_ids "{id_type}"[]) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}" SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_stale "{id_type}"[] := p_ids;
    v_since timestamptz;
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        INSERT INTO "{touches}" (session_id, at) SELECT n.id, date_trunc('milliseconds', clock_timestamp()) FROM unnest(p_ids) n (id);
        RETURN;
    END IF;
    v_since := clock_timestamp() - (SELECT p.touch_interval FROM "{policy}" p);
    BEGIN
        LOCK TABLE "{sessions}" IN ACCESS SHARE MODE NOWAIT;
        v_stale := ARRAY(SELECT r.id FROM unnest(p_ids) r (id) WHERE "{stale}");
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    INSERT INTO "{touches}" (session_id, at, statement_ids)
    SELECT n.id, date_trunc('milliseconds', clock_timestamp()), CASE WHEN row_number() OVER () = 1 THEN v_stale END
      FROM unnest(v_stale) n (id)
     WHERE NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = n.id AND t.at >= v_since OFFSET 0);
END
$sessioncleanup$;

-- name: sessioncleanup_note
-- Notes touches for sessions that stayed locked, for the next run to write: none in the future.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_note(p_ids text[], p_ats timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    INSERT INTO "{touches}" (session_id, at)
    SELECT n.id::"{id_type}", least(n.at, clock_timestamp())
      FROM unnest(p_ids, p_ats) n (id, at)
     WHERE NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = n.id::"{id_type}" AND t.at >= n.at);
END
$sessioncleanup$;

-- name: sessioncleanup_use
-- Notes, in a transaction of the application, that sessions are used: what the triggers on activity tables do for rows.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_use(p_ids text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    PERFORM "{space}".sessioncleanup_note_touches(ARRAY(SELECT DISTINCT i.id::"{id_type}" FROM unnest(p_ids) i (id) WHERE i.id IS NOT NULL));
END
$sessioncleanup$;

-- name: retype_touches
-- Follows the application when it changes the type of its ids.
ALTER TABLE "{touches}"
    ALTER COLUMN session_id TYPE "{id_type}" USING session_id::text::"{id_type}",
    ALTER COLUMN statement_ids TYPE "{id_type}"[] USING statement_ids::text::"{id_type}"[];
ALTER TABLE "{tags}" ALTER COLUMN session_id TYPE "{id_type}" USING session_id::text::"{id_type}";
ALTER TABLE "{retagged}" ALTER COLUMN session_id TYPE "{id_type}" USING session_id::text::"{id_type}";
ALTER TABLE "{rule_tags}" ALTER COLUMN after TYPE "{id_type}" USING NULL;
UPDATE "{rule_tags}" SET walked = false;

-- name: retype_fits
SELECT count(t.session_id::text::"{id_type}") FROM "{own}" t

-- name: commit_trigger
CREATE CONSTRAINT TRIGGER "{trigger}" AFTER INSERT ON "{touches}"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.statement_ids IS NOT NULL)
EXECUTE FUNCTION "{space}".sessioncleanup_commit_touches();

-- name: stale
-- Whether a touch of the session r.id would be written. OFFSET 0 has each session looked up by its id.
EXISTS (SELECT FROM "{sessions}" s
         WHERE s."{id}" OPERATOR(pg_catalog.=) r.id AND "{visible}"
           AND (s."{last_activity}" OPERATOR(pg_catalog.>=) ((pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
                    (SELECT p.touch_interval FROM "{policy}" p)) "{last_activity_in}")
                AND ("{is_active}" OR NOT (SELECT p.reactivate_on_activity FROM "{policy}" p) OR NOT "{by_run}")) IS NOT TRUE OFFSET 0)

-- name: track
-- Runs after each statement on an activity table. Most find their sessions touched already and end after one look.
--
-- The application's statements wait for this, so the look is kept short: a search path of its own would cost as much as
-- the look itself, and so every name and operator has its schema instead. Whatever became of the tables, it never fails:
-- what cannot be looked at now is noted, and written when it can be.
--
-- This runs with the rights of its owner, so it reads a column only of a type of the server's own (their ids are below
-- 16384), of a superuser's or of its owner's, or of a domain over one: another one may bring a cast of its own, whatever its
-- name. And it notes nothing for tables of others who attached it to theirs.
CREATE OR REPLACE FUNCTION "{space}"."{track}"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $sessioncleanup$
DECLARE
    v_type pg_catalog.oid;
    v_ids  "{id_type}"[];
BEGIN
    BEGIN
        v_type := (SELECT pg_catalog.pg_typeof(n."{session}") FROM new_rows n LIMIT 1);
        IF v_type OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t
                             JOIN pg_catalog.pg_type b ON b.oid OPERATOR(pg_catalog.=) CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'd' THEN t.typbasetype ELSE t.oid END
                             JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) b.typowner
                            WHERE t.oid OPERATOR(pg_catalog.=) v_type AND (o.rolsuper OR o.rolname OPERATOR(pg_catalog.=) CURRENT_USER)) THEN
            RETURN NULL;
        END IF;
        IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'serializable' THEN
            LOCK TABLE "{sessions}" IN ACCESS SHARE MODE NOWAIT;
            PERFORM FROM (SELECT n."{session}"::"{id_type}" AS id FROM new_rows n) r WHERE "{stale}" LIMIT 1;
            IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
                PERFORM FROM (SELECT o."{session}"::"{id_type}" AS id FROM old_rows o) r WHERE "{stale}" LIMIT 1;
            END IF;
            IF NOT FOUND THEN
                RETURN NULL;
            END IF;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF v_type IS NULL THEN
            RETURN NULL;
        END IF;
        -- Whether a session needs a touch is not known: all are noted.
    END;
    BEGIN
        IF TG_RELID OPERATOR(pg_catalog.<>) pg_catalog.to_regclass("{track_table}")
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                            WHERE c.oid OPERATOR(pg_catalog.=) TG_RELID AND pg_catalog.pg_get_userbyid(c.relowner) OPERATOR(pg_catalog.=) "{track_owner}")
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(TG_RELID) a
                            WHERE a.relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass("{track_table}")) THEN
            RETURN NULL;
        END IF;
        IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
            v_ids := ARRAY(SELECT DISTINCT n."{session}"::"{id_type}" FROM new_rows n WHERE n."{session}" IS NOT NULL);
        ELSE
            v_ids := ARRAY(SELECT r.id FROM (SELECT n."{session}"::"{id_type}" AS id FROM new_rows n
                                              UNION SELECT o."{session}"::"{id_type}" FROM old_rows o) r WHERE r.id IS NOT NULL);
        END IF;
        PERFORM "{space}".sessioncleanup_note_touches(v_ids);
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN NULL;
END
$sessioncleanup$;
REVOKE EXECUTE ON FUNCTION "{space}"."{track}"() FROM PUBLIC;

-- name: track_insert
CREATE TRIGGER "{trigger}" AFTER INSERT ON "{source}"
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}"."{track}"();

-- name: track_update
CREATE TRIGGER "{trigger}" AFTER UPDATE ON "{source}"
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}"."{track}"();

-- name: sessioncleanup_observe
-- How the library follows the application's own updates of a session: one that became inactive gets the time of that, one
-- that became active, or became a session by this write, counts as used. Where nothing else shows activity, a new time of
-- update is activity. It never makes
-- the application's statement fail, whatever became of the columns; that costs a subtransaction for each row. The trigger's
-- condition keeps it out of the library's own writes, but for that of a session's class, which changes nothing else.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_observe() RETURNS trigger
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_now timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
    IF current_setting('sessioncleanup.writing', true) = 'class' THEN -- whatever the application's triggers made of the row
        OLD."{class}" := NEW."{class}";
        RETURN OLD;
    ELSIF NOT coalesce("{new_visible}", false) THEN
        RETURN NEW;
    ELSIF NOT coalesce("{old_visible}", false) THEN
        NEW."{last_activity}" := greatest(NEW."{last_activity}", v_now "{last_activity_in}");
    END IF;
    IF "{old_active}" IS NOT FALSE AND "{new_active}" IS FALSE AND NEW."{deactivated_at}" IS NOT DISTINCT FROM OLD."{deactivated_at}" THEN
        NEW."{deactivated_at}" := v_now "{deactivated_at_in}";
    ELSIF "{old_active}" IS FALSE AND "{new_active}" IS NOT FALSE THEN
        NEW."{deactivated_at}" := NULL;
        IF NEW."{last_activity}" IS NOT DISTINCT FROM OLD."{last_activity}" THEN
            NEW."{last_activity}" := greatest(NEW."{last_activity}", v_now "{last_activity_in}");
        END IF;
    END IF;
    IF "{observes}" AND NEW."{updated_at}" IS DISTINCT FROM OLD."{updated_at}" AND NEW."{last_activity}" IS NOT DISTINCT FROM OLD."{last_activity}" THEN
        NEW."{last_activity}" := greatest(NEW."{last_activity}", v_now "{last_activity_in}");
    END IF;
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RETURN NEW;
END
$sessioncleanup$;

-- name: sessioncleanup_untag
-- A session that the application deletes has no tags any more, so that another one with its id gets none. It never makes the
-- application's statement fail. The trigger's condition keeps it out of the library's own deletions, which do the same. An UPDATE that moves a
-- row to another partition deletes it from the first one: that session is still there.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_untag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}" SET enable_seqscan = off
AS $sessioncleanup$
BEGIN
    DELETE FROM "{tags}" t WHERE t.session_id = OLD."{id}" AND NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" "{id_eq}" t.session_id);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$sessioncleanup$;
REVOKE EXECUTE ON FUNCTION "{space}".sessioncleanup_untag() FROM PUBLIC;

-- name: untag_trigger
CREATE TRIGGER "{trigger}" AFTER DELETE ON "{source}"
FOR EACH ROW WHEN (pg_catalog.current_setting('sessioncleanup.writing', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION "{space}".sessioncleanup_untag();

-- name: observe_trigger
-- Without a list of columns or a condition on them: either would keep the application from altering those columns.
CREATE TRIGGER "{trigger}" BEFORE UPDATE ON "{source}"
FOR EACH ROW WHEN (pg_catalog.current_setting('sessioncleanup.writing', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION "{space}".sessioncleanup_observe();
