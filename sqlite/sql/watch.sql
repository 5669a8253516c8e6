-- The rows that a transaction deletes.

-- name: watch_table
CREATE TEMP TABLE sessioncleanup_gone AS SELECT "{columns}" FROM main."{sessions}" WHERE 0

-- name: watch_trigger
CREATE TEMP TRIGGER sessioncleanup_watch AFTER DELETE ON main."{sessions}"
BEGIN
  INSERT INTO sessioncleanup_gone ("{columns}") VALUES ("{old_columns}");
END

-- name: count_watched
SELECT count(*) FROM temp.sessioncleanup_gone

-- name: watched
SELECT "{id_text}", "{owner_text}", "{name_text}", coalesce("{due}", 0) FROM temp.sessioncleanup_gone ORDER BY rowid

-- name: forget_watched
DELETE FROM temp.sessioncleanup_gone

-- name: end_watch_trigger
DROP TRIGGER temp.sessioncleanup_watch

-- name: end_watch_table
DROP TABLE temp.sessioncleanup_gone
