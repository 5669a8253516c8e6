-- Where things are that Migrate added, by their numbers in the catalog.

-- name: locate
SELECT o.kind, o.space, coalesce(o."table", ''), o.name, coalesce(c.oid, n.oid), coalesce(a.attnum, 0)::int, coalesce(r.oid, 0)
  FROM jsonb_to_recordset($1::text::jsonb) AS o (kind text, space text, "table" text, name text)
  JOIN pg_catalog.pg_namespace n ON n.nspname = o.space
  LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o."table"
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = o.name AND NOT a.attisdropped AND o.kind IN ('column', 'default')
  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = substr(o.name, strpos(o.name, ' ') + 1) AND o.kind = 'grant'
 WHERE o.kind IN ('column', 'default', 'grant') AND (c.oid IS NOT NULL OR o."table" IS NULL)
 ORDER BY 1, 2, 3, 4;

-- name: relocate
-- The objects that locate found ($1), with their current names, in the database in which the settings have the number $2.
SELECT o.kind, o.space, coalesce(o."table", ''), o.name,
       CASE WHEN o."table" IS NULL THEN coalesce(n.nspname, o.space) ELSE coalesce(c.nspname, o.space) END::text,
       coalesce(c.relname, o."table", '')::text,
       CASE o.kind WHEN 'grant' THEN substr(o.name, 1, strpos(o.name, ' ')) || coalesce(r.rolname, substr(o.name, strpos(o.name, ' ') + 1))
            ELSE coalesce(a.attname, o.name) END::text
  FROM jsonb_to_recordset($1::text::jsonb) AS o (kind text, space text, "table" text, name text, oid oid, "column" int, role oid)
  JOIN pg_catalog.pg_class self ON self.oid = $2::oid AND self.relname = 'sessioncleanup_settings'
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oid AND o."table" IS NULL
  LEFT JOIN (SELECT c.oid, c.relname, s.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace) c
         ON c.oid = o.oid AND o."table" IS NOT NULL
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = o."column" AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = o.role;
