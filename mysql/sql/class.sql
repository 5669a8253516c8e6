-- The tags of sessions that have a rule: as themselves, and as the class in the table of sessions, which is for indexes.

-- name: asked_tags
(SELECT GROUP_CONCAT(g.tag ORDER BY g.tag SEPARATOR ' ') FROM sessioncleanup_tags AS g WHERE g.session_id = "{id}" AND g.since = "{born}" AND g.tag IN (:ruled))

-- name: asked_of_all
SELECT DISTINCT c.tags
  FROM (SELECT GROUP_CONCAT(g.tag ORDER BY g.tag SEPARATOR ' ') AS tags FROM sessioncleanup_tags AS g
         WHERE g.tag IN (:ruled) AND "{of_those}" GROUP BY g.session_id, g.since) AS c

-- name: all_tagged
TRUE

-- name: all_retagged
g.session_id IN (SELECT n.session FROM sessioncleanup_retagged AS n)

-- name: any_retagged
SELECT EXISTS (SELECT 1 FROM sessioncleanup_retagged)

-- name: number_unless_retagged
CASE WHEN EXISTS (SELECT 1 FROM sessioncleanup_retagged AS n WHERE n.session = "{id}") THEN "{by_tags}" ELSE "{by_class}" END

-- name: tags_and_class
SELECT "{id_text}", (SELECT GROUP_CONCAT(g.tag ORDER BY g.tag SEPARATOR ' ') FROM sessioncleanup_tags AS g JOIN sessioncleanup_rules AS r ON r.tag = g.tag AND NOT r.leaving
                      WHERE g.session_id = "{id}" AND g.since = "{born}"), t."{class_column}"
  FROM "{sessions}" AS t
 WHERE "{id}" IN (:ids)

-- name: write_class
UPDATE "{chosen}" SET t."{class_column}" = :class"{keep}"

-- name: rule_tags
SELECT tag, leaving, walked FROM sessioncleanup_rules

-- name: add_rule_tag
INSERT INTO sessioncleanup_rules (tag) VALUES (:tag)
    ON DUPLICATE KEY UPDATE walked = walked AND NOT leaving, after = IF(leaving, NULL, after), leaving = FALSE

-- name: drop_rule_tags
UPDATE sessioncleanup_rules SET leaving = TRUE, walked = FALSE, after = NULL WHERE NOT leaving AND (:none OR tag NOT IN (:ruled))

-- name: next_rule_tag
-- Locked, so that its rule does not come or go, and nobody else goes through its sessions, before it is noted how far that came.
SELECT tag, leaving, after FROM sessioncleanup_rules WHERE NOT walked ORDER BY tag LIMIT 1 FOR UPDATE

-- name: next_tagged
SELECT DISTINCT "{tagged_text}" FROM (SELECT g.session_id AS session FROM sessioncleanup_tags AS g WHERE g.tag = :tag AND "{behind}" ORDER BY g.session_id LIMIT :limit) AS t

-- name: behind_tagged
g.session_id > :after

-- name: walked_up_to
UPDATE sessioncleanup_rules SET after = :after WHERE tag = :tag

-- name: walk_rule_tags
UPDATE sessioncleanup_rules SET walked = FALSE, after = NULL

-- name: walked
UPDATE sessioncleanup_rules SET after = NULL, walked = TRUE WHERE tag = :tag

-- name: forget_rule_tag
DELETE FROM sessioncleanup_rules WHERE tag = :tag

-- name: find_retagged
SELECT id, "{note_text}" FROM sessioncleanup_retagged ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED

-- name: note_retagged
INSERT INTO sessioncleanup_retagged (session) VALUES (:id)

-- name: forget_retagged
DELETE FROM sessioncleanup_retagged WHERE id IN (:notes)

-- name: classes
SELECT class, tags FROM sessioncleanup_classes

-- name: class_of
-- Locked until the sessions that get it are committed, so that nobody forgets it before: see forgetClasses.
SELECT class FROM sessioncleanup_classes WHERE digest = :digest LOCK IN SHARE MODE

-- name: lock_classes
SELECT class FROM sessioncleanup_classes WHERE class IN (:classes) FOR UPDATE SKIP LOCKED

-- name: used_classes
-- One step in the index for each stretch, as in stretches.
SELECT DISTINCT t."{class_column}" FROM (SELECT DISTINCT "{states}" FROM "{sessions}" FORCE INDEX (sessioncleanup_due_idle)) AS t WHERE t."{class_column}" IS NOT NULL

-- name: forget_classes
DELETE FROM sessioncleanup_classes WHERE class IN (:classes)

-- name: add_class_of
INSERT IGNORE INTO sessioncleanup_classes (tags, digest) VALUES (:tags, :digest)
