-- name: describe_tables
-- Every table and view outside of the system's schemas, without partitions, with its columns and keys. The keys of the
-- JSON objects are the names of Go fields. No constraint of a table has a type (contypid): so an index finds them. A hidden table is not on the search path $1. With $2, only tables of these names.
SELECT n.nspname, t.relname, (SELECT CASE WHEN o.rolsuper THEN '' ELSE o.rolname::text END FROM pg_catalog.pg_roles o WHERE o.oid = t.relowner), t.relkind::text, n.nspname IS DISTINCT FROM (
           SELECT vn.nspname FROM unnest($1::text[]) WITH ORDINALITY v (name, place) JOIN pg_catalog.pg_namespace vn ON vn.nspname = v.name
             JOIN pg_catalog.pg_class vc ON vc.relnamespace = vn.oid AND vc.relname = t.relname
            ORDER BY v.place LIMIT 1),
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                           'Name', a.attname, 'Type', format_type(a.atttypid, a.atttypmod),
                           'Base', CASE WHEN base.typnamespace = 'pg_catalog'::regnamespace
                                          OR base.typname = 'citext' AND (SELECT o.rolsuper FROM pg_catalog.pg_roles o WHERE o.oid = base.typowner) THEN base.typname ELSE '' END,
                           'Maker', (SELECT CASE WHEN o.rolsuper THEN '' ELSE o.rolname::text END FROM pg_catalog.pg_roles o WHERE o.oid = base.typowner),
                           'Labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = base.oid),
                           'Check', (SELECT pg_get_constraintdef(f.oid) FROM pg_catalog.pg_constraint f
                                      WHERE f.conrelid = t.oid AND f.contypid = 0 AND f.contype = 'c' AND f.conkey = ARRAY[a.attnum] ORDER BY f.conname LIMIT 1),
                           'Unique', EXISTS (SELECT FROM pg_catalog.pg_index i
                                              WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                                                AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum))
                         ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a
                   JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                   JOIN pg_catalog.pg_type base ON base.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
                  WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'sessioncleanup_class'), '[]'),
       ARRAY (SELECT a.attname::text
                FROM pg_catalog.pg_index i
               CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
               WHERE i.indrelid = t.oid AND i.indisprimary AND k.place <= i.indnkeyatts
               ORDER BY k.place),
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                           'Space', pn.nspname, 'Table', p.relname,
                           'Columns', (SELECT jsonb_agg(a.attname ORDER BY k.place)
                                         FROM unnest(f.conkey) WITH ORDINALITY k (attnum, place)
                                         JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
                           'To', (SELECT jsonb_agg(a.attname ORDER BY k.place)
                                    FROM unnest(f.confkey) WITH ORDINALITY k (attnum, place)
                                    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum))
                         ORDER BY f.conkey, f.conname)
                   FROM pg_catalog.pg_constraint f
                   JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
                   JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                  WHERE f.conrelid = t.oid AND f.contypid = 0 AND f.contype = 'f' AND f.conparentid = 0), '[]')
  FROM pg_catalog.pg_class t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT t.relispartition
   AND ($2::text[] IS NULL OR t.relname = ANY ($2)) AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'

-- name: sample_values
-- Some values of a column, from the first rows of the table.
SELECT DISTINCT v.value FROM (SELECT s."{column}"::text AS value FROM "{sessions}" s LIMIT $1) v WHERE v.value IS NOT NULL LIMIT $2
