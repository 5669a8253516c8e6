-- Moving what is deleted into the archive. A deletion first finds the rows that it reaches, in temporary tables, one
-- for each table to which others refer, with the columns that these refer to. It locks every row that it reads, so that
-- what is archived is what is deleted.

-- name: create_found
CREATE TEMPORARY TABLE "{found}" (n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, entry BIGINT NOT NULL DEFAULT 0, round INT NOT NULL DEFAULT 0, UNIQUE KEY found ("{key}"))
ENGINE = InnoDB ROW_FORMAT = DYNAMIC SELECT "{columns}" FROM "{table}" AS c WHERE FALSE

-- name: drop_found
DROP TEMPORARY TABLE IF EXISTS "{found}"

-- name: without_waiting
/*M!100600 SET STATEMENT innodb_lock_wait_timeout = 0 FOR */

-- name: find_sessions
INSERT INTO "{found}" (entry, round, "{columns}")
SELECT u.entry, 0, "{its_columns}"
  FROM JSON_TABLE(:chosen, '$[*]' COLUMNS (id "{listed_type}" PATH '$[0]', entry BIGINT PATH '$[1]')) AS u
  STRAIGHT_JOIN "{sessions}" AS c FORCE INDEX ("{id_index}") ON c."{id_column}" = "{listed_id}"

-- name: find_rows
"{patience}" INSERT INTO "{found}" (entry, round, "{columns}")
SELECT MIN(f.entry), :round + 1, "{its_columns}"
  FROM "{found_parent}" AS f STRAIGHT_JOIN "{child}" AS c "{index}" ON "{refers}"
 WHERE f.round = :round AND NOT EXISTS (SELECT 1 FROM "{found}" AS g WHERE "{same}")
 GROUP BY "{its_key}" ORDER BY MIN(f.n) LIMIT :most FOR UPDATE

-- name: finds_others
SELECT EXISTS (SELECT 1 FROM "{found_parent}" AS f STRAIGHT_JOIN "{child}" AS c "{index}" ON "{refers}"
                WHERE NOT EXISTS (SELECT 1 FROM "{found}" AS g WHERE "{same}"))

-- name: keep_found
-- Rows of a table to which others refer.
"{patience}" INSERT INTO sessioncleanup_archive_rows (entry, of_table, unlinked, content)
SELECT f.entry, :table, FALSE, "{content}"
  FROM "{found}" AS f STRAIGHT_JOIN "{table}" AS c "{index}" ON "{same}"
 ORDER BY f.n FOR UPDATE

-- name: keep_referring
-- Rows that refer to rows that are found, unless they were kept, or are deleted, because of another reference.
"{patience}" INSERT INTO sessioncleanup_archive_rows (entry, of_table, unlinked, content)
SELECT f.entry, :table, "{is_unlinked}", "{content}"
  FROM "{found_parent}" AS f STRAIGHT_JOIN "{child}" AS c "{index}" ON "{refers}"
 WHERE "{not_kept}"
 ORDER BY f.n LIMIT :most FOR UPDATE

-- name: keep_tags
-- The tags of the sessions, as rows of their table.
INSERT INTO sessioncleanup_archive_rows (entry, of_table, unlinked, content)
SELECT f.entry, :table, FALSE, JSON_OBJECT('tag', g.tag)
  FROM "{found}" AS f STRAIGHT_JOIN "{sessions}" AS t FORCE INDEX ("{id_index}") ON t."{id_column}" = f."{id_column}"
  STRAIGHT_JOIN sessioncleanup_tags AS g ON g.session_id = "{id}" AND g.since = "{born}"
 ORDER BY f.n, g.tag

-- name: note_tags
UPDATE sessioncleanup_archive AS a
  JOIN (SELECT f.entry, GROUP_CONCAT(g.tag ORDER BY g.tag SEPARATOR ' ') AS tags
          FROM "{found}" AS f STRAIGHT_JOIN "{sessions}" AS t FORCE INDEX ("{id_index}") ON t."{id_column}" = f."{id_column}"
          STRAIGHT_JOIN sessioncleanup_tags AS g ON g.session_id = "{id}" AND g.since = "{born}"
         GROUP BY f.entry) AS s ON s.entry = a.id
   SET a.tags = s.tags

-- name: not_referring
NOT EXISTS (SELECT 1 FROM "{found_parent}" AS g WHERE "{refers}")

-- name: force_index
FORCE INDEX ("{name}")

-- name: insert_archived
INSERT INTO sessioncleanup_archive (session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, tags) VALUES "{rows}"

-- name: id_step
SELECT @@auto_increment_increment

-- name: insert_archived_row
INSERT INTO sessioncleanup_archive_rows (entry, of_table, unlinked, content) VALUES (:entry, :table, :unlinked, :content)

-- name: archived_sizes
-- The last column says whether the server could not send one of the rows.
SELECT entry, COUNT(*) - 1, SUM(LENGTH(content)), MAX(LENGTH(content)) > @@max_allowed_packet - 1024 FROM sessioncleanup_archive_rows WHERE entry IN (:entries) GROUP BY entry

-- name: note_sizes
UPDATE sessioncleanup_archive AS a
  JOIN (SELECT entry, COUNT(*) - 1 AS row_count, SUM(LENGTH(content)) AS bytes FROM sessioncleanup_archive_rows WHERE entry IN (:entries) GROUP BY entry) AS s ON s.entry = a.id
   SET a.row_count = s.row_count, a.bytes = s.bytes

-- name: list_constraints
-- The foreign keys of the database, without their columns: those take many times as long.
SELECT table_name, constraint_name, referenced_table_name, delete_rule FROM information_schema.referential_constraints
 WHERE constraint_schema = DATABASE() ORDER BY table_name, constraint_name

-- name: list_foreign_children
-- Tables of other databases that refer to one of this.
SELECT constraint_schema, table_name, referenced_table_name, delete_rule FROM information_schema.referential_constraints
 WHERE unique_constraint_schema = DATABASE() AND constraint_schema <> DATABASE()

-- name: show_table
SHOW CREATE TABLE "{table}"

-- A row as JSON. A text that is too long for the server is NULL, which the archive refuses.

-- name: archived_object
CONCAT('{', "{parts}", '}')

-- name: archived_part
CONVERT(X'"{name}"' USING utf8mb4), IF("{value}" IS NULL, 'null', "{form}")

-- name: archived_number
CONCAT("{value}" + 0)

-- name: archived_real
CONCAT('"', CAST("{value}" AS DOUBLE), '"')

-- name: archived_plain
CONCAT('"', "{value}", '"')

-- name: archived_text
JSON_QUOTE(CONVERT("{value}" USING utf8mb4))

-- name: archived_enum
IF("{value}" + 0 = 0, '{"error":0}', JSON_QUOTE(CONVERT("{value}" USING utf8mb4)))

-- name: archived_bytes
CONCAT('{"hex":"', HEX("{value}"), '"}')

-- name: archived_exactly
-- A text of a character set that is not Unicode, as its bytes if Unicode does not have it exactly.
IF(CAST(CONVERT(CONVERT("{value}" USING utf8mb4) USING "{charset}") AS BINARY) <=> CAST("{value}" AS BINARY), JSON_QUOTE(CONVERT("{value}" USING utf8mb4)), CONCAT('{"hex":"', HEX("{value}"), '"}'))
