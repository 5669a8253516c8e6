-- The tags of sessions. A tag counts for the row that the session had when it was tagged, so that a later session with
-- the same id has none.

-- name: born
-- When the row was inserted. It is not known of those that were there before the library.
COALESCE(t."{since_column}", TIMESTAMP'1970-01-01 00:00:01')

-- name: tags_of
(SELECT GROUP_CONCAT(g.tag ORDER BY g.tag SEPARATOR ' ') FROM sessioncleanup_tags AS g WHERE g.session_id = t.id AND g.since = t.since)

-- name: has_tag
EXISTS (SELECT 1 FROM sessioncleanup_tags AS g WHERE g.session_id = "{its_id}" AND g.since = "{its_since}" AND g.tag IN ("{tags}"))

-- name: add_tag
INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (:id, :tag) ON DUPLICATE KEY UPDATE tag = VALUES(tag)

-- name: remove_tags
DELETE FROM sessioncleanup_tags WHERE session_id = :id AND tag IN (:tags)

-- name: remove_tags_of
DELETE FROM sessioncleanup_tags WHERE session_id IN (:ids)

-- name: count_tags
SELECT g.tag, COUNT(*)
  FROM sessioncleanup_tags AS g JOIN "{sessions}" AS t ON "{id}" = g.session_id AND "{born}" = g.since
 WHERE "{visible}" AND "{filter}"
 GROUP BY g.tag
 ORDER BY g.tag

-- name: find_old_tags
-- Some tags, in the order of their ids, and whether the row that they were given to is gone.
SELECT g.id, t."{id_column}" IS NULL
  FROM sessioncleanup_tags AS g LEFT JOIN "{sessions}" AS t ON "{id}" = g.session_id AND "{born}" = g.since
 WHERE g.id > :position
 ORDER BY g.id
 LIMIT :limit

-- name: forget_tags
DELETE FROM sessioncleanup_tags WHERE id IN (:tags)

-- name: count_tagged
SELECT COUNT(*) FROM (SELECT 1 FROM sessioncleanup_tags AS g WHERE g.tag IN (:tags) LIMIT :few) AS counted
