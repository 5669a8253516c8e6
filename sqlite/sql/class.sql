-- The class of a session is those of its tags that have a rule, in their order. The sessions table has it in a column, for the indexes, as of when
-- notes were last folded in; the tags themselves decide.

-- name: has_class
-- Not IS NOT NULL, as in has_expires_at.
("{class}" IS NULL) IS 0

-- name: true_class
(SELECT group_concat(tag, ' ')
   FROM (SELECT tag FROM "{tags}" WHERE session_id = "{id_text}" AND tag IN (SELECT tag FROM sessioncleanup_rules WHERE NOT leaving) ORDER BY tag))

-- name: asked_class
-- By the rules of a question, which are not those that the column is about.
(SELECT group_concat(tag, ' ')
   FROM (SELECT tag FROM "{tags}" WHERE session_id = "{id_text}" AND tag IN (SELECT value FROM json_each(:ruled)) ORDER BY tag))

-- name: asked_classes
SELECT DISTINCT class
  FROM (SELECT group_concat(tag, ' ') AS class
          FROM (SELECT session_id, tag FROM "{tags}" WHERE tag IN (SELECT value FROM json_each(:ruled)) ORDER BY session_id, tag)
         GROUP BY session_id)

-- name: classes
-- Those that sessions have, and those of sessions with a note. Each is one step in an index, whatever it holds.
WITH RECURSIVE
 sessioncleanup_a (class) AS (
   SELECT min("{class}") FROM "{sessions}" INDEXED BY sessioncleanup_class_idle WHERE "{running}" AND "{has_class}"
    UNION ALL
   SELECT (SELECT min("{class}") FROM "{sessions}" INDEXED BY sessioncleanup_class_idle WHERE "{running}" AND "{has_class}" AND "{class}" > sessioncleanup_a.class)
     FROM sessioncleanup_a WHERE class IS NOT NULL),
 sessioncleanup_b (class) AS (
   SELECT min("{class}") FROM "{sessions}" INDEXED BY sessioncleanup_class_gone WHERE "{ended}" AND "{has_class}"
    UNION ALL
   SELECT (SELECT min("{class}") FROM "{sessions}" INDEXED BY sessioncleanup_class_gone WHERE "{ended}" AND "{has_class}" AND "{class}" > sessioncleanup_b.class)
     FROM sessioncleanup_b WHERE class IS NOT NULL)
SELECT class FROM sessioncleanup_a WHERE class IS NOT NULL
 UNION SELECT class FROM sessioncleanup_b WHERE class IS NOT NULL
 UNION SELECT "{class}" FROM "{sessions}" INDEXED BY sessioncleanup_classed WHERE "{has_class}" AND "{auto_cleanup}" IS NOT 1 AND "{with_protected}"
 UNION SELECT "{true_class}" FROM sessioncleanup_touches AS sessioncleanup_note CROSS JOIN "{sessions}" ON "{id}" = sessioncleanup_note.session
 ORDER BY 1

-- name: rule_tags
SELECT tag, leaving, after IS NULL FROM sessioncleanup_rules

-- name: add_rule_tags
INSERT INTO sessioncleanup_rules (tag, after) SELECT value, '' FROM json_each(:ruled) WHERE true
    ON CONFLICT (tag) DO UPDATE SET leaving = 0, after = '' WHERE leaving

-- name: drop_rule_tags
UPDATE sessioncleanup_rules SET leaving = 1, after = '' WHERE NOT leaving AND tag NOT IN (SELECT value FROM json_each(:ruled))

-- name: walk_rule_tags
UPDATE sessioncleanup_rules SET after = ''

-- name: next_rule_tag
SELECT tag, leaving, after FROM sessioncleanup_rules WHERE after IS NOT NULL ORDER BY tag LIMIT 1

-- name: next_tagged
SELECT session_id FROM sessioncleanup_tags WHERE tag = :tag AND session_id > :after ORDER BY session_id LIMIT :limit + 0

-- name: classed_up_to
UPDATE sessioncleanup_rules SET after = :after WHERE tag = :tag

-- name: forget_rule_tag
DELETE FROM sessioncleanup_rules WHERE tag = :tag

-- name: class_sessions
UPDATE "{sessions}" SET "{class_column}" = "{true_class}"
 WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids)) AND "{class}" IS NOT "{true_class}"

-- name: class_noted
UPDATE "{sessions}" SET "{class_column}" = "{true_class}"
 WHERE "{id}" IN (SELECT session FROM sessioncleanup_touches AS sessioncleanup_note WHERE "{notes_chosen}") AND "{class}" IS NOT "{true_class}"

-- name: add_class
ALTER TABLE "{sessions}" ADD COLUMN "{class_column}" TEXT
