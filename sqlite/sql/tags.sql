-- The tags of sessions.

-- name: tags_of
-- What session_columns have of them: a list.
(SELECT json_group_array(t.tag) FROM (SELECT tag FROM sessioncleanup_tags WHERE session_id = "{id_text}" ORDER BY tag) AS t)

-- name: number_of_text
-- A column of numbers may also hold texts. The last comparison is true for a text that is a number.
CASE WHEN CAST(CAST("{value}" AS INTEGER) AS TEXT) = "{value}" THEN CAST("{value}" AS INTEGER) WHEN "{value}" = CAST("{value}" AS NUMERIC) THEN NULL ELSE "{value}" END

-- name: add_tags
INSERT INTO sessioncleanup_tags (session_id, tag)
SELECT :session, value FROM json_each(:tags) WHERE true
    ON CONFLICT DO NOTHING

-- name: remove_tags
DELETE FROM sessioncleanup_tags WHERE session_id = :session AND tag IN (SELECT value FROM json_each(:tags))

-- name: count_tags
-- Of the sessions that there are.
SELECT t.tag, count(*)
  FROM sessioncleanup_tags AS t JOIN "{sessions}" ON "{id}" = "{tagged_id}"
 WHERE "{condition}"
 GROUP BY t.tag
 ORDER BY t.tag

-- name: archived_tags
SELECT session_id, tag FROM sessioncleanup_tags WHERE session_id IN (SELECT value FROM json_each(:sessions)) ORDER BY session_id, tag
