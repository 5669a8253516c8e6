-- Whether the use of a row of an activity table is noticed.

-- name: probe_row
SELECT rowid FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1

-- name: probe_forget
DELETE FROM sessioncleanup_touches WHERE session = (SELECT "{column}" FROM "{table}" WHERE rowid = :row)

-- name: probe_use
UPDATE "{table}" SET "{column}" = "{column}" WHERE rowid = :row

-- name: probe_noted
SELECT EXISTS (SELECT 1 FROM sessioncleanup_touches WHERE session = (SELECT "{column}" FROM "{table}" WHERE rowid = :row) AND at IS NOT NULL)
