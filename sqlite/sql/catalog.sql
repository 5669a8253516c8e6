-- name: list_objects
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid

-- name: list_columns
SELECT name, type, pk, hidden > 1, "notnull", coalesce(dflt_value, '') FROM pragma_table_xinfo(:table) WHERE hidden <> 1 ORDER BY cid

-- name: table_options
-- Whether a table is WITHOUT ROWID, and STRICT.
SELECT coalesce(max(wr), 0), coalesce(max(strict), 0) FROM pragma_table_list(:table) WHERE "schema" = 'main'

-- name: list_foreign_keys
-- A row for each column of a key. "to" is empty where the key refers to the other table's primary key.
SELECT id, "table", "from", coalesce("to", ''), on_delete FROM pragma_foreign_key_list(:table) ORDER BY id, seq

-- name: list_indexes
-- A row for each column of an index, empty for an expression, with its collation.
SELECT i.name, i."unique", i.partial, coalesce(c.name, ''), c.coll
  FROM pragma_index_list(:table) AS i JOIN pragma_index_xinfo(i.name) AS c
 WHERE c."key"
 ORDER BY i.seq, c.seqno

-- name: sample_times
-- The form that most of the newest times of a column have, among those that a form can be told from; and how many times
-- there are.
SELECT coalesce((SELECT form FROM sampled WHERE form IS NOT NULL GROUP BY form ORDER BY count(*) DESC, form LIMIT 1), ''),
       (SELECT count(*) FROM sampled)
  FROM (SELECT 1)

-- name: sampled_times
WITH newest AS (SELECT "{column}" AS v FROM "{table}" WHERE "{column}" IS NOT NULL ORDER BY "{id}" DESC LIMIT 1000),
     sampled AS (
       SELECT CASE WHEN typeof(v) IN ('integer', 'real') OR typeof(v) = 'text' AND v <> '' AND ltrim(v, '-') NOT GLOB '*[^0-9.]*' THEN
                     CASE WHEN CAST(v AS REAL) BETWEEN 2400000 AND 2500000 THEN 'julian'
                          WHEN CAST(v AS REAL) < 31536000 OR "{read_time}" IS NULL OR "{read_time}" > '9999-' THEN NULL
                          WHEN CAST(v AS REAL) < 2.6e11 THEN 'seconds'
                          WHEN CAST(v AS REAL) < 2.6e14 THEN 'milliseconds'
                          WHEN CAST(v AS REAL) < 2.6e17 THEN 'microseconds'
                          ELSE 'nanoseconds' END
                   WHEN typeof(v) = 'text' AND strftime('%Y', v) IS NOT NULL THEN 'text'
                   WHEN typeof(v) = 'text' AND "{read_time}" < '9999-' AND v GLOB '* [-+][0-9][0-9][0-9][0-9] *' THEN 'go' END AS form
         FROM newest)

-- name: times_of_column
-- Without those that stand for never, and for nothing.
SELECT coalesce(min(t), ''), coalesce(max(t), '') FROM (SELECT "{time}" AS t FROM "{table}" WHERE "{where}") WHERE t >= '1971' AND t < '9999'

-- name: unreadable_times
-- How many there are in a column, with an example.
SELECT count(*), coalesce(min(CAST("{column}" AS TEXT)), '') FROM "{table}" WHERE "{where}" AND "{time}" IS NULL AND "{stands}" AND NOT coalesce("{never}", 0)

-- name: list_triggers
SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:table) ORDER BY rowid

-- name: sample_type
SELECT typeof("{column}") FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 1

-- name: find_bad_switch
SELECT CAST("{column}" AS TEXT), typeof("{column}") FROM "{table}" WHERE "{column}" IS NOT NULL AND "{column}" NOT IN (0, 1) LIMIT 1

-- name: find_row
SELECT EXISTS (SELECT 1 FROM "{table}")

-- name: count_unreadable_last_activity
SELECT count(*), coalesce(min(CAST("{last_activity}" AS TEXT)), 'NULL')
  FROM "{sessions}"
 WHERE "{visible}" AND "{last_activity_at}" = '9000-01-01 00:00:00.000' AND NOT coalesce("{last_activity_infinite}", 0)
   AND NOT EXISTS (SELECT 1 FROM sessioncleanup_touches AS n WHERE n.session = "{id}" AND n.at IS NOT NULL)

-- name: count_unreadable_expires_at
SELECT count(*), coalesce(min(CAST("{expires_at}" AS TEXT)), '')
  FROM "{sessions}"
 WHERE "{visible}" AND "{expires_at_at}" = '9000-01-01 00:00:00.000'

-- name: count_unreadable_deactivated_at
SELECT count(*), coalesce(min(CAST("{deactivated_at}" AS TEXT)), '')
  FROM "{sessions}"
 WHERE "{visible}" AND "{active}" IS 0 AND "{deactivated_at}" IS NOT NULL AND "{deactivated_at_time}" IS NULL

-- name: explain_update
EXPLAIN UPDATE "{sessions}" SET "{column}" = "{column}"

-- name: explain_delete
EXPLAIN DELETE FROM "{sessions}"

-- name: count_without_id
SELECT count(*), coalesce(min(quote("{id}")), '') FROM "{sessions}" WHERE "{visible}" AND NOT ("{named}")

-- name: sample_values
-- Some values of a column, from the first rows of the table.
SELECT DISTINCT v.value FROM (SELECT CAST(t."{column}" AS TEXT) AS value FROM "{sessions}" AS t LIMIT :sample) AS v WHERE v.value IS NOT NULL LIMIT :most
