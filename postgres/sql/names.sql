-- The names that the application's triggers use when they run within a cleanup.

-- name: lost_names
-- Tables and functions that the application's triggers name without a schema, and that are in none of the schemas in which
-- runs look for names: those that sessioncleanup_sweep in schema $2 sets for them. It looks at triggers that a run
-- fires on the sessions $1 and on tables that a deletion reaches, whose functions have no search path of their own, and
-- at what those call. It reads the text of functions, so it may miss a name that is put together, and take a variable
-- for a table.
WITH RECURSIVE path AS (
    SELECT coalesce(replace(m[1], '""', '"'), m[2]) AS space
      FROM pg_catalog.pg_proc f
      JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
     CROSS JOIN substring(f.prosrc FROM $re$set_config\('search_path', '((?:[^']|'')*)'$re$) AS c (setting)
     CROSS JOIN regexp_matches(replace(c.setting, $q$''$q$, $q$'$q$), '"((?:[^"]|"")*)"|([^\s,"]+)', 'g') m
     WHERE n.nspname = $2::text AND f.proname = 'sessioncleanup_sweep'
), reached (oid, action) AS (
    SELECT $1::oid, 'c'::"char"
    UNION
    SELECT f.conrelid, f.confdeltype
      FROM reached r JOIN pg_catalog.pg_constraint f ON f.confrelid = r.oid
     WHERE f.contype = 'f' AND r.action = 'c' AND f.confdeltype IN ('c', 'n', 'd') AND (f.convalidated OR to_jsonb(f) ->> 'conenforced' IS DISTINCT FROM 'false')
), branch (oid, action) AS (
    SELECT r.oid, r.action FROM reached r UNION SELECT p.relid, r.action FROM reached r CROSS JOIN pg_catalog.pg_partition_tree(r.oid) p
), code AS ( -- functions that run with the search path of their caller
    SELECT f.oid, f.proname, n.nspname, regexp_replace(f.prosrc, '--[^\n]*|/\*.*?\*/', ' ', 'g') AS text
      FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace JOIN pg_catalog.pg_language l ON l.oid = f.prolang
     WHERE f.oid >= 16384 AND l.lanname IN ('plpgsql', 'sql') AND coalesce(array_to_string(f.proconfig, ' '), '') NOT LIKE '%search\_path=%'
       AND coalesce(obj_description(f.oid, 'pg_proc'), '') NOT LIKE 'sessioncleanup%'
), run (trigger, oid, text) AS (
    SELECT DISTINCT format('trigger %s on %s.%s', t.tgname, n.nspname, c.relname), f.oid, f.text
      FROM branch b
      JOIN pg_catalog.pg_trigger t ON t.tgrelid = b.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgparentid = 0
      JOIN pg_catalog.pg_class c ON c.oid = b.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN code f ON f.oid = t.tgfoid
     WHERE b.action = 'c' AND t.tgtype & 8 = 8 OR (b.action <> 'c' OR b.oid = $1::oid) AND t.tgtype & 16 = 16
    UNION
    SELECT r.trigger, f.oid, f.text
      FROM run r
     CROSS JOIN regexp_matches(r.text, '(?<![\w.])(\w+)\s*\(', 'g') m
      JOIN code f ON f.proname = lower(m[1]) AND f.nspname IN (SELECT p.space FROM path p)
), named (trigger, function, name) AS (
    SELECT r.trigger, false, coalesce(m[1], lower(m[2]))
      FROM run r CROSS JOIN regexp_matches(r.text, '\m(?:from|join|into|update|only|table|using)\s+(?:"([^"]+)"|\m(\w+)\M)(?!\s*\.)', 'gi') m
    UNION
    SELECT r.trigger, false, lower(m[1]) FROM run r CROSS JOIN regexp_matches(r.text, '(?<![\w.])(\w+)(?:\.\w+)?%(?:row)?type\M', 'gi') m
    UNION
    SELECT r.trigger, true, lower(m[1]) FROM run r CROSS JOIN regexp_matches(r.text, '(?<![\w.])(\w+)\s*\(', 'g') m
), known (function, name, space) AS (
    SELECT false, c.relname, n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION
    SELECT true, f.proname, n.nspname FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
)
SELECT n.trigger, string_agg(DISTINCT k.space || '.' || k.name, ', '), (SELECT string_agg(p.space, ', ') FROM path p WHERE p.space NOT LIKE 'pg\_%')
  FROM named n JOIN known k ON k.function = n.function AND k.name = n.name
 WHERE k.space NOT LIKE 'pg\_%' AND k.space <> 'information_schema'
   AND NOT EXISTS (SELECT FROM known v WHERE v.function = n.function AND v.name = n.name AND v.space IN (SELECT p.space FROM path p))
 GROUP BY n.trigger
 ORDER BY n.trigger;
