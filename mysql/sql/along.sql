-- name: refer
-- Rows of a table that refer to some rows of another one.
SELECT DISTINCT "{columns}" FROM "{child}" AS c JOIN "{parent}" AS p ON "{refers}" WHERE ("{key}") IN ("{rows}")

-- name: dependent_rows
SELECT "{key}" FROM "{seen}" JOIN "{sessions}" AS r0 ON r0."{id_column}" = t.id "{joins}" WHERE "{condition}"

-- name: count_dependents
SELECT COUNT(*) FROM (SELECT 1 FROM ("{rows}") AS found LIMIT :count_up_to) AS counted
