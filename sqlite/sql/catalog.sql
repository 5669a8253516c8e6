-- name: list_objects
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid

-- name: list_columns
SELECT name, type, "notnull", pk FROM pragma_table_xinfo(:table) WHERE hidden <> 1 ORDER BY cid

-- name: is_without_rowid
SELECT coalesce(max(wr), 0) FROM pragma_table_list(:table) WHERE "schema" = 'main'

-- name: list_foreign_keys
-- One row for each column of each key. "to" is empty where the key refers to the other table's primary key.
SELECT id, "table", "from", coalesce("to", ''), on_delete FROM pragma_foreign_key_list(:table) ORDER BY id, seq

-- name: list_indexes
-- The columns of each index in order; NULL for an expression.
SELECT i.name, i."unique", i.partial, coalesce(c.name, '')
  FROM pragma_index_list(:table) AS i JOIN pragma_index_info(i.name) AS c
 ORDER BY i.seq, c.seqno

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

-- name: sqlite_version
-- As SQLITE_VERSION_NUMBER has it: 3.54.1 is 3054001.
WITH RECURSIVE parts (rest, number, n) AS (
  SELECT sqlite_version() || '.', 0, 0
  UNION ALL
  SELECT substr(rest, instr(rest, '.') + 1), number * 1000 + CAST(substr(rest, 1, instr(rest, '.') - 1) AS INTEGER), n + 1
    FROM parts WHERE n < 3)
SELECT number FROM parts WHERE n = 3

-- name: has_table
SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table)

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

-- name: is_small
SELECT count(*) <= :limit FROM (SELECT 1 FROM "{table}" LIMIT :limit + 1)
