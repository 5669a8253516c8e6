-- What roles lack that Migrate grants: see grants.go.

-- name: lacking_grants
-- Those of the grants ($2: privileges, $3: schemas, $4: tables or empty) that the role $1 does not have, by itself or through another
-- role. A privilege may be on some columns of a table, which are in parentheses.
SELECT g.privilege, g.space, g."table"
  FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY g (privilege, space, "table", place)
 CROSS JOIN LATERAL (SELECT to_regclass(format('%I.%I', g.space, g."table"))::oid AS oid, split_part(g.privilege, '(', 1) AS privilege,
                            string_to_array(nullif(rtrim(split_part(g.privilege, '(', 2), ')'), ''), ',') AS columns) t
 WHERE NOT coalesce(CASE WHEN g."table" = '' THEN has_schema_privilege($1::name, to_regnamespace(quote_ident(g.space))::oid, g.privilege)
                         WHEN t.columns IS NULL THEN has_table_privilege($1::name, t.oid, t.privilege)
                         ELSE (SELECT bool_and(has_column_privilege($1::name, t.oid, c.name, t.privilege)) FROM unnest(t.columns) c (name)) END, false)
 ORDER BY g.place;

-- name: has_functions
-- Whether all of the functions $3 in schema $2 exist, and were granted to the role $1. Nobody calls those of triggers.
SELECT NOT EXISTS (
    SELECT FROM unnest($3::text[]) w (name)
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
                        WHERE n.nspname = $2::text AND f.proname = w.name
                          AND (f.prorettype = 'trigger'::regtype
                               OR EXISTS (SELECT FROM aclexplode(f.proacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE r.rolname = $1::name))));
