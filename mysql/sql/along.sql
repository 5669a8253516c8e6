-- name: refer
-- Rows of a table that refer to some rows of another one.
SELECT DISTINCT "{columns}" FROM "{child}" AS c JOIN "{parent}" AS p ON "{refers}" WHERE ("{key}") IN ("{rows}")

-- name: dependent_rows
SELECT "{key}" FROM "{seen}" JOIN "{sessions}" AS r0 ON r0."{id_column}" = t.id "{joins}" WHERE "{condition}"

-- name: count_dependents
SELECT COUNT(*) FROM (SELECT 1 FROM ("{rows}") AS found LIMIT :count_up_to) AS counted

-- name: count_going
SELECT COUNT(*) FROM "{chosen}" "{joins}"

-- name: row_sizes
SELECT table_name, COALESCE((data_length + index_length) / NULLIF(table_rows, 0), 0) FROM information_schema.tables
 WHERE table_schema = DATABASE() AND table_name IN (:tables)
