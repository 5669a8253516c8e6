-- Whether the use of a row of an activity table is noticed: see probe.go.

-- name: probe_row
SELECT c.ctid, c.tableoid, (SELECT coalesce(max(t.id), 0) FROM "{touches}" t) FROM "{source}" c WHERE c."{session}" IS NOT NULL LIMIT 1;

-- name: probe_use
-- The search path is the application's here.
UPDATE "{source}" SET "{session}" = "{session}"
 WHERE ctid OPERATOR(pg_catalog.=) $1::pg_catalog.tid AND tableoid OPERATOR(pg_catalog.=) $2::pg_catalog.oid;

-- name: probe_noted
SELECT EXISTS (SELECT FROM "{touches}" t WHERE t.id > $1::bigint);
