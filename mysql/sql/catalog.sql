-- What is in the database of the connection. Its name is asked for in each table of the information schema, or else the
-- server looks into all databases.

-- name: list_tables
SELECT table_name, table_type, COALESCE(engine, ''), COALESCE(row_format IN ('Compact', 'Redundant'), FALSE) FROM information_schema.tables WHERE table_schema = DATABASE()

-- name: folds_tables
SELECT @@lower_case_table_names <> 0

-- name: list_columns
SELECT table_name, column_name, column_type, LOWER(data_type), COALESCE(datetime_precision, 0), COALESCE(collation_name, ''), COALESCE(character_set_name, ''), COALESCE(character_octet_length, 0),
       is_nullable = 'YES', extra
  FROM information_schema.columns
 WHERE table_schema = DATABASE()
 ORDER BY table_name, ordinal_position

-- name: list_indexes
SELECT table_name, index_name, non_unique = 0, COALESCE(column_name, '')
  FROM information_schema.statistics
 WHERE table_schema = DATABASE()
 ORDER BY table_name, index_name, seq_in_index

-- name: list_foreign_keys
SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule
  FROM information_schema.key_column_usage AS k
  JOIN information_schema.referential_constraints AS r
    ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
 WHERE k.table_schema = DATABASE() AND k.constraint_schema = DATABASE() AND r.constraint_schema = DATABASE() AND k.referenced_table_schema = DATABASE()
 ORDER BY k.table_name, k.constraint_name, k.ordinal_position

-- name: list_triggers
-- Who may not create triggers does not see what they do.
SELECT trigger_name, event_object_table, COALESCE(action_statement, '') FROM information_schema.triggers WHERE trigger_schema = DATABASE()

-- name: list_checks
SELECT t.table_name, c.check_clause
  FROM information_schema.table_constraints AS t
  JOIN information_schema.check_constraints AS c
    ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
 WHERE t.table_schema = DATABASE() AND t.constraint_schema = DATABASE() AND c.constraint_schema = DATABASE() AND t.constraint_type = 'CHECK'

-- name: times_of_column
-- Without those that stand for never, and for nothing.
SELECT MIN("{time}"), MAX("{time}") FROM "{table}" AS t WHERE "{visible}" AND "{time}" >= '1971-01-01' AND "{time}" < '9000-01-01'

-- name: newest_rows
(SELECT "{column}" FROM "{table}" ORDER BY "{key}" LIMIT 100000)

-- name: server_zone
-- The zone of connections that set none, and by how many minutes its clocks are ahead of UTC, now and in half a year.
SELECT IF(@@global.time_zone = 'SYSTEM', @@system_time_zone, @@global.time_zone),
       COALESCE(TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone)), 0),
       COALESCE(TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP() + INTERVAL 6 MONTH, CONVERT_TZ(UTC_TIMESTAMP() + INTERVAL 6 MONTH, '+00:00', @@global.time_zone)), 0)

-- name: has_rows
SELECT EXISTS (SELECT 1 FROM "{table}")

-- name: find_oldest_transaction
SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx
 WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) ORDER BY trx_started LIMIT 1

-- name: wait_for_no_table
SET SESSION lock_wait_timeout = 0, SESSION wait_timeout = 28800 /*M!100600 , SESSION max_statement_time = 0 */

-- name: sample_values
-- Some values of a column, from the first rows of the table.
SELECT DISTINCT v.value FROM (SELECT CAST(t."{column}" AS CHAR) AS value FROM "{sessions}" AS t LIMIT :sample) AS v WHERE v.value IS NOT NULL LIMIT :most
