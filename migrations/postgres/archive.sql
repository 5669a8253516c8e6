-- The archive. It reads and writes with the rights of the owner of the sessions, so that nobody else can put anything into it,
-- and what is in it is only ever a copy of rows that were there. Values are kept as their types' output functions write them,
-- and read back by the input functions: no cast is involved, which somebody might have made.

-- name: archive_settings
-- What times, intervals, numbers and bytes look like in the archive, whatever the caller's settings.
SET search_path = "{safe}" SET row_security = off SET extra_float_digits = 1 SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres'
SET timezone = 'UTC' SET bytea_output = 'hex' SET lc_monetary = 'C' SET xmloption = 'content'

-- name: archived_each
-- The archived rows, one by one, as objects: number 1 is the session itself; up_to is the number of the last one in the same array. Of an unlinked row there are
-- two objects: "key" says which row it is, "set" what its reference was.
(SELECT a.id AS entry, 1 AS number, 1 AS up_to, a."table", false AS unlinked, json_object(a.columns, a.texts) AS "row" FROM "{archive}" a
  UNION ALL
 SELECT c.entry, c.number + n.place::integer AS number, c.number + c.row_count - 1 AS up_to, c."table", c.unlinked,
        CASE WHEN c.unlinked THEN json_build_object('key', json_object(c.columns[:c.key_count], n.texts[:c.key_count]),
                                                    'set', json_object(c.columns[c.key_count + 1:], n.texts[c.key_count + 1:]))
             ELSE json_object(c.columns, n.texts) END AS "row"
   FROM "{archive_rows}" c
  CROSS JOIN LATERAL (SELECT (v.place - 1) / cardinality(c.columns) AS place, array_agg(v.text ORDER BY v.place) AS texts
                        FROM unnest(c.rows) WITH ORDINALITY v (text, place) GROUP BY 1) n)

-- name: sessioncleanup_row_key
-- The columns by which a row is found again after its references were removed, with the operator that compares them: those of
-- the primary key or of a unique index or, without one, all columns that are no reference, compared as texts.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_row_key(p_table oid) RETURNS TABLE (name name, equal text)
LANGUAGE sql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    WITH columns AS (
        SELECT a.attnum, a.attname, a.attnotnull,
               EXISTS (SELECT FROM pg_constraint f
                        WHERE f.conrelid IN (SELECT p_table UNION ALL SELECT p.relid FROM pg_partition_tree(p_table) p) AND f.contype = 'f' AND f.confdeltype IN ('n', 'd')
                          AND a.attname = ANY (ARRAY(SELECT c.attname FROM pg_attribute c WHERE c.attrelid = f.conrelid AND c.attnum = ANY (f.conkey)))) AS refers
          FROM pg_attribute a
         WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ), best AS (
        SELECT i.indexrelid, i.indkey, i.indclass
          FROM pg_index i
         WHERE i.indrelid = p_table AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND NOT EXISTS (SELECT FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k (attnum) LEFT JOIN columns c ON c.attnum = k.attnum WHERE c.refers IS NOT FALSE OR NOT c.attnotnull)
         ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
    )
    SELECT c.attname, format('OPERATOR(%I.%s)', n.nspname, o.oprname)
      FROM best b
      JOIN pg_index i ON i.indexrelid = b.indexrelid
     CROSS JOIN generate_series(0, i.indnkeyatts - 1) place
      JOIN columns c ON c.attnum = b.indkey[place]
      JOIN pg_opclass k ON k.oid = b.indclass[place]
      JOIN pg_amop m ON m.amopfamily = k.opcfamily AND m.amoplefttype = k.opcintype AND m.amoprighttype = k.opcintype AND m.amopstrategy = 3
      JOIN pg_operator o ON o.oid = m.amopopr
      JOIN pg_namespace n ON n.oid = o.oprnamespace
     UNION ALL
    SELECT c.attname, NULL FROM columns c WHERE NOT c.refers AND NOT EXISTS (SELECT FROM best);
$sessioncleanup$;

-- name: sessioncleanup_require_archivable
-- The foreign keys that a deletion follows. Fails when they reach tables that the last Migrate did not see, or that are not to
-- be read.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_require_archivable() RETURNS jsonb
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_later  text;
    v_unread text;
    v_keys   jsonb;
BEGIN
    SELECT string_agg(DISTINCT k.target::regclass::text, ', ') FILTER (WHERE NOT (SELECT m.reached FROM "{settings}" m) ? format('%s.%I', c.relnamespace::regnamespace, c.relname)),
           string_agg(DISTINCT k.target::regclass::text, ', ') FILTER (WHERE NOT k.readable), coalesce(jsonb_agg(to_jsonb(k) ORDER BY k.level, k.key), '[]')
      INTO v_later, v_unread, v_keys
      FROM "{space}".sessioncleanup_keys(false) k JOIN pg_class c ON c.oid = k.target;
    IF v_later IS NOT NULL THEN
        RAISE EXCEPTION 'tables made since the last migration: %; run migrate', v_later USING ERRCODE = 'SC001';
    END IF;
    IF v_unread IS NOT NULL THEN
        RAISE EXCEPTION 'tables of others than the owner of the sessions, which are not read: %', v_unread USING ERRCODE = 'SC001',
            HINT = 'ALTER TABLE ... OWNER TO the owner of the sessions.';
    END IF;
    RETURN v_keys;
END
$sessioncleanup$;

-- name: settings_reached
UPDATE "{settings}" m SET reached = "{reached_now}";

-- name: reached_now
coalesce((SELECT jsonb_agg(DISTINCT format('%I.%I', n.nspname, c.relname))
            FROM "{space}".sessioncleanup_keys(false) k JOIN pg_class c ON c.oid = k.target JOIN pg_namespace n ON n.oid = c.relnamespace), '[]')

-- name: sessioncleanup_texts
-- The expression for columns of a row, which a statement calls p_row, as an array of texts, as the archive keeps them: what the
-- types' output functions write. For a type of the server's without a cast of its own a cast calls these.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_texts(p_table oid, p_columns name[], p_row text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    RETURN (SELECT format('ARRAY[%s]', string_agg(format(CASE WHEN a.atttypid < 16384 AND NOT EXISTS (SELECT FROM pg_cast k WHERE k.castsource = a.atttypid AND k.casttarget = 'text'::regtype AND k.castmethod <> 'b')
                                  THEN '%2$s.%1$I::text' ELSE 'CASE num_nulls(%2$s.%1$I) WHEN 0 THEN concat(%2$s.%1$I) END' END, n.name, p_row), ', ' ORDER BY n.place))
      FROM unnest(p_columns) WITH ORDINALITY n (name, place) JOIN pg_attribute a ON a.attrelid = p_table AND a.attname = n.name);
END
$sessioncleanup$;

-- name: sessioncleanup_copy
-- The statements by which a deletion is archived: of 'session', the table, columns and texts of a session s; 'deleted'
-- finds the rows that a foreign key deletes along with rows, locks and copies them; 'unlinked' those that it unlinks. A
-- row that several keys lead to is copied once. In follows are the tables whose rows a statement takes, in all of the
-- parts they have. One that returns returns the rows it copied: others may belong to them, or other keys lead to them.
-- The others return first the highest number of an entry's rows: they take those after $7.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_copy(p_keys jsonb) RETURNS TABLE (effect text, follows oid[], returns boolean, sql text)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_into   text := 'INSERT INTO ' || "{archive_rows_literal}" || ' (entry, number, row_count, "table", unlinked, key_count, columns, rows)';
    v_insert text := v_into || $$
            SELECT a.entry, $7 + a.part * 100 + 1, a.count, %s, a.rows
              FROM (SELECT p.entry, p.part, count(*) AS count, array_agg(p.content) AS rows
                      FROM (SELECT n.entry, n.content, (row_number() OVER (PARTITION BY n.entry) - 1) / 100 AS part FROM %s n) p
                     GROUP BY p.entry, p.part) a
            RETURNING number + row_count - 1 AS up_to$$;
BEGIN
    RETURN QUERY
    WITH keys AS (
        SELECT k.key, k.effect, k.join_on, k.level, k.source, k.target, coalesce(pg_partition_root(k.source), k.source)::oid AS parent, coalesce(pg_partition_root(k.target), k.target)::oid AS child
          FROM jsonb_to_recordset(p_keys) k (key oid, source oid, target oid, effect text, join_on text, level integer)
         UNION ALL
        SELECT 0, 'session', NULL, 0, NULL, t.oid, NULL, t.oid
          FROM (SELECT coalesce(pg_partition_root("{sessions_literal}"::regclass), "{sessions_literal}"::regclass)::oid AS oid) t
    ), known AS (
        SELECT k.*, k.effect = 'deleted' AND (count(*) OVER (PARTITION BY k.child) > 1 OR EXISTS (SELECT FROM keys o WHERE o.parent = k.child)) AS returns,
               ARRAY(SELECT k.source UNION SELECT p.relid FROM pg_partition_tree(k.source) p) AS follows,
               (SELECT format('%s%s', CASE s.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, s.oid::regclass) FROM pg_class s WHERE s.oid = k.source) AS from_parent,
               (SELECT format('%s%s', CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, c.oid::regclass) FROM pg_class c WHERE c.oid = k.target) AS from_child,
               (SELECT quote_literal(format('%s.%I', c.relnamespace::regnamespace, c.relname)) FROM pg_class c WHERE c.oid = k.child) AS name,
               CASE k.effect WHEN 'unlinked' THEN ARRAY(SELECT r.name FROM "{space}".sessioncleanup_row_key(k.child) r) ELSE '{}' END AS row_key,
               CASE k.effect WHEN 'unlinked' THEN ARRAY(SELECT a.attname FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey) WHERE f.oid = k.key)
                    ELSE ARRAY(SELECT a.attname FROM pg_attribute a
                                WHERE a.attrelid = k.child AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                                  AND NOT (k.effect = 'session' AND a.attname = "{class_literal}")
                                ORDER BY a.attnum) END AS columns
          FROM keys k
    ), written AS (
        SELECT k.*, format('%s, %L, %s, %L::text[]', k.name, k.effect = 'unlinked', cardinality(k.row_key), k.row_key || k.columns) AS what,
               "{space}".sessioncleanup_texts(k.child, k.row_key || k.columns, CASE k.effect WHEN 'session' THEN 's' ELSE 'c' END) AS content
          FROM known k
    )
    SELECT k.effect, k.follows, k.returns, CASE
      WHEN k.effect = 'session' THEN format('%s, %L::text[], %s', k.name, k.columns, k.content)
      WHEN k.returns THEN format($$
        WITH found AS (
            SELECT f.entry, c.tableoid AS rel, c.ctid AS row, %s AS content
              FROM unnest($1, $2, $3) f (entry, rel, row)
              JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
              JOIN %s c ON %s
             LIMIT $6
               FOR UPDATE OF c
        ), fresh AS MATERIALIZED (
            SELECT DISTINCT ON (n.rel, n.row) n.* FROM found n WHERE (n.rel, n.row) NOT IN (SELECT a.rel, a.row FROM unnest($4, $5) a (rel, row)) ORDER BY n.rel, n.row, n.entry
        ), made AS (%s
        )
        SELECT (SELECT coalesce(max(m.up_to), $7) FROM made m), coalesce(array_agg(n.entry), '{}'), coalesce(array_agg(n.rel), '{}'), coalesce(array_agg(n.row), '{}') FROM fresh n$$,
            k.content, k.from_parent, k.from_child, k.join_on, format(v_insert, k.what, 'fresh'))
      WHEN k.effect = 'deleted' THEN format($$
        WITH made AS (%s
            SELECT f.entry, $7 + sum(a.count) OVER (ROWS UNBOUNDED PRECEDING) - a.count + 1, a.count, %s, a.rows
              FROM unnest($1, $2, $3) f (entry, rel, row)
              JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
             CROSS JOIN LATERAL (SELECT array_length(l.rows, 1) AS count, l.rows FROM (SELECT ARRAY(SELECT %s FROM %s c WHERE %s LIMIT $6 FOR UPDATE OF c) AS rows OFFSET 0) l) n
             CROSS JOIN LATERAL (SELECT 0 AS part, n.count, n.rows WHERE n.count BETWEEN 1 AND 100
                                  UNION ALL
                                 SELECT p.part, least(n.count - p.part * 100, 100), n.rows[p.part * 100 + 1:p.part * 100 + 100]
                                   FROM generate_series(0, (n.count - 1) / 100) p (part) WHERE n.count > 100) a
            RETURNING number + row_count - 1 AS up_to
        )
        SELECT coalesce(max(m.up_to), $7) FROM made m$$, v_into, k.what, k.from_parent, k.content, k.from_child, k.join_on)
      ELSE format($$
        WITH found AS (
            SELECT f.entry, %s AS content
              FROM unnest($1, $2, $3) f (entry, rel, row)
              JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
              JOIN %s c ON %s
             WHERE (c.tableoid, c.ctid) NOT IN (SELECT a.rel, a.row FROM unnest($4, $5) a (rel, row))
             LIMIT $6
               FOR NO KEY UPDATE OF c
        ), made AS (%s
        )
        SELECT coalesce(max(m.up_to), $7) FROM made m$$,
            k.content, k.from_parent, k.from_child, k.join_on, format(v_insert, k.what, 'found')) END
      FROM written k
     WHERE k.effect <> 'deleted' OR NOT EXISTS (SELECT FROM keys s WHERE s.effect = 'session' AND s.child = k.child) -- other sessions have entries of their own
     ORDER BY k.level, k.key;
END
$sessioncleanup$;

-- name: sessioncleanup_archive
-- Copies sessions that the caller has locked, and is about to delete, into the archive, one entry for each, with the rows of
-- other tables that foreign keys delete or unlink along with them. It locks those rows. A session with more than p_rows of
-- them, or more than p_bytes, fails. Rows are found by their place or an index of the key, as the deletion finds them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_archive(
    p_ids "{id_type}"[], p_at timestamptz, p_actor text, p_reason text, p_run_id text, p_rows integer, p_bytes bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
"{archive_settings}" SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off SET plan_cache_mode = force_generic_plan
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_numbers regclass := pg_get_serial_sequence("{archive_literal}", 'id');
    v_most    bigint := (p_rows::bigint + 1) * cardinality(p_ids) + 1;
    v_copies  jsonb := (SELECT jsonb_agg(to_jsonb(c)) FROM "{space}".sessioncleanup_copy("{space}".sessioncleanup_require_archivable()) c);
    v_copy    record;
    v_session text := (SELECT c.sql FROM jsonb_to_recordset(v_copies) c (effect text, sql text) WHERE c.effect = 'session');
    v_made    bigint[]; v_ids text[]; -- the entries and their sessions
    v_reason  text := "{space}".sessioncleanup_shorten(p_reason);
    v_number  integer := 1; -- the highest of a row so far
    v_tagged  boolean;
    v_many    bigint; -- an entry with too many rows
    v_large   bigint; -- one with too many bytes
    -- Rows that others may belong to, and the entries they belong to themselves: three arrays in parallel. All of them; those to
    -- follow next; those found.
    v_entries bigint[]; v_rels oid[]; v_rows tid[];
    v_next_entries bigint[]; v_next_rels oid[]; v_next_rows tid[];
    v_new_entries bigint[]; v_new_rels oid[]; v_new_rows tid[];
    v_more_entries bigint[]; v_more_rels oid[]; v_more_rows tid[];
BEGIN
    SELECT array_agg(nextval(v_numbers)), array_agg(s."{id}"::text), array_agg(s.tableoid), array_agg(s.ctid) INTO v_made, v_ids, v_rels, v_rows
      FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids);
    v_entries := v_made;
    v_next_entries := v_entries;
    v_next_rels := v_rels;
    v_next_rows := v_rows;
    WHILE cardinality(v_next_entries) > 0 LOOP
        v_new_entries := '{}';
        v_new_rels := '{}';
        v_new_rows := '{}';
        FOR v_copy IN SELECT c.* FROM jsonb_to_recordset(v_copies) c (effect text, follows oid[], returns boolean, sql text)
                       WHERE c.effect = 'deleted' AND c.follows && v_next_rels LOOP
            IF v_copy.returns THEN
                EXECUTE v_copy.sql INTO v_number, v_more_entries, v_more_rels, v_more_rows
                  USING v_next_entries, v_next_rels, v_next_rows, v_rels, v_rows, v_most, v_number;
                v_new_entries := v_new_entries || v_more_entries;
                v_new_rels := v_new_rels || v_more_rels;
                v_new_rows := v_new_rows || v_more_rows;
                v_entries := v_entries || v_more_entries;
                v_rels := v_rels || v_more_rels;
                v_rows := v_rows || v_more_rows;
            ELSE
                EXECUTE v_copy.sql INTO v_number USING v_next_entries, v_next_rels, v_next_rows, v_rels, v_rows, p_rows + 1::bigint, v_number;
            END IF;
            IF v_number > p_rows THEN
                PERFORM "{space}".sessioncleanup_within(v_ids[array_position(v_made, r.entry)], sum(r.row_count)::bigint, p_rows)
                   FROM "{archive_rows}" r WHERE r.entry = ANY (v_made) GROUP BY r.entry;
            END IF;
        END LOOP;
        v_next_entries := v_new_entries;
        v_next_rels := v_new_rels;
        v_next_rows := v_new_rows;
    END LOOP;
    FOR v_copy IN SELECT c.sql FROM jsonb_to_recordset(v_copies) c (effect text, follows oid[], sql text) WHERE c.effect = 'unlinked' AND c.follows && v_rels LOOP
        EXECUTE v_copy.sql INTO v_number USING v_entries, v_rels, v_rows, v_rels, v_rows, v_most, v_number;
    END LOOP;
    INSERT INTO "{archive_rows}" (entry, number, row_count, "table", unlinked, key_count, columns, rows)
    SELECT f.entry, v_number + 1, count(*), 'sessioncleanup_tags', false, 0, '{session_id,tag}', array_agg(ARRAY[f.id, t.tag] ORDER BY t.tag)
      FROM unnest(v_made, v_ids) f (entry, id) JOIN "{tags}" t ON t.session_id = f.id::"{id_type}"
     GROUP BY f.entry;
    v_tagged := FOUND;
    EXECUTE $sessioncleanup_entries$
        WITH made AS (
            INSERT INTO "{archive}" (id, session_id, owner_id, name, archived_at, actor, reason, run_id, row_count, bytes, tags, "table", columns, texts) OVERRIDING SYSTEM VALUE
            SELECT f.entry, s."{id}"::text, coalesce("{owner_text}", ''), "{event_name}", $4, $5, $6, $7, f.row_count, f.bytes + pg_column_size(o.texts),
                   CASE WHEN $8 THEN "{tags_of}" ELSE '{}' END, o.name, o.columns, o.texts
              FROM (SELECT u.entry, max(u.rel) AS rel, max(u.row) AS row, sum(u.row_count) AS row_count, sum(u.bytes) AS bytes
                      FROM (SELECT m.entry, m.rel, m.row, 0 AS row_count, 0 AS bytes FROM unnest($1, $2, $3) m (entry, rel, row)
                             UNION ALL
                            SELECT r.entry, NULL, NULL, r.row_count, pg_column_size(r.rows) FROM "{archive_rows}" r WHERE r.entry BETWEEN ($1)[1] AND ($1)[cardinality($1)]) u
                     GROUP BY u.entry HAVING count(u.row) = 1) f -- other batches have entries between those of this one
              JOIN "{sessions}" s ON s.ctid = f.row AND s.tableoid = f.rel
             CROSS JOIN LATERAL (SELECT $sessioncleanup_entries$ || v_session || $sessioncleanup_entries$ OFFSET 0) o (name, columns, texts)
            RETURNING id, row_count, bytes)
        SELECT min(m.id) FILTER (WHERE m.row_count > $9), min(m.id) FILTER (WHERE m.bytes > $10) FROM made m$sessioncleanup_entries$
       INTO v_many, v_large
      USING v_made, v_rels[:cardinality(v_made)], v_rows[:cardinality(v_made)], p_at, p_actor, v_reason, p_run_id, v_tagged, p_rows, p_bytes;
    PERFORM "{space}".sessioncleanup_within(v_ids[array_position(v_made, v_many)], p_rows + 1::bigint, p_rows) WHERE v_many IS NOT NULL;
    IF v_large IS NOT NULL THEN
        RAISE EXCEPTION 'session % is too large for the archive: its rows have more than % bytes', v_ids[array_position(v_made, v_large)], p_bytes USING ERRCODE = 'SC002';
    END IF;
END
$sessioncleanup$;

-- name: sessioncleanup_within
-- Fails when the entry of a session has more rows than it may.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_within(p_id text, p_count bigint, p_rows integer) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF p_count > p_rows THEN
        RAISE EXCEPTION 'session % is too large for the archive: more than % rows belong to it', p_id, p_rows USING ERRCODE = 'SC002';
    END IF;
END
$sessioncleanup$;

-- name: purgeable
-- As PurgeBefore for an entry a.
a.archived_at < (SELECT CASE WHEN count(*) = 0 THEN "{until}" WHEN count(r.before) = count(*) THEN min(r.before) END
                   FROM jsonb_to_recordset("{purge_rules}") r (tag text, before timestamptz) WHERE r.tag = ANY (a.tags))

-- name: sessioncleanup_purge_rules
-- The moments before which entries of sessions with tags are due, by the policy's rules; none for never.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_purge_rules() RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    SELECT coalesce(jsonb_agg(jsonb_build_object('tag', r.tag, 'before', date_trunc('milliseconds', now()) - "{span_archive}" * interval '1 millisecond')), '[]')
      FROM "{policy}" p CROSS JOIN LATERAL "{space}".sessioncleanup_rules(p.rules) r;
$sessioncleanup$;

-- name: sessioncleanup_purge
-- Permanently removes at most p_limit of the oldest entries that were archived before a moment and are not held, with
-- their event, and returns their sessions; with p_backed_up, of those that are backed up. The next call begins after
-- next: what is purged stays in the index for as long as any transaction may still see it. For others than the owner of
-- the tables that moment is at least as long ago as the policy keeps entries, whatever rules are given, and the policy
-- says what has to be backed up.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_purge(
    p_before timestamptz, p_backed_up boolean, p_limit integer, p_after text, p_actor text, p_reason text, p_run_id text, p_rules jsonb, OUT ids text[], OUT next text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}" SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $sessioncleanup$
DECLARE
    v_backed_up boolean := p_backed_up;
    v_at        timestamptz := coalesce((nullif(p_after, '')::json ->> 0)::timestamptz, '-infinity');
    v_id        bigint := coalesce((nullif(p_after, '')::json ->> 1)::bigint, 0);
    v_allowed   timestamptz; -- before which the policy allows it
    v_bound     boolean := NOT pg_has_role(session_user, current_user, 'USAGE');
    v_rules     jsonb;
    v_old       record;
BEGIN
    IF v_bound THEN
        SELECT now() - p.archive_keep, p_backed_up OR p.backup INTO v_allowed, v_backed_up FROM "{policy}" p;
        v_rules := "{space}".sessioncleanup_purge_rules();
    END IF;
    SELECT coalesce(array_agg(o.id), '{}') AS entries, coalesce(array_agg(o.session_id), '{}') AS ids, array_agg(o.owner_id) AS owners, array_agg(o.name) AS names,
           max(o.archived_at) AS at INTO v_old
      FROM (SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at FROM "{archive}" a
             WHERE a.archived_at < greatest(p_before, (SELECT max(r.before) FROM jsonb_to_recordset(p_rules) r (before timestamptz))) AND (a.archived_at, a.id) > (v_at, v_id)
               AND "{purgeable_now}" AND (NOT v_bound OR "{purgeable_by_bound}") AND NOT a.held AND (a.backed_up_at IS NOT NULL OR NOT v_backed_up)
             ORDER BY a.archived_at, a.id LIMIT p_limit FOR UPDATE SKIP LOCKED) o;
    IF cardinality(v_old.ids) > 0 THEN
        DELETE FROM "{archive_rows}" r WHERE r.entry = ANY (v_old.entries);
        DELETE FROM "{archive}" a WHERE a.id = ANY (v_old.entries);
        PERFORM "{space}".sessioncleanup_log(NULL, 'purged', p_actor, p_reason, p_run_id, v_old.ids, v_old.owners, v_old.names, NULL);
    END IF;
    ids := v_old.ids;
    next := CASE WHEN cardinality(ids) = p_limit THEN json_build_array(v_old.at, v_old.entries[p_limit])::text ELSE '' END;
END
$sessioncleanup$;

-- name: archive_view
-- The archive, without the archived rows.
CREATE OR REPLACE VIEW "{space}".sessions_archive_view AS
SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.held,
       CASE WHEN NOT a.held THEN a.archived_at + k.keep END AS purge_at, a.tags
  FROM "{archive}" a CROSS JOIN "{policy}" p
 CROSS JOIN LATERAL (SELECT CASE WHEN count(*) = 0 THEN p.archive_keep WHEN count(o.keep) = count(*) THEN max(o.keep) END AS keep
                       FROM (SELECT "{span_archive}" * interval '1 millisecond' AS keep
                               FROM "{policy_rules}" r WHERE r.tag = ANY (a.tags)) o) k;
