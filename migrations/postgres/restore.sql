-- Restores from the archive, with the rights of the owner of the sessions. archive.sql says how values are kept in it.

-- name: sessioncleanup_restore
-- Brings entries of the archive back, all of them or none, with their event. Reasons against it are in obstacles, an array of
-- objects; then, and with p_dry, nothing is changed. Tables are filled in an order in which what a foreign key refers to comes
-- first; those that refer to each other are filled by one statement. The sessions of the entries p_new get new ids.
-- When that fails, each row is tried by itself, to say what is in the way. Rows only come back into tables of the owner
-- of the sessions or of a superuser: their triggers run with the rights of the former.
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
    row_count := (SELECT coalesce(sum(r.row_count), 0) FROM "{archive_rows}" r WHERE r.entry = ANY (restored) AND NOT r.unlinked);
    -- What can be told from the catalog.
    WITH parts AS (
        SELECT a.id AS entry, a."table", true AS own FROM "{archive}" a WHERE a.id = ANY (restored)
         UNION ALL
        SELECT r.entry, r."table", false FROM "{archive_rows}" r WHERE r.entry = ANY (restored) AND NOT r.unlinked
    ), t AS (
        SELECT p."table" AS name, CASE WHEN bool_or(p.own) THEN v_sessions ELSE to_regclass(p."table")::oid END AS oid
          FROM parts p WHERE p."table" <> 'sessioncleanup_tags' GROUP BY p."table"
    ), known AS (
        SELECT t.name, t.oid, c.oid IS NOT NULL AND c.relkind IN ('r', 'p') AS there, c.relowner = (SELECT s.relowner FROM pg_class s WHERE s.oid = v_sessions) OR o.rolsuper AS trusted
          FROM t LEFT JOIN pg_class c ON c.oid = t.oid LEFT JOIN pg_roles o ON o.oid = c.relowner
    ), wrong AS (
        SELECT p.entry, 'table' AS kind, k.name, CASE WHEN k.there THEN 'the table belongs to another role than the sessions' ELSE 'the table is gone' END AS text
          FROM known k JOIN parts p ON p."table" = k.name
         WHERE NOT k.there OR NOT k.trusted
         UNION
        SELECT r.entry, 'column', k.name, format('the column %I is gone', v.key)
          FROM known k JOIN "{archived_each}" r ON r."table" = k.name AND r.entry = ANY (restored) AND NOT r.unlinked
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
        PERFORM "{space}".sessioncleanup_retag(restored, new_ids);
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
                           JOIN "{archived_each}" r ON r."table" = m.name AND r.entry = ANY (restored) AND NOT r.unlinked
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

-- name: sessioncleanup_retag
-- Gives the sessions of entries their tags again, whatever session a row names: a forged file must not tag others.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_retag(p_entries bigint[], p_ids jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    INSERT INTO "{tags}" (session_id, tag)
    SELECT coalesce(i.new, a.session_id)::"{id_type}", r."row" ->> 'tag'
      FROM "{archived_each}" r JOIN "{archive}" a ON a.id = r.entry
      LEFT JOIN jsonb_to_recordset(p_ids) i (entry bigint, new text) ON i.entry = r.entry
     WHERE r.entry = ANY (p_entries) AND r."table" = 'sessioncleanup_tags'
       AND NOT "{restored_of_columns}" -- a trigger makes these
        ON CONFLICT DO NOTHING;
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
    SELECT a.id INTO entry FROM "{archive}" a WHERE a.session_id = session_id::text COLLATE "C" ORDER BY a.id DESC LIMIT 1;
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
              FROM "{archived_each}" r
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
          FROM "{archived_each}" r JOIN pg_class c ON c.oid = to_regclass(r."table") AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
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
