-- name: list_objects
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid

-- name: list_columns
SELECT name, type, pk FROM pragma_table_xinfo(:table) WHERE hidden <> 1 ORDER BY cid

-- name: is_without_rowid
SELECT coalesce(max(wr), 0) FROM pragma_table_list(:table) WHERE "schema" = 'main'

-- name: list_foreign_keys
-- Keys of one column. "to" is empty where the key refers to the other table's primary key.
SELECT "table", "from", coalesce("to", ''), on_delete
  FROM pragma_foreign_key_list(:table)
 GROUP BY id
HAVING count(*) = 1
 ORDER BY id

-- name: list_indexes
-- The first column of each index, empty for an expression, and the number of columns.
SELECT i.name, i."unique", i.partial, coalesce(max(CASE c.seqno WHEN 0 THEN c.name END), ''), count(*)
  FROM pragma_index_list(:table) AS i JOIN pragma_index_info(i.name) AS c
 GROUP BY i.seq
 ORDER BY i.seq

-- name: sample_times
-- What the newest times of a column look like: how many are numbers, how large, and how many are as Go writes them.
SELECT count(*), coalesce(sum(typeof(v) IN ('integer', 'real')), 0),
       coalesce(max(CASE WHEN typeof(v) IN ('integer', 'real') THEN abs(v) END), 0),
       coalesce(sum(typeof(v) = 'text' AND "{read_text}" IS NULL AND "{read_go}" IS NOT NULL), 0)
  FROM (SELECT "{column}" AS v FROM "{table}" WHERE "{column}" IS NOT NULL ORDER BY "{id}" DESC LIMIT 1000)

-- name: sample_type
SELECT typeof("{column}") FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1

-- name: find_bad_switch
SELECT CAST("{column}" AS TEXT), typeof("{column}") FROM "{table}" WHERE "{column}" IS NOT NULL AND "{column}" NOT IN (0, 1) LIMIT 1

-- name: find_row
SELECT EXISTS (SELECT 1 FROM "{table}")

-- name: count_unreadable_last_activity
SELECT count(*), coalesce(min(CAST("{last_activity}" AS TEXT)), 'NULL')
  FROM "{sessions}"
 WHERE "{last_activity_time}" IS NULL

-- name: count_unreadable_expires_at
SELECT count(*), coalesce(min(CAST("{expires_at}" AS TEXT)), '')
  FROM "{sessions}"
 WHERE "{expires_at}" IS NOT NULL AND "{expires_at_time}" IS NULL

-- name: count_without_id
SELECT count(*), '' FROM "{sessions}" WHERE "{id}" IS NULL
