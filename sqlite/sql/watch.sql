-- The rows that a transaction deletes.

-- name: watch_table
CREATE TEMP TABLE sessioncleanup_gone AS SELECT "{columns}" FROM main."{sessions}" WHERE 0

-- name: watch_trigger
CREATE TEMP TRIGGER sessioncleanup_watch AFTER DELETE ON main."{sessions}"
BEGIN
  INSERT INTO sessioncleanup_gone ("{columns}") VALUES ("{old_columns}");
END

-- name: watch_tags_table
CREATE TEMP TABLE sessioncleanup_gone_tags (session_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (session_id, tag)) WITHOUT ROWID

-- name: watch_tags_trigger
-- Tags go with their session, by a trigger after its deletion.
CREATE TEMP TRIGGER sessioncleanup_watch_tags BEFORE DELETE ON main."{sessions}"
BEGIN
  INSERT OR REPLACE INTO sessioncleanup_gone_tags SELECT session_id, tag FROM main.sessioncleanup_tags WHERE session_id = "{old_id_text}";
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

-- name: forget_watched_tags
DELETE FROM temp.sessioncleanup_gone_tags

-- name: end_watch_tags_trigger
DROP TRIGGER temp.sessioncleanup_watch_tags

-- name: end_watch_tags_table
DROP TABLE temp.sessioncleanup_gone_tags
