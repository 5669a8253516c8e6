-- The seals of the audit log. seal.go of the root package says how a seal is computed; this says the same in SQL, so that a
-- role that may seal can neither choose what a seal says nor write to the log.

-- name: sealed_texts
-- The entries as they are sealed: the texts that stay, those that may be erased, and the encoding in which a client reads them.
-- The owner and the name of a session are erased together. Each hash of them costs a microsecond, so they are one text, and the names of
-- sessions without owners, which nobody's erasure removes, are one text together.
SELECT e.id, e.at, e.proof, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END::name AS encoding,
       ARRAY[e.id::text, trunc(extract(epoch FROM e.at) * 1000000)::text, e.action, e.run_id, e.role::text,
             CASE jsonb_typeof(e.run) WHEN 'object' THEN (e.run - 'filter')::text ELSE e.run::text END,
             cardinality(e.owner_ids)::text, cardinality(e.names)::text, e.session_ids::text, CASE cardinality(e.owner_ids) WHEN 0 THEN e.names::text END] AS fixed,
       ARRAY[e.actor, e.reason, (e.run -> 'filter')::text]
             || ARRAY(SELECT CASE WHEN n.owner <> '' OR n.name <> '' THEN concat(length(n.owner), ' ', n.owner, n.name) END
                        FROM unnest(e.owner_ids, e.names) WITH ORDINALITY n (owner, name, place) WHERE cardinality(e.owner_ids) > 0 ORDER BY n.place) AS personal
  FROM "{events}" e

-- name: sealed_digest
-- Of the entry x. Nothing is erased from it yet: its proof is its salt.
sha256(
    sha256((SELECT string_agg(sha256(convert_to(coalesce(f.text, ''), x.encoding)), ''::bytea ORDER BY f.place)
              FROM unnest(x.fixed) WITH ORDINALITY f (text, place)))
    || sha256((SELECT string_agg(sha256(substring(k.salts FROM 32 * p.place::integer - 31 FOR 32) || convert_to(coalesce(p.text, ''), x.encoding)),
                                 ''::bytea ORDER BY p.place)
                 FROM unnest(x.personal) WITH ORDINALITY p (text, place)
                CROSS JOIN (SELECT string_agg(sha512(x.proof || convert_to(b.block::text, 'UTF8')), ''::bytea ORDER BY b.block) AS salts
                              FROM generate_series(0, cardinality(x.personal) / 2) b (block)) k)))

-- name: sessioncleanup_seal
-- Seals the oldest entries without a seal, at most p_limit of them, and returns the number of the seal; NULL when there are
-- none. IDs are not in the order in which entries are committed. So it seals nothing while another transaction that wrote to
-- the log is open, as its lock shows: that one took its lock before it took its IDs. Every transaction that begins to write
-- later takes larger IDs.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_seal(p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_before "{seals}"%ROWTYPE;
    v_seal   "{seals}"%ROWTYPE;
    v_after  bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE lock_not_available USING MESSAGE = 'the audit log is sealed under READ COMMITTED only';
    END IF;
    LOCK TABLE "{seals}" IN SHARE ROW EXCLUSIVE MODE NOWAIT;
    SELECT s.* INTO v_before FROM "{seals}" s ORDER BY s.number DESC LIMIT 1;
    v_after := coalesce(v_before.last_id, -9223372036854775808);
    v_seal.last_id := (SELECT max(n.id) FROM (
        SELECT e.id, sum(cardinality(e.session_ids)) OVER (ORDER BY e.id) - cardinality(e.session_ids) AS sessions
          FROM "{events}" e WHERE e.id > v_after
         ORDER BY e.id LIMIT greatest(least(p_limit, 1000), 1)) n WHERE n.sessions < 10000); -- sessioncleanup.MaxSealSessions
    IF v_seal.last_id IS NULL THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM pg_locks l
                WHERE l.locktype = 'relation' AND l.relation = "{events_literal}"::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND l.pid IS DISTINCT FROM pg_backend_pid()) THEN
        RAISE lock_not_available USING MESSAGE = 'a transaction that wrote to the audit log is open';
    END IF;
    SELECT coalesce(v_before.number, 0) + 1, min(x.id), count(*), least(greatest(max(x.at), 'epoch'), '9999-12-31 00:00:00+00'),
           string_agg("{sealed_digest}", ''::bytea ORDER BY x.id)
      INTO v_seal.number, v_seal.first_id, v_seal.entries, v_seal.newest, v_seal.digests
      FROM ("{sealed_texts}" WHERE e.id > v_after AND e.id <= v_seal.last_id) x;
    v_seal.hash := encode(sha256(sha256(v_seal.digests) || convert_to(concat_ws(' ', coalesce(v_before.hash, ''),
        v_seal.number, v_seal.first_id, v_seal.last_id, v_seal.entries, (extract(epoch FROM v_seal.newest) * 1000000)::bigint), 'UTF8')), 'hex');
    INSERT INTO "{seals}" (number, first_id, last_id, entries, newest, digests, hash)
    VALUES (v_seal.number, v_seal.first_id, v_seal.last_id, v_seal.entries, v_seal.newest, v_seal.digests, v_seal.hash);
    RETURN v_seal.number;
END
$sessioncleanup$;

-- name: sessioncleanup_settled
-- The ID up to which no entry will be added to the log any more, of those above p_after; NULL when there are none. It waits a little
-- for the other transactions that have written to the log when the newest entry is found, for the reasons that
-- sessioncleanup_seal has. A prepared transaction counts as one of them: it may have been prepared since.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_settled(p_after bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_newest bigint;
    v_open   text[];
    v_until  timestamptz := clock_timestamp() + interval '500 ms';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE lock_not_available USING MESSAGE = 'the audit log is followed under READ COMMITTED only';
    END IF;
    v_newest := (SELECT max(e.id) FROM "{events}" e WHERE e.id > p_after);
    IF v_newest IS NULL THEN
        RETURN NULL;
    END IF;
    LOOP
        SELECT array_agg(l.virtualtransaction) INTO v_open
          FROM pg_locks l
         WHERE l.locktype = 'relation' AND l.relation = "{events_literal}"::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
           AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
           AND l.pid IS DISTINCT FROM pg_backend_pid() AND (v_open IS NULL OR l.pid IS NULL OR l.virtualtransaction = ANY (v_open));
        IF v_open IS NULL THEN
            RETURN v_newest;
        ELSIF clock_timestamp() > v_until THEN
            RETURN NULL;
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
END
$sessioncleanup$;

-- name: sessioncleanup_forget
-- Removes at most p_limit of the oldest entries from before a moment, and says how many; none while others seal or forget. For
-- others than the owner of the tables that moment is at least as long ago as the policy keeps entries. Of those that are
-- sealed it removes all of a seal or none.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_forget(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_before timestamptz := p_before;
    v_gone   bigint;
    v_more   bigint;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'USAGE') THEN
        v_before := (SELECT CASE WHEN p.events_keep IS NOT NULL THEN least(p_before, now() - p.events_keep) END FROM "{policy}" p);
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN 0; -- it might not see the newest seal
    END IF;
    BEGIN
        LOCK TABLE "{seals}" IN SHARE ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 0;
    END;
    WITH old AS (
        UPDATE "{seals}" s SET forgotten = true, digests = sha256(s.digests)
         WHERE s.number IN (SELECT o.number FROM (SELECT c.number, sum(c.entries) OVER (ORDER BY c.number) AS entries
                                                    FROM "{seals}" c WHERE NOT c.forgotten AND c.newest < v_before) o
                             WHERE o.entries <= p_limit)
        RETURNING s.first_id, s.last_id)
    DELETE FROM "{events}" e USING old WHERE e.id BETWEEN old.first_id AND old.last_id;
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    DELETE FROM "{events}" e
     WHERE e.id = ANY (ARRAY(SELECT o.id FROM "{events}" o
                              WHERE o.at < v_before AND o.id > coalesce((SELECT max(s.last_id) FROM "{seals}" s), o.id - 1)
                              ORDER BY o.at LIMIT p_limit - v_gone));
    GET DIAGNOSTICS v_more = ROW_COUNT;
    RETURN v_gone + v_more;
END
$sessioncleanup$;
