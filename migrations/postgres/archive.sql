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
-- Fails when a deletion reaches tables that the last Migrate did not see, or that are not to be read.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_require_archivable() RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_later  text;
    v_unread text;
BEGIN
    SELECT string_agg(DISTINCT k.target::regclass::text, ', ') FILTER (WHERE NOT (SELECT m.reached FROM "{settings}" m) ? format('%s.%I', c.relnamespace::regnamespace, c.relname)),
           string_agg(DISTINCT k.target::regclass::text, ', ') FILTER (WHERE NOT k.readable)
      INTO v_later, v_unread
      FROM "{space}".sessioncleanup_keys(false) k JOIN pg_class c ON c.oid = k.target;
    IF v_later IS NOT NULL THEN
        RAISE EXCEPTION 'tables made since the last migration: %; run migrate', v_later USING ERRCODE = 'SC001';
    END IF;
    IF v_unread IS NOT NULL THEN
        RAISE EXCEPTION 'tables of others than the owner of the sessions, which are not read: %', v_unread USING ERRCODE = 'SC001',
            HINT = 'ALTER TABLE ... OWNER TO the owner of the sessions.';
    END IF;
END
$sessioncleanup$;

-- name: settings_reached
UPDATE "{settings}" m
   SET reached = coalesce((SELECT jsonb_agg(DISTINCT format('%I.%I', n.nspname, c.relname))
                             FROM "{space}".sessioncleanup_keys(false) k JOIN pg_class c ON c.oid = k.target JOIN pg_namespace n ON n.oid = c.relnamespace), '[]');

-- name: sessioncleanup_archive
-- Copies sessions that the caller has locked, and is about to delete, into the archive, one entry for each, with the rows of
-- other tables that foreign keys delete or unlink along with them. It locks those rows. A session with more than p_rows of
-- them, or more than p_bytes, fails.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_archive(
    p_ids "{id_type}"[], p_at timestamptz, p_actor text, p_reason text, p_run_id text, p_rows integer, p_bytes bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
"{archive_settings}"
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_sessions oid := coalesce(pg_partition_root("{sessions_literal}"::regclass), "{sessions_literal}"::regclass);
    v_most     bigint := (p_rows::bigint + 1) * cardinality(p_ids) + 1;
    v_keys     jsonb;
    v_steps    text[];
    v_step     text;
    v_key      record;
    v_table    oid;
    v_number   integer;
    v_large    text;
    -- Rows, and the entries they belong to: three arrays in parallel. All of them; those to follow next; those found.
    v_entries bigint[]; v_rels oid[]; v_rows tid[];
    v_next_entries bigint[]; v_next_rels oid[]; v_next_rows tid[];
    v_new_entries bigint[]; v_new_rels oid[]; v_new_rows tid[];
    v_more_entries bigint[]; v_more_rels oid[]; v_more_rows tid[];
    v_made bigint[];
BEGIN
    PERFORM "{space}".sessioncleanup_require_archivable();
    v_keys := (SELECT jsonb_agg(jsonb_build_object('key', k.key, 'source', k.source, 'target', k.target, 'effect', k.effect, 'join_on', k.join_on) ORDER BY k.level, k.key)
                 FROM "{space}".sessioncleanup_keys(false) k);
    v_steps := ARRAY(SELECT format($$
        SELECT coalesce(array_agg(x.entry), '{}'), coalesce(array_agg(x.rel), '{}'), coalesce(array_agg(x.row), '{}')
          FROM (SELECT f.entry, c.tableoid AS rel, c.ctid AS row
                  FROM unnest($1, $2, $3) f (entry, rel, row)
                  JOIN %s%s p ON p.ctid = f.row AND p.tableoid = f.rel
                  JOIN %s%s c ON %s
                 LIMIT $4
                   FOR UPDATE OF c) x$$,
            CASE s.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, k.source::regclass, CASE t.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, k.target::regclass, k.join_on)
        FROM jsonb_to_recordset(v_keys) k (key oid, source oid, target oid, effect text, join_on text) JOIN pg_class s ON s.oid = k.source JOIN pg_class t ON t.oid = k.target
       WHERE k.effect = 'deleted' AND coalesce(pg_partition_root(k.target), k.target) <> v_sessions); -- other sessions have entries of their own
    WITH made AS (
        INSERT INTO "{archive}" AS a (session_id, owner_id, name, archived_at, actor, reason, run_id, row_count, bytes)
        SELECT s."{id}"::text, coalesce("{owner_text}", ''), "{space}".sessioncleanup_shorten(coalesce("{name_text}", '')), p_at,
               p_actor, "{space}".sessioncleanup_shorten(p_reason), p_run_id, 0, 0
          FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids)
        RETURNING a.id, a.session_id
    )
    SELECT array_agg(m.id), array_agg(s.tableoid), array_agg(s.ctid) INTO v_entries, v_rels, v_rows
      FROM made m JOIN "{sessions}" s ON s."{id}"::text = m.session_id
     WHERE s."{id}" = ANY (p_ids);
    v_made := v_entries;
    v_next_entries := v_entries;
    v_next_rels := v_rels;
    v_next_rows := v_rows;
    WHILE cardinality(v_next_entries) > 0 AND cardinality(v_steps) > 0 LOOP
        v_new_entries := '{}';
        v_new_rels := '{}';
        v_new_rows := '{}';
        FOREACH v_step IN ARRAY v_steps LOOP
            EXECUTE v_step INTO v_more_entries, v_more_rels, v_more_rows USING v_next_entries, v_next_rels, v_next_rows, v_most;
            v_new_entries := v_new_entries || v_more_entries;
            v_new_rels := v_new_rels || v_more_rels;
            v_new_rows := v_new_rows || v_more_rows;
        END LOOP;
        SELECT array_agg(n.entry), array_agg(n.rel), array_agg(n.row) INTO v_next_entries, v_next_rels, v_next_rows
          FROM (SELECT min(f.entry) AS entry, f.rel, f.row FROM unnest(v_new_entries, v_new_rels, v_new_rows) f (entry, rel, row)
                 WHERE (f.rel, f.row) NOT IN (SELECT a.rel, a.row FROM unnest(v_rels, v_rows) a (rel, row)) GROUP BY f.rel, f.row) n;
        v_entries := v_entries || v_next_entries;
        v_rels := v_rels || v_next_rels;
        v_rows := v_rows || v_next_rows;
        IF cardinality(v_entries) > p_rows THEN
            PERFORM "{space}".sessioncleanup_within(n.entry, n.count, p_rows) FROM (SELECT e.entry, count(*) - 1 AS count FROM unnest(v_entries) e (entry) GROUP BY e.entry) n;
        END IF;
    END LOOP;
    FOR v_table IN SELECT DISTINCT coalesce(pg_partition_root(r.rel), r.rel) FROM unnest(v_rels) r (rel) LOOP
        EXECUTE (
            SELECT format($$
                INSERT INTO %s (entry, number, "table", unlinked, "row")
                SELECT f.entry, f.number, %L, false, jsonb_object(ARRAY[%s]::text[], ARRAY[%s]::text[])
                  FROM (SELECT a.entry, a.rel, a.row, row_number() OVER (PARTITION BY a.entry ORDER BY a.place) AS number
                          FROM unnest($1, $2, $3) WITH ORDINALITY a (entry, rel, row, place)) f
                  JOIN %s%s c ON c.ctid = f.row AND c.tableoid = f.rel
                 WHERE f.rel = ANY ($4)$$,
                "{archive_rows_literal}", format('%s.%I', t.relnamespace::regnamespace, t.relname), string_agg(quote_literal(a.attname), ', '),
                string_agg(format('CASE num_nulls(c.%1$I) WHEN 0 THEN format(''%%s'', c.%1$I) END', a.attname), ', '),
                CASE t.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, t.oid::regclass)
              FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             WHERE t.oid = v_table GROUP BY t.oid, t.relnamespace, t.relname, t.relkind)
          USING v_entries, v_rels, v_rows, ARRAY(SELECT v_table UNION ALL SELECT p.relid FROM pg_partition_tree(v_table) p);
    END LOOP;
    FOR v_key IN SELECT k.source, k.join_on, coalesce(pg_partition_root(k.target), k.target) AS target, f.conkey, f.conrelid
                   FROM jsonb_to_recordset(v_keys) k (key oid, source oid, target oid, effect text, join_on text) JOIN pg_constraint f ON f.oid = k.key
                  WHERE k.effect = 'unlinked' LOOP
        EXECUTE (
            SELECT format($$
                INSERT INTO %s (entry, number, "table", unlinked, "row")
                SELECT x.entry, x.number + row_number() OVER (PARTITION BY x.entry), %L, true, jsonb_build_object('key', x.key, 'set', x.set)
                  FROM (SELECT f.entry, f.number, jsonb_object(ARRAY[%s]::text[], ARRAY[%s]::text[]) AS key, jsonb_object(ARRAY[%s]::text[], ARRAY[%s]::text[]) AS set
                          FROM (SELECT a.entry, a.rel, a.row, (SELECT max(l.number) FROM %s l WHERE l.entry = a.entry) AS number
                                  FROM unnest($1, $2, $3) a (entry, rel, row)) f
                          JOIN %s%s p ON p.ctid = f.row AND p.tableoid = f.rel
                          JOIN %s%s c ON %s
                         WHERE (c.tableoid, c.ctid) NOT IN (SELECT a.rel, a.row FROM unnest($2, $3) a (rel, row))
                         LIMIT $4
                           FOR NO KEY UPDATE OF c) x$$,
                "{archive_rows_literal}", format('%s.%I', t.relnamespace::regnamespace, t.relname),
                (SELECT string_agg(quote_literal(r.name), ', ') FROM "{space}".sessioncleanup_row_key(t.oid) r),
                (SELECT string_agg(format('CASE num_nulls(c.%1$I) WHEN 0 THEN format(''%%s'', c.%1$I) END', r.name), ', ') FROM "{space}".sessioncleanup_row_key(t.oid) r),
                string_agg(quote_literal(a.attname), ', '), string_agg(format('CASE num_nulls(c.%1$I) WHEN 0 THEN format(''%%s'', c.%1$I) END', a.attname), ', '),
                "{archive_rows_literal}", CASE s.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, s.oid::regclass, CASE g.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, g.oid::regclass, v_key.join_on)
              FROM pg_class t, pg_class s, pg_class g, pg_attribute a
             WHERE t.oid = v_key.target AND s.oid = v_key.source AND g.oid = v_key.conrelid AND a.attrelid = g.oid AND a.attnum = ANY (v_key.conkey)
             GROUP BY t.oid, t.relnamespace, t.relname, s.oid, s.relkind, g.oid, g.relkind)
          USING v_entries, v_rels, v_rows, v_most;
    END LOOP;
    UPDATE "{archive}" a
       SET row_count = n.count - 1, bytes = n.bytes
      FROM (SELECT r.entry, count(*) AS count, sum(pg_column_size(r."row")) AS bytes FROM "{archive_rows}" r WHERE r.entry = ANY (v_made) GROUP BY r.entry) n
     WHERE a.id = n.entry;
    PERFORM "{space}".sessioncleanup_within(a.id, a.row_count, p_rows) FROM "{archive}" a WHERE a.id = ANY (v_made) AND a.row_count > p_rows;
    SELECT a.session_id INTO v_large FROM "{archive}" a WHERE a.id = ANY (v_made) AND a.bytes > p_bytes LIMIT 1;
    IF v_large IS NOT NULL THEN
        RAISE EXCEPTION 'session % is too large for the archive: its rows have more than % bytes', v_large, p_bytes USING ERRCODE = 'SC002';
    END IF;
END
$sessioncleanup$;

-- name: sessioncleanup_within
-- Fails when an entry has more rows than it may.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_within(p_entry bigint, p_count bigint, p_rows integer) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF p_count > p_rows THEN
        RAISE EXCEPTION 'session % is too large for the archive: more than % rows belong to it',
            (SELECT a.session_id FROM "{archive}" a WHERE a.id = p_entry), p_rows USING ERRCODE = 'SC002';
    END IF;
END
$sessioncleanup$;

-- name: sessioncleanup_purge
-- Permanently removes at most p_limit of the oldest entries that were archived before a moment, with their event, and returns
-- their sessions; with p_backed_up, of those that are backed up. For others than the owner of the tables that moment is at least
-- as long ago as the policy keeps entries, and the policy says what has to be backed up.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_purge(p_before timestamptz, p_backed_up boolean, p_limit integer, p_actor text, p_reason text, p_run_id text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_before    timestamptz := p_before;
    v_backed_up boolean := p_backed_up;
    v_old       record;
BEGIN
    IF NOT pg_has_role(session_user, current_user, 'USAGE') THEN
        SELECT CASE WHEN p.archive_keep IS NOT NULL THEN least(p_before, now() - p.archive_keep) END, p_backed_up OR p.backup INTO v_before, v_backed_up FROM "{policy}" p;
    END IF;
    SELECT coalesce(array_agg(o.id), '{}') AS entries, coalesce(array_agg(o.session_id), '{}') AS ids, array_agg(o.owner_id) AS owners, array_agg(o.name) AS names INTO v_old
      FROM (SELECT a.id, a.session_id, a.owner_id, a.name FROM "{archive}" a WHERE a.archived_at < v_before AND (a.backed_up_at IS NOT NULL OR NOT v_backed_up)
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
-- first; those that refer to each other are filled by one statement. When that fails, each row is tried by itself, to say what is
-- in the way. Rows only come back into tables of the owner of the sessions or of a superuser: their triggers run with the
-- rights of the former.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_restore(
    p_entries bigint[], p_owner text, p_actor text, p_reason text, p_run_id text, p_dry boolean,
    OUT restored bigint[], OUT row_count bigint, OUT relinked bigint, OUT obstacles jsonb)
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
           array_agg(l.owner_id ORDER BY l.id) AS owners, array_agg(l.name ORDER BY l.id) AS names INTO v_refs
      FROM (SELECT a.* FROM "{archive}" a WHERE a.id = ANY (p_entries) AND (p_owner IS NULL OR a.owner_id = p_owner) ORDER BY a.id FOR UPDATE) l;
    IF cardinality(v_refs.entries) <> (SELECT count(DISTINCT e.id) FROM unnest(p_entries) e (id)) THEN
        RAISE EXCEPTION 'not in the archive' USING ERRCODE = 'SC003';
    END IF;
    restored := v_refs.entries;
    relinked := 0;
    obstacles := '[]';
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
         CROSS JOIN LATERAL jsonb_each_text(r."row") v (key, value)
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
    PERFORM set_config('sessioncleanup.writing', 'on', true);
    BEGIN
        FOR v_stage IN SELECT s.value FROM jsonb_array_elements(v_stages) s LOOP
            SELECT format('WITH %s SELECT %s', string_agg(format('w%s AS (%s RETURNING 1)', i.place, i.sql), ', '),
                          string_agg(format('(SELECT pg_catalog.count(*) FROM w%s)', i.place), ' OPERATOR(pg_catalog.+) ')), sum(i.rows)
              INTO v_sql, v_count
              FROM (SELECT t.ordinality AS place, n.sql, n.rows
                      FROM jsonb_array_elements_text(v_stage) WITH ORDINALITY t
                     CROSS JOIN LATERAL "{space}".sessioncleanup_rows(t.value::oid, ARRAY(SELECT m.name FROM unnest(v_tables, v_names) m (oid, name) WHERE m.oid = t.value::oid), restored, NULL, v_now) n) i;
            "{theirs}"
            EXECUTE v_sql INTO v_row;
            "{ours}"
            IF v_row <> ROW (v_count) THEN
                RAISE EXCEPTION 'a trigger or a rule leaves rows out' USING ERRCODE = 'triggered_action_exception';
            END IF;
        END LOOP;
        relinked := "{space}".sessioncleanup_relink(restored);
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
                SELECT n.sql INTO v_sql FROM "{space}".sessioncleanup_rows(v_row.oid, ARRAY[v_row."table"], ARRAY[v_row.entry], v_row.number, v_now) n;
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
        PERFORM "{space}".sessioncleanup_log(v_now, 'restored', p_actor, p_reason, p_run_id, v_refs.ids, v_refs.owners, v_refs.names, NULL);
    END IF;
    PERFORM set_config('sessioncleanup.writing', '', true);
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
    p_table oid, p_names text[], p_entries bigint[], p_number integer, p_now timestamptz, OUT sql text, OUT rows bigint)
LANGUAGE plpgsql STABLE
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_columns name[] := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum);
BEGIN
    SELECT string_agg('(' || v.row || ')', ', ' ORDER BY r.entry, r.number), count(*) INTO sql, rows
      FROM (SELECT r.entry, r.number,
                   CASE WHEN r.number = 1 THEN r."row" || jsonb_build_object("{last_activity_literal}", (p_now "{last_activity_in}")::text)
                        || CASE WHEN EXISTS (
                               SELECT FROM (SELECT (r."row" ->> "{active_literal}")::boolean AS "{active}", (r."row" ->> "{expires_at_literal}")::"{expires_at_type}" AS "{expires_at}") s
                                WHERE "{is_active}" AND "{expires_at_out}" <= p_now) THEN jsonb_build_object("{expires_at_literal}", NULL) ELSE '{}' END
                        ELSE r."row" END AS values
              FROM "{archive_rows}" r
             WHERE r.entry = ANY (p_entries) AND r."table" = ANY (p_names) AND NOT r.unlinked AND (p_number IS NULL OR r.number = p_number)) r
     CROSS JOIN LATERAL (
           SELECT string_agg(CASE WHEN r.values ? c.name THEN quote_nullable(r.values ->> c.name) ELSE 'DEFAULT' END, ', ' ORDER BY c.place) AS row
             FROM unnest(v_columns::text[]) WITH ORDINALITY c (name, place)) v;
    sql := format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES ', (SELECT format('%s.%I', c.relnamespace::regnamespace, c.relname) FROM pg_class c WHERE c.oid = p_table),
        (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place) FROM unnest(v_columns) WITH ORDINALITY c (name, place))) || sql;
END
$sessioncleanup$;

-- name: sessioncleanup_relink
-- Restores the references of rows that are still there, and still refer to nothing, and says how many. Those that a constraint
-- refuses stay as they are.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_relink(p_entries bigint[]) RETURNS bigint
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
        SELECT r."row" -> 'key' AS key, r."row" -> 'set' AS set, c.oid, format('%I.%I', n.nspname, c.relname) AS name, CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END AS only
          FROM "{archive_rows}" r JOIN pg_class c ON c.oid = to_regclass(r."table") AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_roles o ON o.oid = c.relowner
         WHERE r.entry = ANY (p_entries) AND r.unlinked
           AND (o.rolsuper OR c.relowner = (SELECT s.relowner FROM pg_class s WHERE s.oid = "{sessions_literal}"::regclass))
           AND NOT EXISTS (SELECT FROM jsonb_object_keys((r."row" -> 'key') || (r."row" -> 'set')) k (name)
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
