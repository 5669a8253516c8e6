-- The archive. It reads and writes with the rights of the owner of the sessions, so that nobody else can put anything into it,
-- and what is in it is only ever a copy of rows that were there. Values are kept as their types' output functions write them,
-- and read back by the input functions: no cast is involved, which somebody might have made.

-- name: archive_settings
-- What times, intervals, numbers and bytes look like in the archive, whatever the caller's settings.
SET search_path = "{safe}" SET row_security = off SET extra_float_digits = 1 SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres'
SET timezone = 'UTC' SET bytea_output = 'hex' SET lc_monetary = 'C' SET xmloption = 'content'

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
UPDATE "{settings}" m
   SET reached = coalesce((SELECT jsonb_agg(DISTINCT format('%I.%I', n.nspname, c.relname))
                             FROM "{space}".sessioncleanup_keys(false) k JOIN pg_class c ON c.oid = k.target JOIN pg_namespace n ON n.oid = c.relnamespace), '[]');

-- name: sessioncleanup_object
-- The expression for columns of a row c as an object, as the archive keeps them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_object(p_columns name[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    RETURN (SELECT format('json_object(ARRAY[%s]::text[], ARRAY[%s]::text[])', string_agg(quote_literal(c.name), ', ' ORDER BY c.place),
                  string_agg(format('CASE num_nulls(c.%1$I) WHEN 0 THEN concat(c.%1$I) END', c.name), ', ' ORDER BY c.place))
      FROM unnest(p_columns) WITH ORDINALITY c (name, place));
END
$sessioncleanup$;

-- name: sessioncleanup_copy
-- The statements by which a deletion is archived: 'session' copies the sessions; 'deleted' finds the rows that a foreign key
-- deletes along with rows, locks and copies them; 'unlinked' those that it unlinks. A row that several keys lead to is copied
-- once. In follows are the tables whose rows a statement takes, in all of the parts they have. One that returns returns the
-- rows it copied: others may belong to them, or other keys lead to them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_copy(p_keys jsonb) RETURNS TABLE (effect text, follows oid[], returns boolean, sql text)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
#variable_conflict use_column
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
               (SELECT "{space}".sessioncleanup_object(array_agg(a.attname ORDER BY a.attnum)) FROM pg_attribute a
                 WHERE a.attrelid = k.child AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS content
          FROM keys k
    )
    SELECT k.effect, k.follows, k.returns, CASE
      WHEN k.effect = 'session' THEN format($$
        INSERT INTO %s (entry, number, "table", unlinked, "row")
        SELECT f.entry, 1, %s, false, %s
          FROM unnest($1, $2, $3) f (entry, rel, row) JOIN %s c ON c.ctid = f.row AND c.tableoid = f.rel$$, "{archive_rows_literal}", k.name, k.content, k.from_child)
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
        ), made AS (
            INSERT INTO %s (entry, number, "table", unlinked, "row") SELECT n.entry, $7 + row_number() OVER (), %s, false, n.content FROM fresh n
        )
        SELECT count(*), coalesce(array_agg(n.entry), '{}'), coalesce(array_agg(n.rel), '{}'), coalesce(array_agg(n.row), '{}') FROM fresh n$$,
            k.content, k.from_parent, k.from_child, k.join_on, "{archive_rows_literal}", k.name)
      WHEN k.effect = 'deleted' THEN format($$
        INSERT INTO %s (entry, number, "table", unlinked, "row")
        SELECT x.entry, $7 + row_number() OVER (), %s, false, x.content
          FROM (SELECT f.entry, %s AS content
                  FROM unnest($1, $2, $3) f (entry, rel, row)
                  JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
                  JOIN %s c ON %s
                 LIMIT $6
                   FOR UPDATE OF c) x$$, "{archive_rows_literal}", k.name, k.content, k.from_parent, k.from_child, k.join_on)
      ELSE format($$
        INSERT INTO %s (entry, number, "table", unlinked, "row")
        SELECT x.entry, $7 + row_number() OVER (), %s, true, json_build_object('key', x.key, 'set', x.set)
          FROM (SELECT f.entry, %s AS key, %s AS set
                  FROM unnest($1, $2, $3) f (entry, rel, row)
                  JOIN %s p ON p.ctid = f.row AND p.tableoid = f.rel
                  JOIN %s c ON %s
                 WHERE (c.tableoid, c.ctid) NOT IN (SELECT a.rel, a.row FROM unnest($4, $5) a (rel, row))
                 LIMIT $6
                   FOR NO KEY UPDATE OF c) x$$, "{archive_rows_literal}", k.name,
            (SELECT "{space}".sessioncleanup_object(array_agg(r.name)) FROM "{space}".sessioncleanup_row_key(k.child) r),
            (SELECT "{space}".sessioncleanup_object(array_agg(a.attname)) FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey) WHERE f.oid = k.key),
            k.from_parent, k.from_child, k.join_on) END
      FROM known k
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
"{archive_settings}" SET enable_hashjoin = off SET enable_mergejoin = off
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_numbers regclass := pg_get_serial_sequence("{archive_literal}", 'id');
    v_most    bigint := (p_rows::bigint + 1) * cardinality(p_ids) + 1;
    v_copies  jsonb := (SELECT jsonb_agg(to_jsonb(c)) FROM "{space}".sessioncleanup_copy("{space}".sessioncleanup_require_archivable()) c);
    v_copy    record;
    v_made    bigint[]; v_ids text[]; -- the entries and their sessions
    v_reason  text := "{space}".sessioncleanup_shorten(p_reason);
    v_number  bigint := 1; -- that of the last row
    v_count   bigint;
    v_many    text;
    v_large   text;
    -- Rows that others may belong to, and the entries they belong to themselves: three arrays in parallel. All of them; those to
    -- follow next; those found.
    v_entries bigint[]; v_rels oid[]; v_rows tid[];
    v_next_entries bigint[]; v_next_rels oid[]; v_next_rows tid[];
    v_new_entries bigint[]; v_new_rels oid[]; v_new_rows tid[];
    v_more_entries bigint[]; v_more_rels oid[]; v_more_rows tid[];
BEGIN
    SELECT array_agg(nextval(v_numbers)), array_agg(s."{id}"::text), array_agg(s.tableoid), array_agg(s.ctid) INTO v_made, v_ids, v_rels, v_rows
      FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids);
    EXECUTE (SELECT c.sql FROM jsonb_to_recordset(v_copies) c (effect text, sql text) WHERE c.effect = 'session') USING v_made, v_rels, v_rows;
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
                EXECUTE v_copy.sql INTO v_count, v_more_entries, v_more_rels, v_more_rows
                  USING v_next_entries, v_next_rels, v_next_rows, v_rels, v_rows, v_most, v_number;
                v_new_entries := v_new_entries || v_more_entries;
                v_new_rels := v_new_rels || v_more_rels;
                v_new_rows := v_new_rows || v_more_rows;
                v_entries := v_entries || v_more_entries;
                v_rels := v_rels || v_more_rels;
                v_rows := v_rows || v_more_rows;
            ELSE
                EXECUTE v_copy.sql USING v_next_entries, v_next_rels, v_next_rows, v_rels, v_rows, v_most, v_number;
                GET DIAGNOSTICS v_count = ROW_COUNT;
            END IF;
            v_number := v_number + v_count;
            IF v_number > p_rows THEN
                PERFORM "{space}".sessioncleanup_within(v_ids[array_position(v_made, r.entry)], count(*), p_rows)
                   FROM "{archive_rows}" r WHERE r.entry = ANY (v_made) AND r.number > 1 GROUP BY r.entry;
            END IF;
        END LOOP;
        v_next_entries := v_new_entries;
        v_next_rels := v_new_rels;
        v_next_rows := v_new_rows;
    END LOOP;
    FOR v_copy IN SELECT c.sql FROM jsonb_to_recordset(v_copies) c (effect text, follows oid[], sql text) WHERE c.effect = 'unlinked' AND c.follows && v_rels LOOP
        EXECUTE v_copy.sql USING v_entries, v_rels, v_rows, v_rels, v_rows, v_most, v_number;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_number := v_number + v_count;
    END LOOP;
    WITH made AS (
        INSERT INTO "{archive}" AS a (id, session_id, owner_id, name, archived_at, actor, reason, run_id, row_count, bytes) OVERRIDING SYSTEM VALUE
        SELECT f.entry, f.id, coalesce("{owner_text}", ''), "{space}".sessioncleanup_shorten(coalesce("{name_text}", '')), p_at,
               p_actor, v_reason, p_run_id, n.count - 1, n.bytes
          FROM unnest(v_made, v_ids, v_rels[:cardinality(v_made)], v_rows[:cardinality(v_made)]) f (entry, id, rel, row)
          JOIN "{sessions}" s ON s.ctid = f.row AND s.tableoid = f.rel
         CROSS JOIN LATERAL (SELECT count(*) AS count, sum(pg_column_size(r."row")) AS bytes FROM "{archive_rows}" r WHERE r.entry = f.entry) n
        RETURNING a.session_id, a.row_count, a.bytes
    )
    SELECT min(m.session_id) FILTER (WHERE m.row_count > p_rows), min(m.session_id) FILTER (WHERE m.bytes > p_bytes) INTO v_many, v_large FROM made m;
    PERFORM "{space}".sessioncleanup_within(v_many, p_rows + 1::bigint, p_rows) WHERE v_many IS NOT NULL;
    IF v_large IS NOT NULL THEN
        RAISE EXCEPTION 'session % is too large for the archive: its rows have more than % bytes', v_large, p_bytes USING ERRCODE = 'SC002';
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

-- name: sessioncleanup_purge
-- Permanently removes at most p_limit of the oldest entries that were archived before a moment and are not held, with their event, and returns
-- their sessions. For others than the owner of the tables that moment is at least as long ago as the policy keeps entries.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_purge(p_before timestamptz, p_limit integer, p_actor text, p_reason text, p_run_id text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_before timestamptz := p_before;
    v_old    record;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'USAGE') THEN
        v_before := (SELECT CASE WHEN p.archive_keep IS NOT NULL THEN least(p_before, now() - p.archive_keep) END FROM "{policy}" p);
    END IF;
    SELECT coalesce(array_agg(o.id), '{}') AS entries, coalesce(array_agg(o.session_id), '{}') AS ids, array_agg(o.owner_id) AS owners, array_agg(o.name) AS names INTO v_old
      FROM (SELECT a.id, a.session_id, a.owner_id, a.name FROM "{archive}" a WHERE a.archived_at < v_before AND NOT a.held
             ORDER BY a.archived_at, a.id LIMIT p_limit FOR UPDATE SKIP LOCKED) o;
    IF cardinality(v_old.ids) > 0 THEN
        DELETE FROM "{archive_rows}" r WHERE r.entry = ANY (v_old.entries);
        DELETE FROM "{archive}" a WHERE a.id = ANY (v_old.entries);
        PERFORM "{space}".sessioncleanup_log(NULL, 'purged', p_actor, p_reason, p_run_id, v_old.ids, v_old.owners, v_old.names, NULL);
    END IF;
    RETURN v_old.ids;
END
$sessioncleanup$;

-- name: sessioncleanup_restore
-- Brings entries of the archive back, all of them or none, with their event. What is in the way is in obstacles, an array of
-- objects; then, and with p_dry, nothing is changed. Tables are filled in an order in which what a foreign key refers to comes
-- first; those that refer to each other are filled by one statement. The sessions of the entries p_new get new ids. When that fails, each row is tried by itself, to say what is
-- in the way. Rows only come back into tables of the owner of the sessions or of a superuser: their triggers run with the
-- rights of the former.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_restore(
    p_entries bigint[], p_owner text, p_actor text, p_reason text, p_run_id text, p_dry boolean, p_new bigint[],
    OUT restored bigint[], OUT row_count bigint, OUT relinked bigint, OUT obstacles jsonb, OUT new_ids jsonb)
LANGUAGE plpgsql SECURITY DEFINER
"{archive_settings}"
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_now      timestamptz := date_trunc('milliseconds', clock_timestamp());
    v_sessions oid := coalesce(pg_partition_root("{sessions_literal}"::regclass), "{sessions_literal}"::regclass);
    v_refs     record;
    v_tables   oid[]; -- all of them, and the names they have in the archive
    v_names    text[];
    v_left     oid[];
    v_ready    oid[];
    v_stages   jsonb := '[]';
    v_stage    jsonb;
    v_sql      text;
    v_count    bigint;
    v_row      record;
    v_failed   text;
    v_state    text;
    v_detail   text;
    v_about    text;
BEGIN
    SELECT coalesce(array_agg(l.id ORDER BY l.id), '{}') AS entries, array_agg(l.session_id ORDER BY l.id) AS ids,
           array_agg(l.owner_id ORDER BY l.id) AS owners, array_agg(l.name ORDER BY l.id) AS names, bool_or(l.held) AS held INTO v_refs
      FROM (SELECT a.* FROM "{archive}" a WHERE a.id = ANY (p_entries) AND (p_owner IS NULL OR a.owner_id = p_owner) ORDER BY a.id FOR UPDATE) l;
    IF cardinality(v_refs.entries) <> (SELECT count(DISTINCT e.id) FROM unnest(p_entries) e (id)) THEN
        RAISE EXCEPTION 'not in the archive' USING ERRCODE = 'SC003';
    ELSIF v_refs.held THEN
        RAISE EXCEPTION 'held' USING ERRCODE = 'SC004';
    END IF;
    restored := v_refs.entries;
    relinked := 0;
    obstacles := '[]';
    new_ids := '[]';
    row_count := (SELECT count(*) FROM "{archive_rows}" r WHERE r.entry = ANY (restored) AND NOT r.unlinked AND r.number > 1);
    -- What can be told from the catalog.
    WITH t AS (
        SELECT r."table" AS name, bool_or(r.number = 1) AS sessions, CASE WHEN bool_or(r.number = 1) THEN v_sessions ELSE to_regclass(r."table")::oid END AS oid
          FROM "{archive_rows}" r WHERE r.entry = ANY (restored) AND NOT r.unlinked GROUP BY r."table"
    ), known AS (
        SELECT t.name, t.oid, c.oid IS NOT NULL AND c.relkind IN ('r', 'p') AS there, c.relowner = (SELECT s.relowner FROM pg_class s WHERE s.oid = v_sessions) OR o.rolsuper AS trusted
          FROM t LEFT JOIN pg_class c ON c.oid = t.oid LEFT JOIN pg_roles o ON o.oid = c.relowner
    ), wrong AS (
        SELECT r.entry, 'table' AS kind, k.name, CASE WHEN k.there THEN 'the table belongs to another role than the sessions' ELSE 'the table is gone' END AS text
          FROM known k JOIN "{archive_rows}" r ON r."table" = k.name AND r.entry = ANY (restored) AND NOT r.unlinked
         WHERE NOT k.there OR NOT k.trusted
         UNION
        SELECT r.entry, 'column', k.name, format('the column %I is gone', v.key)
          FROM known k JOIN "{archive_rows}" r ON r."table" = k.name AND r.entry = ANY (restored) AND NOT r.unlinked
         CROSS JOIN LATERAL json_each_text(r."row") v (key, value)
         WHERE k.there AND v.value IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.oid AND a.attname = v.key AND a.attnum > 0 AND NOT a.attisdropped)
    )
    SELECT coalesce((SELECT jsonb_agg(jsonb_build_object('entry', w.entry, 'kind', w.kind, 'table', w.name, 'text', w.text)) FROM (SELECT * FROM wrong LIMIT 100) w), '[]'),
           (SELECT array_agg(k.oid) FROM known k WHERE k.there), (SELECT array_agg(k.name) FROM known k WHERE k.there)
      INTO obstacles, v_tables, v_names;
    IF obstacles <> '[]' OR v_tables IS NULL THEN
        RETURN;
    END IF;
    v_left := ARRAY(SELECT DISTINCT t.oid FROM unnest(v_tables) t (oid));
    WHILE cardinality(v_left) > 0 LOOP
        v_ready := ARRAY(
            SELECT l.oid FROM unnest(v_left) l (oid)
             WHERE NOT EXISTS (
                SELECT FROM pg_constraint f
                 WHERE f.contype = 'f' AND coalesce(pg_partition_root(f.conrelid), f.conrelid) = l.oid
                   AND coalesce(pg_partition_root(f.confrelid), f.confrelid) = ANY (v_left) AND coalesce(pg_partition_root(f.confrelid), f.confrelid) <> l.oid));
        IF cardinality(v_ready) = 0 THEN
            v_ready := v_left;
        END IF;
        v_stages := v_stages || jsonb_build_array(to_jsonb(v_ready));
        v_left := ARRAY(SELECT l.oid FROM unnest(v_left) l (oid) WHERE l.oid <> ALL (v_ready));
    END LOOP;
    new_ids := "{space}".sessioncleanup_new_ids(ARRAY(SELECT n.id FROM unnest(p_new) n (id) WHERE n.id = ANY (restored)));
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    BEGIN
        FOR v_stage IN SELECT s.value FROM jsonb_array_elements(v_stages) s LOOP
            SELECT format('WITH %s SELECT %s', string_agg(format('w%s AS (%s RETURNING 1)', i.place, i.sql), ', '),
                          string_agg(format('(SELECT pg_catalog.count(*) FROM w%s)', i.place), ' OPERATOR(pg_catalog.+) ')), sum(i.rows)
              INTO v_sql, v_count
              FROM (SELECT t.ordinality AS place, n.sql, n.rows
                      FROM jsonb_array_elements_text(v_stage) WITH ORDINALITY t
                     CROSS JOIN LATERAL "{space}".sessioncleanup_rows(t.value::oid, ARRAY(SELECT m.name FROM unnest(v_tables, v_names) m (oid, name) WHERE m.oid = t.value::oid), restored, NULL, v_now, new_ids) n) i;
            "{theirs}"
            EXECUTE v_sql INTO v_row;
            "{ours}"
            IF v_row <> ROW (v_count) THEN
                RAISE EXCEPTION 'a trigger or a rule leaves rows out' USING ERRCODE = 'triggered_action_exception';
            END IF;
        END LOOP;
        relinked := "{space}".sessioncleanup_relink(restored, new_ids);
        "{theirs}"
        SET CONSTRAINTS ALL IMMEDIATE;
        "{ours}"
        IF p_dry THEN
            RAISE EXCEPTION USING ERRCODE = 'SC000';
        END IF;
    EXCEPTION WHEN SQLSTATE 'SC000' THEN
        NULL;
    WHEN OTHERS OR assert_failure THEN
        IF left(SQLSTATE, 2) IN ('57', '53', '08', '40') OR SQLSTATE IN ('55P03', '25006') THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL, v_about = TABLE_NAME;
        v_state := SQLSTATE;
        v_failed := concat_ws(': ', SQLERRM, nullif(v_detail, ''));
    END;
    IF v_failed IS NOT NULL THEN
        BEGIN
            SET CONSTRAINTS ALL IMMEDIATE;
            FOR v_row IN SELECT r.entry, r.number, r."table", t.value::oid AS oid
                           FROM jsonb_array_elements(v_stages) WITH ORDINALITY s CROSS JOIN jsonb_array_elements_text(s.value) t
                           JOIN unnest(v_tables, v_names) m (oid, name) ON m.oid = t.value::oid
                           JOIN "{archive_rows}" r ON r."table" = m.name AND r.entry = ANY (restored) AND NOT r.unlinked
                          ORDER BY s.ordinality, r.entry, r.number LOOP
                SELECT n.sql INTO v_sql FROM "{space}".sessioncleanup_rows(v_row.oid, ARRAY[v_row."table"], ARRAY[v_row.entry], v_row.number, v_now, new_ids) n;
                BEGIN
                    "{theirs}"
                    EXECUTE v_sql;
                    GET DIAGNOSTICS v_count = ROW_COUNT;
                    "{ours}"
                    IF v_count = 0 THEN
                        RAISE EXCEPTION 'a trigger or a rule leaves the row out' USING ERRCODE = 'triggered_action_exception';
                    END IF;
                EXCEPTION WHEN OTHERS OR assert_failure THEN
                    IF left(SQLSTATE, 2) IN ('57', '53', '08', '40') OR SQLSTATE IN ('55P03', '25006') THEN
                        RAISE;
                    END IF;
                    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
                    IF v_state = '23503' OR SQLSTATE <> '23503' THEN -- else what it refers to is only what could not be restored
                        obstacles := obstacles || jsonb_build_object('entry', v_row.entry, 'table', v_row."table", 'text', concat_ws(': ', SQLERRM, nullif(v_detail, '')),
                            'kind', "{space}".sessioncleanup_obstacle(SQLSTATE));
                    END IF;
                END;
                EXIT WHEN jsonb_array_length(obstacles) = 100;
            END LOOP;
            RAISE EXCEPTION USING ERRCODE = 'SC000';
        EXCEPTION WHEN SQLSTATE 'SC000' THEN
            NULL;
        END;
        IF obstacles = '[]' THEN
            obstacles := jsonb_build_array(jsonb_build_object('entry', restored[1], 'table', coalesce(v_about, ''), 'text', v_failed,
                'kind', "{space}".sessioncleanup_obstacle(v_state)));
        END IF;
    ELSIF NOT p_dry THEN
        DELETE FROM "{archive_rows}" r WHERE r.entry = ANY (restored);
        DELETE FROM "{archive}" a WHERE a.id = ANY (restored);
        PERFORM "{space}".sessioncleanup_log(v_now, 'restored', p_actor, p_reason, p_run_id,
            ARRAY(SELECT coalesce(i.new, r.id) FROM unnest(v_refs.entries, v_refs.ids) WITH ORDINALITY r (entry, id, place)
                    LEFT JOIN jsonb_to_recordset(new_ids) i (entry bigint, new text) ON i.entry = r.entry ORDER BY r.place),
            v_refs.owners, v_refs.names, NULL);
    END IF;
    PERFORM set_config('sessioncleanup.writing', '', true);
END
$sessioncleanup$;

-- name: restore_archived_session
-- Restores the last entry of a session, as Manager.Restore does, or fails with what is in the way.
CREATE OR REPLACE FUNCTION "{space}".restore_archived_session(session_id "{id_type}", OUT entry bigint, OUT row_count bigint, OUT relinked bigint)
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
#variable_conflict use_variable
DECLARE
    v_done record;
BEGIN
    SELECT a.id INTO entry FROM "{archive}" a WHERE a.session_id = session_id::text ORDER BY a.id DESC LIMIT 1;
    IF entry IS NULL THEN
        RAISE EXCEPTION 'session % is not in the archive', session_id USING ERRCODE = 'SC003';
    END IF;
    SELECT * INTO v_done FROM "{space}".sessioncleanup_restore(ARRAY[entry], NULL, 'system', 'restore_archived_session', '', false, '{}');
    IF v_done.obstacles <> '[]' THEN
        RAISE EXCEPTION 'session % cannot be restored', session_id USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = (SELECT string_agg(format('%s: %s', o."table", o.text), E'\n') FROM jsonb_to_recordset(v_done.obstacles) o ("table" text, text text));
    END IF;
    row_count := v_done.row_count;
    relinked := v_done.relinked;
END
$sessioncleanup$;

-- name: archive_view
-- The archive, without the archived rows.
CREATE OR REPLACE VIEW "{space}".sessions_archive_view AS
SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.held,
       CASE WHEN NOT a.held THEN a.archived_at + p.archive_keep END AS purge_at
  FROM "{archive}" a CROSS JOIN "{policy}" p;

-- name: sessioncleanup_id_columns
-- The columns that hold ids of sessions: that of the sessions, and those that refer to one of these by a foreign key.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_id_columns() RETURNS TABLE (relation oid, name text)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    RETURN QUERY
    WITH RECURSIVE held (relation, name) AS (
        SELECT coalesce(pg_partition_root("{sessions_literal}"::regclass), "{sessions_literal}"::regclass)::oid, "{id_literal}"::name
         UNION
        SELECT coalesce(pg_partition_root(f.conrelid), f.conrelid)::oid, c.attname
          FROM held h
          JOIN pg_constraint f ON f.contype = 'f' AND coalesce(pg_partition_root(f.confrelid), f.confrelid) = h.relation
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) n (child, parent)
          JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = n.parent AND p.attname = h.name
          JOIN pg_attribute c ON c.attrelid = f.conrelid AND c.attnum = n.child
    )
    SELECT h.relation, h.name::text FROM held h;
END
$sessioncleanup$;

-- name: sessioncleanup_new_ids
-- An id for the session of each of some entries, as the database generates them: an array of objects with the entry, its old
-- and its new id. Fails where it does not generate them.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_new_ids(p_entries bigint[]) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_next  text;
    v_entry record;
    v_new   text;
    v_free  boolean;
    v_ids   jsonb := '[]';
BEGIN
    IF p_entries = '{}' THEN
        RETURN v_ids;
    END IF;
    SELECT CASE WHEN a.attidentity <> '' THEN format('pg_catalog.nextval(%L::pg_catalog.regclass)', pg_get_serial_sequence("{sessions_literal}", "{id_literal}"))
                WHEN a.attgenerated = '' AND strpos(pg_get_expr(d.adbin, d.adrelid), '(') > 0 THEN pg_get_expr(d.adbin, d.adrelid) END
      INTO v_next
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = "{sessions_literal}"::regclass AND a.attname = "{id_literal}";
    IF v_next IS NULL THEN
        RAISE EXCEPTION 'the database does not generate the ids of %, so a session cannot get a new one', "{sessions_literal}" USING ERRCODE = 'SC005';
    END IF;
    FOR v_entry IN SELECT a.id, a.session_id FROM "{archive}" a WHERE a.id = ANY (p_entries) ORDER BY a.id LOOP
        FOR v_try IN 1..1000 LOOP -- a sequence may lag behind
            "{theirs}"
            EXECUTE 'SELECT pg_catalog.concat(' || v_next || ')' INTO v_new;
            "{ours}"
            v_free := NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = v_new::"{id_type}") AND NOT EXISTS (SELECT FROM "{archive}" a WHERE a.session_id = v_new)
                AND NOT EXISTS (SELECT FROM jsonb_to_recordset(v_ids) i (new text) WHERE i.new = v_new);
            EXIT WHEN v_free;
        END LOOP;
        IF NOT v_free THEN
            RAISE EXCEPTION 'the database generates no free id for %, such as %', "{sessions_literal}", v_new USING ERRCODE = 'SC005';
        END IF;
        v_ids := v_ids || jsonb_build_object('entry', v_entry.id, 'old', v_entry.session_id, 'new', v_new);
    END LOOP;
    RETURN v_ids;
END
$sessioncleanup$;

-- name: sessioncleanup_with_ids
-- A row of an entry with the new ids of sessions in some of its columns: that of its own session or, for one that is not its own,
-- of that session's last entry. The columns' types may differ from that of the ids, and with it how an id is written.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_with_ids(p_row jsonb, p_entry bigint, p_columns text[], p_ids jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    RETURN p_row || coalesce((
        SELECT jsonb_object_agg(c.name, n.new)
          FROM unnest(p_columns) c (name)
         CROSS JOIN LATERAL (
               SELECT i.new FROM jsonb_to_recordset(p_ids) i (entry bigint, old text, new text)
                WHERE i.old::"{id_type}" = (p_row ->> c.name)::"{id_type}" AND (i.entry = p_entry OR i.old <> (SELECT a.session_id FROM "{archive}" a WHERE a.id = p_entry))
                ORDER BY i.entry = p_entry DESC, i.entry DESC LIMIT 1) n), '{}');
END
$sessioncleanup$;

-- name: sessioncleanup_obstacle
-- What kind of obstacle an error is; see ObstacleKind.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_obstacle(p_state text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = "{safe}"
AS $sessioncleanup$
    SELECT CASE WHEN p_state IN ('23505', '23P01') THEN 'taken'
                WHEN p_state = '23503' THEN 'parent'
                WHEN p_state IN ('23502', '42804', '42846', '42703') OR left(p_state, 2) = '22' THEN 'column'
                ELSE 'refused' END;
$sessioncleanup$;

-- name: sessioncleanup_rows
-- The statement that inserts archived rows into a table again, all of some entries or one, and how many. A column that the
-- archive does not know gets its default. A session comes back as used at p_now, and one that is active without an expiry
-- that has passed.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_rows(
    p_table oid, p_names text[], p_entries bigint[], p_number integer, p_now timestamptz, p_ids jsonb, OUT sql text, OUT rows bigint)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_columns name[] := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum);
    v_refers  text[] := CASE WHEN p_ids <> '[]' THEN ARRAY(SELECT c.name FROM "{space}".sessioncleanup_id_columns() c WHERE c.relation = p_table) ELSE '{}' END;
BEGIN
    SELECT string_agg('(' || v.row || ')', ', ' ORDER BY r.entry, r.number), count(*) INTO sql, rows
      FROM (SELECT r.entry, r.number,
                   CASE WHEN r.number = 1 THEN r."row"::jsonb || jsonb_build_object("{last_activity_literal}", (p_now "{last_activity_in}")::text)
                        || CASE WHEN EXISTS (
                               SELECT FROM (SELECT (r."row" ->> "{active_literal}")::"{active_type}" AS "{active}", (r."row" ->> "{expires_at_literal}")::"{expires_at_type}" AS "{expires_at}") s
                                WHERE "{says_active}" AND "{expires_at_out}" <= p_now) THEN jsonb_build_object("{expires_at_literal}", NULL) ELSE '{}' END
                        ELSE r."row"::jsonb END AS values
              FROM "{archive_rows}" r
             WHERE r.entry = ANY (p_entries) AND r."table" = ANY (p_names) AND NOT r.unlinked AND (p_number IS NULL OR r.number = p_number)) r
     CROSS JOIN LATERAL (SELECT CASE WHEN v_refers = '{}' THEN r.values ELSE "{space}".sessioncleanup_with_ids(r.values, r.entry, v_refers, p_ids) END AS values) w
     CROSS JOIN LATERAL (
           SELECT string_agg(CASE WHEN w.values ? c.name THEN quote_nullable(w.values ->> c.name) ELSE 'DEFAULT' END, ', ' ORDER BY c.place) AS row
             FROM unnest(v_columns::text[]) WITH ORDINALITY c (name, place)) v;
    sql := format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES ', (SELECT format('%s.%I', c.relnamespace::regnamespace, c.relname) FROM pg_class c WHERE c.oid = p_table),
        (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place) FROM unnest(v_columns) WITH ORDINALITY c (name, place))) || sql;
END
$sessioncleanup$;

-- name: sessioncleanup_relink
-- Restores the references of rows that are still there, and still refer to nothing, and says how many. Those that a constraint
-- refuses stay as they are.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_relink(p_entries bigint[], p_ids jsonb) RETURNS bigint
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_link  record;
    v_sql   text;
    v_rel   oid;
    v_place tid;
    v_count bigint := 0;
BEGIN
    FOR v_link IN
        SELECT r."row"::jsonb -> 'key' AS key, "{space}".sessioncleanup_with_ids(r."row"::jsonb -> 'set', r.entry,
                   CASE WHEN p_ids <> '[]' THEN ARRAY(SELECT i.name FROM "{space}".sessioncleanup_id_columns() i WHERE i.relation = c.oid) ELSE '{}' END, p_ids) AS set, c.oid, format('%I.%I', n.nspname, c.relname) AS name, CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END AS only
          FROM "{archive_rows}" r JOIN pg_class c ON c.oid = to_regclass(r."table") AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_roles o ON o.oid = c.relowner
         WHERE r.entry = ANY (p_entries) AND r.unlinked
           AND (o.rolsuper OR c.relowner = (SELECT s.relowner FROM pg_class s WHERE s.oid = "{sessions_literal}"::regclass))
           AND NOT EXISTS (SELECT FROM jsonb_object_keys((r."row"::jsonb -> 'key') || (r."row"::jsonb -> 'set')) k (name)
                            WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped))
         ORDER BY r.entry, r.number LOOP
        v_sql := (SELECT string_agg(CASE WHEN v.value IS NULL THEN format('num_nulls(c.%I) = 1', v.key)
                                         WHEN k.equal IS NULL THEN format('format(''%%s'', c.%I) = %L', v.key, v.value)
                                         ELSE format('c.%I %s %L', v.key, k.equal, v.value) END, ' AND ')
                    FROM jsonb_each_text(v_link.key) v LEFT JOIN "{space}".sessioncleanup_row_key(v_link.oid) k ON k.name = v.key)
            || (SELECT string_agg(format(' AND (num_nulls(c.%1$I) = 1 OR format(''%%s'', c.%1$I) IN (%2$L, %3$s))', v.key, v.value,
                                         CASE WHEN d.oid IS NULL THEN 'NULL' ELSE format('format(''%%s'', %s)', pg_get_expr(d.adbin, d.adrelid)) END), '')
                  FROM jsonb_each_text(v_link.set) v
                  JOIN pg_attribute a ON a.attrelid = v_link.oid AND a.attname = v.key AND a.attnum > 0
                  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum)
            || (SELECT format(' AND (%s)', string_agg(format('num_nulls(c.%1$I) = 1 OR format(''%%s'', c.%1$I) IS DISTINCT FROM %2$L', v.key, v.value), ' OR '))
                  FROM jsonb_each_text(v_link.set) v);
        BEGIN
            EXECUTE format('SELECT c.tableoid, c.ctid FROM %s%s c WHERE %s LIMIT 1', v_link.only, v_link.name, v_sql) INTO v_rel, v_place;
            IF v_place IS NOT NULL THEN
                v_sql := format('UPDATE %s%s c SET %s WHERE c.ctid OPERATOR(pg_catalog.=) $1 AND c.tableoid OPERATOR(pg_catalog.=) $2', v_link.only, v_link.name,
                    (SELECT string_agg(format('%I = %L', v.key, v.value), ', ') FROM jsonb_each_text(v_link.set) v));
                "{theirs}"
                EXECUTE v_sql USING v_place, v_rel;
                "{ours}"
                v_count := v_count + 1;
            END IF;
        EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
            NULL;
        END;
    END LOOP;
    RETURN v_count;
END
$sessioncleanup$;
