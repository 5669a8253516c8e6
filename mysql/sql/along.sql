-- name: refer
-- Rows of a table that refer to some rows of another one.
SELECT DISTINCT "{columns}" FROM "{child}" AS c JOIN "{parent}" AS p ON "{refers}" WHERE ("{key}") IN ("{rows}")
