-- Dependencies that keep Migrate and Uninstall from dropping something.

-- name: blockers
-- The objects that depend on those about to be dropped, directly or through others, and are not among them: $1 are objects that
-- Migrate made, $2 the numbers of other relations and functions, $3 a relation that is not dropped. With columns and views
-- the server would also drop, silently, indexes, constraints, triggers and rules: those count, too (autos).
WITH RECURSIVE object AS (
    SELECT o.* FROM jsonb_to_recordset($1::text::jsonb) AS o (kind text, space text, "table" text, name text)
), tree (root, oid) AS ( -- a table with its partitions and heirs
    SELECT t.oid, t.oid FROM (SELECT DISTINCT to_regclass(format('%I.%I', o.space, o."table"))::oid AS oid FROM object o WHERE o.kind IN ('column', 'type')) t
    UNION
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
), doomed (class, oid, sub, autos) AS (
    SELECT 'pg_class'::regclass::oid, c.oid, 0, o.kind = 'view'
      FROM object o JOIN pg_catalog.pg_class c ON c.oid = to_regclass(format('%I.%I', o.space, o.name))
     WHERE o.kind IN ('table', 'index') OR o.kind = 'view' AND obj_description(c.oid, 'pg_class') LIKE 'sessioncleanup%'
    UNION ALL
    SELECT 'pg_class'::regclass, t.oid, a.attnum, o.kind = 'column'
      FROM object o
      JOIN tree t ON t.root = to_regclass(format('%I.%I', o.space, o."table"))
      JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = o.name AND NOT a.attisdropped
     WHERE o.kind IN ('column', 'type')
    UNION ALL
    SELECT 'pg_trigger'::regclass, g.oid, 0, false
      FROM object o JOIN pg_catalog.pg_trigger g ON g.tgrelid = to_regclass(format('%I.%I', o.space, o."table")) AND g.tgname = o.name
     WHERE o.kind = 'trigger'
    UNION ALL
    SELECT 'pg_proc'::regclass, f.oid, 0, false
      FROM object o
      JOIN pg_catalog.pg_namespace n ON n.nspname = o.space
      JOIN pg_catalog.pg_proc f ON f.pronamespace = n.oid AND f.proname = o.name
     WHERE o.kind = 'function' AND obj_description(f.oid, 'pg_proc') LIKE 'sessioncleanup%'
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, 0, false FROM pg_catalog.pg_class c WHERE c.oid = ANY ($2::oid[])
    UNION ALL
    SELECT 'pg_proc'::regclass, f.oid, 0, false FROM pg_catalog.pg_proc f WHERE f.oid = ANY ($2::oid[])
), reached (class, oid, sub, autos, own, shown) AS (
    SELECT d.class, d.oid, d.sub, d.autos, true, false FROM doomed d
    UNION
    SELECT n.class, n.oid, n.sub, false, r.own AND n.along, NOT n.along
      FROM reached r
      JOIN pg_catalog.pg_depend d ON d.refclassid = r.class AND d.refobjid = r.oid AND (r.sub = 0 OR d.refobjsubid = r.sub)
      LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
     CROSS JOIN LATERAL (SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END AS class, -- a view stands for its rule
                                coalesce(w.ev_class, d.objid) AS oid, d.objsubid AS sub,
                                d.deptype IN ('i', 'P', 'S') OR d.deptype = 'a' AND r.sub = 0 AND NOT r.autos AS along) n
     WHERE n.oid IS DISTINCT FROM to_regclass($3::text) AND (w.oid IS NULL OR n.oid <> r.oid)
       AND (d.deptype <> 'a' OR r.own)
       AND (d.deptype <> 'a' OR r.sub = 0 OR r.autos
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.contype = 'n'))
)
SELECT DISTINCT pg_describe_object(r.class, r.oid, r.sub) AS words
  FROM reached r
 WHERE r.shown AND r.class <> 'pg_type'::regclass
   AND NOT EXISTS (SELECT FROM reached o WHERE o.own AND o.class = r.class AND o.oid = r.oid AND o.sub IN (0, r.sub))
   AND NOT EXISTS (SELECT FROM reached o JOIN pg_catalog.pg_attrdef f ON f.adrelid = o.oid AND f.adnum = o.sub
                    WHERE r.class = 'pg_attrdef'::regclass AND f.oid = r.oid AND o.class = 'pg_class'::regclass)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend p WHERE p.classid = r.class AND p.objid = r.oid AND p.deptype = 'P')
 ORDER BY 1;
