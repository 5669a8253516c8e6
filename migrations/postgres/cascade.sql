-- The rows that foreign keys delete along with sessions.

-- name: sessioncleanup_keys
-- The foreign keys through which a deletion of sessions reaches other tables: first those from tables that it reaches by
-- cascades. With p_back, only cascades that lead back to sessions. Partitions count as the table that they belong to. A table of
-- another role than the owner of the sessions is not to be read: functions in its indexes would run with the reader's rights.
-- Where a deletion keeps the row, it reaches nothing. A key that is NOT ENFORCED does nothing, and one that is
-- validated is enforced.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_keys(p_back boolean)
RETURNS TABLE (key oid, source oid, target oid, effect text, join_on text, level integer, readable boolean)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_sessions oid := "{sessions_literal}"::regclass;
BEGIN
    v_sessions := coalesce(pg_partition_root(v_sessions), v_sessions);
    IF NOT "{removes}" THEN
        RETURN;
    END IF;
    -- Most tables of sessions refer to nothing that is deleted with a cascade: one look at an index.
    IF p_back AND NOT EXISTS (
        SELECT FROM pg_constraint f
         WHERE f.contype = 'f' AND f.confdeltype = 'c'
           AND f.conrelid IN (SELECT v_sessions UNION ALL SELECT t.relid FROM pg_partition_tree(v_sessions) t)) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH RECURSIVE keys AS MATERIALIZED (
        SELECT f.oid AS key, f.confdeltype AS action,
               coalesce(pg_partition_root(f.confrelid), f.confrelid)::oid AS source, coalesce(pg_partition_root(f.conrelid), f.conrelid)::oid AS target
          FROM pg_constraint f
         WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confdeltype IN ('c', 'n', 'd')
           AND (f.convalidated OR to_jsonb(f) ->> 'conenforced' IS DISTINCT FROM 'false') -- before PostgreSQL 18 there is no such column
    ), down (source, level) AS (
        SELECT v_sessions, 1
         UNION
        SELECT k.target, d.level + 1 FROM down d JOIN keys k ON k.source = d.source AND k.action = 'c' WHERE d.level < 32
    ), up (target) AS (
        SELECT v_sessions
         UNION
        SELECT k.source FROM up u JOIN keys k ON k.target = u.target AND k.action = 'c'
    )
    SELECT k.key, f.confrelid, f.conrelid, CASE k.action WHEN 'c' THEN 'deleted' ELSE 'unlinked' END,
           (SELECT string_agg(format('p.%I OPERATOR(%s.%s) c.%I', p.attname, o.oprnamespace::regnamespace, o.oprname, c.attname), ' AND ')
              FROM unnest(f.conkey, f.confkey, f.conpfeqop) n (child, parent, equal)
              JOIN pg_operator o ON o.oid = n.equal
              JOIN pg_attribute c ON c.attrelid = f.conrelid AND c.attnum = n.child
              JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = n.parent),
           d.level,
           (SELECT bool_and(o.rolsuper OR o.oid = (SELECT s.relowner FROM pg_class s WHERE s.oid = v_sessions))
              FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner WHERE c.oid IN (f.confrelid, f.conrelid, k.source, k.target))
      FROM keys k
      JOIN pg_constraint f ON f.oid = k.key
      JOIN (SELECT w.source, min(w.level) AS level FROM down w GROUP BY w.source) d ON d.source = k.source
     WHERE NOT p_back OR k.action = 'c' AND k.target IN (SELECT u.target FROM up u)
     ORDER BY d.level, k.key;
END
$sessioncleanup$;

-- name: sessioncleanup_taken
-- The other sessions that would be deleted along with each of some sessions, at any depth, directly or through other
-- tables. It locks the rows on the way, so that nothing is added to them; the caller has locked the sessions themselves.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_taken(p_ids "{id_type}"[]) RETURNS TABLE (root "{id_type}", id "{id_type}")
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_steps text[] := ARRAY(SELECT format($$
        SELECT coalesce(array_agg(x.root), '{}'), coalesce(array_agg(x.rel), '{}'), coalesce(array_agg(x.row), '{}')
          FROM (SELECT f.root, c.tableoid AS rel, c.ctid AS row
                  FROM unnest($1, $2, $3) f (root, rel, row)
                  JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
                  JOIN %s c ON %s
                   FOR UPDATE OF c) x$$, k.source::regclass, k.target::regclass, k.join_on)
        FROM "{space}".sessioncleanup_keys(true) k);
    v_step   text;
    v_unread text;
    -- Rows, and of which session each is a part: three arrays in parallel. All of them; those to follow next; those found.
    v_roots "{id_type}"[]; v_rels oid[]; v_rows tid[];
    v_next_roots "{id_type}"[]; v_next_rels oid[]; v_next_rows tid[];
    v_new_roots "{id_type}"[]; v_new_rels oid[]; v_new_rows tid[];
    v_more_roots "{id_type}"[]; v_more_rels oid[]; v_more_rows tid[];
BEGIN
    IF cardinality(v_steps) = 0 THEN
        RETURN;
    END IF;
    SELECT string_agg(DISTINCT k.target::regclass::text, ', ') INTO v_unread FROM "{space}".sessioncleanup_keys(true) k WHERE NOT k.readable;
    IF v_unread IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys would delete other sessions along with one, through tables of others than the owner of the sessions, which are not read: %', v_unread
            USING ERRCODE = 'insufficient_privilege', HINT = 'ALTER TABLE ... OWNER TO the owner of the sessions, or drop that key''s ON DELETE CASCADE.';
    END IF;
    SELECT array_agg(s."{id}"), array_agg(s.tableoid), array_agg(s.ctid) INTO v_roots, v_rels, v_rows
      FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids);
    v_next_roots := v_roots;
    v_next_rels := v_rels;
    v_next_rows := v_rows;
    WHILE cardinality(v_next_roots) > 0 LOOP
        v_new_roots := '{}';
        v_new_rels := '{}';
        v_new_rows := '{}';
        FOREACH v_step IN ARRAY v_steps LOOP
            EXECUTE v_step INTO v_more_roots, v_more_rels, v_more_rows USING v_next_roots, v_next_rels, v_next_rows;
            v_new_roots := v_new_roots || v_more_roots;
            v_new_rels := v_new_rels || v_more_rels;
            v_new_rows := v_new_rows || v_more_rows;
        END LOOP;
        SELECT array_agg(n.root), array_agg(n.rel), array_agg(n.row) INTO v_next_roots, v_next_rels, v_next_rows
          FROM (SELECT * FROM unnest(v_new_roots, v_new_rels, v_new_rows)
                EXCEPT SELECT * FROM unnest(v_roots, v_rels, v_rows)) n (root, rel, row);
        v_roots := v_roots || v_next_roots;
        v_rels := v_rels || v_next_rels;
        v_rows := v_rows || v_next_rows;
    END LOOP;
    RETURN QUERY
    SELECT a.root, s."{id}"
      FROM unnest(v_roots, v_rels, v_rows) a (root, rel, row)
      JOIN "{sessions}" s ON s.ctid = a.row AND s.tableoid = a.rel
     WHERE s."{id}" <> a.root;
END
$sessioncleanup$;

-- name: sessioncleanup_spared
-- Which of the sessions that are due a batch deletes: not those with which others would be deleted that are not due, or
-- that the filter or p_only does not select. The others that go along are added.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_spared(
    p_due "{id_type}"[], p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_id text, p_owner text, p_words text[], p_only text[],
    p_warned timestamptz, p_given_up timestamptz, p_rules jsonb,
    OUT due "{id_type}"[], OUT skipped "{id_type}"[], OUT reasons text[])
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_base   record;
    v_filter record;
    v_roots  "{id_type}"[];
    v_taken  "{id_type}"[];
    v_also   "{id_type}"[];
BEGIN
    SELECT p_now AS now, p_inactive AS inactive, p_delete AS delete, NULL::timestamptz AS warn, p_warned AS warned, p_given_up AS given_up INTO v_base;
    SELECT p_id AS id, p_owner AS owner, p_words[1] AS text, p_words[2:] AS tags INTO v_filter;
    due := p_due;
    skipped := '{}';
    reasons := '{}';
    SELECT array_agg(t.root), array_agg(t.id) INTO v_roots, v_taken FROM "{space}".sessioncleanup_taken(p_due) t;
    IF v_roots IS NULL THEN
        RETURN;
    END IF;
    v_also := ARRAY(SELECT s."{id}" FROM "{sessions}" s "{by_tags}" WHERE s."{id}" = ANY (v_taken) AND "{gone}" AND "{matches}" AND (p_only IS NULL OR s."{id}"::text = ANY (p_only)));
    SELECT coalesce(array_agg(k.root), '{}'), coalesce(array_agg(format('deleting it would also delete session %s, which is not due', k.id)), '{}')
      INTO skipped, reasons
      FROM (SELECT t.root, min(t.id::text) AS id FROM unnest(v_roots, v_taken) t (root, id) WHERE t.id <> ALL (v_also) GROUP BY t.root) k;
    due := ARRAY(SELECT d.id FROM unnest(p_due) d (id) WHERE d.id <> ALL (skipped)
                  UNION SELECT t.id FROM unnest(v_roots, v_taken) t (root, id) WHERE t.root <> ALL (skipped));
END
$sessioncleanup$;

-- name: sessioncleanup_dependents
-- The tables that a deletion of some sessions reaches, what becomes of their rows, and how many: exact up to p_most for each
-- table, and not followed further from a table with more. Without sessions only the tables. Those that are not to be read have
-- more than 0 rows.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_dependents(p_ids "{id_type}"[], p_most integer)
RETURNS TABLE (name text, effect text, row_count bigint, more boolean)
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_key record;
    -- Rows and the tables they count for, in parallel: all that are deleted; those to follow next; those found.
    v_tables oid[]; v_rels oid[]; v_rows tid[];
    v_next_rels oid[]; v_next_rows tid[];
    v_new_tables oid[]; v_new_rels oid[]; v_new_rows tid[];
    v_more_rels oid[]; v_more_rows tid[];
    v_unlinked_tables oid[] := '{}'; v_unlinked_rels oid[] := '{}'; v_unlinked_rows tid[] := '{}';
    v_full oid[] := '{}'; -- tables with more rows
BEGIN
    SELECT coalesce(array_agg(0::oid), '{}'), coalesce(array_agg(s.tableoid), '{}'), coalesce(array_agg(s.ctid), '{}') INTO v_tables, v_rels, v_rows
      FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids);
    v_next_rels := v_rels;
    v_next_rows := v_rows;
    WHILE cardinality(v_next_rels) > 0 LOOP
        v_new_tables := '{}';
        v_new_rels := '{}';
        v_new_rows := '{}';
        FOR v_key IN SELECT k.* FROM "{space}".sessioncleanup_keys(false) k WHERE k.target <> ALL (v_full) AND k.readable LOOP
            EXECUTE format($$
                SELECT coalesce(array_agg(x.rel), '{}'), coalesce(array_agg(x.row), '{}')
                  FROM (SELECT c.tableoid AS rel, c.ctid AS row
                          FROM unnest($1, $2) f (rel, row)
                          JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
                          JOIN %s c ON %s
                         LIMIT $3) x$$, v_key.source::regclass, v_key.target::regclass, v_key.join_on)
               INTO v_more_rels, v_more_rows USING v_next_rels, v_next_rows, p_most + 1;
            IF v_key.effect = 'deleted' THEN
                v_new_tables := v_new_tables || array_fill(v_key.target, ARRAY[cardinality(v_more_rels)]);
                v_new_rels := v_new_rels || v_more_rels;
                v_new_rows := v_new_rows || v_more_rows;
            ELSE
                v_unlinked_tables := v_unlinked_tables || array_fill(v_key.target, ARRAY[cardinality(v_more_rels)]);
                v_unlinked_rels := v_unlinked_rels || v_more_rels;
                v_unlinked_rows := v_unlinked_rows || v_more_rows;
            END IF;
        END LOOP;
        SELECT coalesce(array_agg(n.tab), '{}'), coalesce(array_agg(n.rel), '{}'), coalesce(array_agg(n.row), '{}') INTO v_new_tables, v_next_rels, v_next_rows
          FROM (SELECT min(f.tab) AS tab, f.rel, f.row FROM unnest(v_new_tables, v_new_rels, v_new_rows) f (tab, rel, row)
                 WHERE NOT EXISTS (SELECT FROM unnest(v_rels, v_rows) a (rel, row) WHERE a.rel = f.rel AND a.row = f.row) GROUP BY f.rel, f.row) n; -- NOT IN compares all with all where there are many
        v_tables := v_tables || v_new_tables;
        v_rels := v_rels || v_next_rels;
        v_rows := v_rows || v_next_rows;
        v_full := ARRAY(SELECT a.tab FROM unnest(v_tables) a (tab) WHERE a.tab <> 0 GROUP BY a.tab HAVING count(*) > p_most
                        UNION SELECT a.tab FROM unnest(v_unlinked_tables) a (tab) GROUP BY a.tab HAVING count(*) > p_most);
    END LOOP;
    FOR v_key IN SELECT k.* FROM "{space}".sessioncleanup_keys(false) k LOOP -- what follows from these is not known to the end, either
        IF (v_key.source = ANY (v_full) OR NOT v_key.readable) AND v_key.target <> ALL (v_full) THEN
            v_full := v_full || v_key.target;
        END IF;
    END LOOP;
    RETURN QUERY
    WITH counted AS (
        SELECT a.tab, 'deleted' AS effect, count(*) AS count FROM unnest(v_tables) a (tab) GROUP BY a.tab
         UNION ALL
        SELECT u.tab, 'unlinked', count(DISTINCT (u.rel, u.row))
          FROM unnest(v_unlinked_tables, v_unlinked_rels, v_unlinked_rows) u (tab, rel, row)
         WHERE (u.rel, u.row) NOT IN (SELECT a.rel, a.row FROM unnest(v_rels, v_rows) a (rel, row))
         GROUP BY u.tab
    )
    SELECT (SELECT CASE WHEN s.nspname = ANY ("{path_names}") THEN '' ELSE quote_ident(s.nspname) || '.' END || quote_ident(c.relname)
              FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = t.target), t.effect, least(coalesce(n.count, 0), p_most), t.target = ANY (v_full)
      FROM (SELECT k.target, k.effect, min(k.level) AS level FROM "{space}".sessioncleanup_keys(false) k GROUP BY k.target, k.effect) t
      LEFT JOIN counted n ON n.tab = t.target AND n.effect = t.effect
     ORDER BY t.level, 1, 2;
END
$sessioncleanup$;
