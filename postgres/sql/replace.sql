-- Objects of an earlier installation: Migrate replaces them, and Uninstall creates them again.

-- name: may_conflict
-- Whether there is anything without the library's mark that conflicts may be about, with the same parameters. Mostly there is not,
-- and conflicts takes long to plan.
WITH marked AS MATERIALIZED (
    SELECT d.classoid, d.objoid FROM pg_catalog.pg_description d WHERE d.objsubid = 0 AND d.description LIKE 'sessioncleanup%'
)
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                WHERE t.tgrelid = ANY ($3::oid[]) AND NOT t.tgisinternal AND t.tgtype & 1 = 1
                  AND NOT EXISTS (SELECT FROM marked m WHERE m.classoid = 'pg_proc'::regclass AND m.objoid = t.tgfoid))
    OR EXISTS (SELECT FROM pg_catalog.pg_class c
                WHERE c.relnamespace = n.oid AND c.relname IN ('sessions_cleanup_view', 'sessions_archive_view')
                  AND (c.relkind <> 'v' OR NOT EXISTS (SELECT FROM marked m WHERE m.classoid = 'pg_class'::regclass AND m.objoid = c.oid)))
    OR EXISTS (SELECT FROM pg_catalog.pg_proc f
                WHERE f.pronamespace = n.oid AND f.proname = ANY ($2::text[])
                  AND NOT EXISTS (SELECT FROM marked m WHERE m.classoid = 'pg_proc'::regclass AND m.objoid = f.oid))
  FROM (SELECT (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1::text)) n (oid);

-- name: conflicts
-- The application's objects that have the names of those that Migrate creates ($1: the schema, $2: the functions), and its row triggers
-- that write the last activity of sessions ($3: the tables that may have them, $4 and $5: patterns). Triggers come first, then
-- the view, so that each can be dropped. With the search path set here, definitions come with the schema of every name.
-- To make something again is: its definition, its owner, its privileges in full, its comments, and what belongs to it. It needs
-- the tables, columns, functions and roles that it names: Uninstall looks for them before it removes anything.
WITH path AS MATERIALIZED (
    SELECT set_config('search_path', 'pg_catalog', true) AS set
), found AS (
    SELECT 1 AS place, 'trigger' AS kind, t.oid, format('trigger %s on %s.%s', t.tgname, n.nspname, c.relname) AS words,
           format('DROP TRIGGER %I ON %I.%I;', t.tgname, n.nspname, c.relname) AS drop,
           ARRAY[pg_get_triggerdef(t.oid) || ';',
                 format('ALTER TABLE %I.%I %s TRIGGER %I;', n.nspname, c.relname, s.state, t.tgname),
                 format('COMMENT ON TRIGGER %I ON %I.%I IS %L;', t.tgname, n.nspname, c.relname, obj_description(t.oid, 'pg_trigger'))] AS make,
           jsonb_build_array(jsonb_build_object('table', format('%I.%I', n.nspname, c.relname)), jsonb_build_object('function', f.oid::regprocedure)) AS needs
      FROM path
     CROSS JOIN pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
     CROSS JOIN LATERAL (SELECT CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END AS state) s
     WHERE t.tgrelid = ANY ($3::oid[]) AND NOT t.tgisinternal AND t.tgtype & 1 = 1 AND f.prosrc ~* $4::text AND f.prosrc ~* $5::text
       AND coalesce(obj_description(f.oid, 'pg_proc'), '') NOT LIKE 'sessioncleanup%'
    UNION ALL
    SELECT 2, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'relation' END, c.oid, format('view %s', c.relname), format('DROP VIEW %s;', v.path),
           ARRAY[format('CREATE VIEW %s%s AS %s', v.path, ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)),
                 format('ALTER VIEW %s OWNER TO %I;', v.path, pg_get_userbyid(c.relowner)),
                 CASE WHEN c.relacl IS NOT NULL THEN format('REVOKE ALL ON %s FROM PUBLIC, %I;', v.path, pg_get_userbyid(c.relowner)) END]
           || ARRAY(SELECT format('GRANT %s ON %s TO %s;', a.privilege_type, v.path, g.grantee)
                      FROM aclexplode(c.relacl) a CROSS JOIN LATERAL (SELECT concat(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                                                                                    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) AS grantee) g)
           || ARRAY(SELECT format('GRANT %s (%I) ON %s TO %s;', a.privilege_type, t.attname, v.path, g.grantee)
                      FROM pg_catalog.pg_attribute t CROSS JOIN aclexplode(t.attacl) a
                     CROSS JOIN LATERAL (SELECT concat(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                                                       CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) AS grantee) g
                     WHERE t.attrelid = c.oid)
           || ARRAY(SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s;', v.path, t.attname, pg_get_expr(d.adbin, d.adrelid))
                      FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute t ON t.attrelid = d.adrelid AND t.attnum = d.adnum WHERE d.adrelid = c.oid)
           || ARRAY(SELECT pg_get_triggerdef(t.oid) || ';' FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
           || ARRAY(SELECT format('COMMENT ON TRIGGER %I ON %s IS %L;', t.tgname, v.path, obj_description(t.oid, 'pg_trigger'))
                      FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND obj_description(t.oid, 'pg_trigger') IS NOT NULL)
           || ARRAY(SELECT pg_get_ruledef(w.oid) FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN')
           || ARRAY(SELECT format('COMMENT ON RULE %I ON %s IS %L;', w.rulename, v.path, obj_description(w.oid, 'pg_rewrite'))
                      FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND obj_description(w.oid, 'pg_rewrite') IS NOT NULL)
           || ARRAY(SELECT format('COMMENT ON COLUMN %s.%I IS %L;', v.path, t.attname, col_description(c.oid, t.attnum))
                      FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND col_description(c.oid, t.attnum) IS NOT NULL)
           || format('COMMENT ON VIEW %s IS %L;', v.path, obj_description(c.oid, 'pg_class')),
           (SELECT jsonb_agg(jsonb_build_object('role', a.grantee::regrole))
              FROM (SELECT c.relowner UNION SELECT e.grantee FROM aclexplode(c.relacl) e
                     UNION SELECT e.grantee FROM pg_catalog.pg_attribute t CROSS JOIN aclexplode(t.attacl) e WHERE t.attrelid = c.oid) a (grantee)
             WHERE a.grantee <> 0)
           || (SELECT coalesce(jsonb_agg(jsonb_build_object('table', format('%I.%I', rn.nspname, r.relname), 'column', a.attname)), '[]')
                 FROM pg_catalog.pg_rewrite w
                 JOIN pg_catalog.pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
                 JOIN pg_catalog.pg_class r ON r.oid = d.refobjid
                 JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = nullif(d.refobjsubid, 0)
                WHERE w.ev_class = c.oid AND r.oid <> c.oid)
      FROM path
     CROSS JOIN pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, c.relname) AS path) v
     WHERE n.nspname = $1::text AND c.relname IN ('sessions_cleanup_view', 'sessions_archive_view')
       AND (c.relkind <> 'v' OR coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'sessioncleanup%')
    UNION ALL
    SELECT 3, 'function', f.oid, format('function %s(%s)', f.proname, pg_get_function_identity_arguments(f.oid)), format('DROP ROUTINE %s;', r.path),
           ARRAY[pg_get_functiondef(f.oid) || ';',
                 format('ALTER ROUTINE %s OWNER TO %I;', r.path, pg_get_userbyid(f.proowner)),
                 CASE WHEN f.proacl IS NOT NULL THEN format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I;', r.path, pg_get_userbyid(f.proowner)) END]
           || ARRAY(SELECT format('GRANT EXECUTE ON ROUTINE %s TO %s%s;', r.path,
                                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                                  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
                      FROM aclexplode(f.proacl) a)
           || format('COMMENT ON ROUTINE %s IS %L;', r.path, obj_description(f.oid, 'pg_proc')),
           (SELECT jsonb_agg(jsonb_build_object('role', a.grantee::regrole))
              FROM (SELECT f.proowner UNION SELECT e.grantee FROM aclexplode(f.proacl) e) a (grantee) WHERE a.grantee <> 0)
      FROM path
     CROSS JOIN pg_catalog.pg_proc f
      JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
     CROSS JOIN LATERAL (SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)) AS path) r
     WHERE n.nspname = $1::text AND f.proname = ANY ($2::text[]) AND f.prokind IN ('f', 'p')
       AND coalesce(obj_description(f.oid, 'pg_proc'), '') NOT LIKE 'sessioncleanup%'
)
SELECT f.kind, f.oid, f.words, f.drop, array_remove(f.make, NULL), f.needs FROM found f ORDER BY f.place, f.words;

-- name: lost_needs
-- Which of the things that something replaced needs ($1) do not exist.
SELECT DISTINCT CASE WHEN n."table" IS NOT NULL THEN concat(n."table", '.' || n."column") ELSE coalesce(n.function, 'role ' || n.role) END
  FROM jsonb_to_recordset($1::text::jsonb) AS n ("table" text, "column" text, function text, role text)
 WHERE n."table" IS NOT NULL AND (to_regclass(n."table") IS NULL OR n."column" IS NOT NULL AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass(n."table") AND a.attname = n."column" AND NOT a.attisdropped))
    OR n.function IS NOT NULL AND to_regprocedure(n.function) IS NULL
    OR n.role IS NOT NULL AND to_regrole(n.role) IS NULL
 ORDER BY 1;
