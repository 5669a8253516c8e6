-- The outbox: warnings of the sessions' owners.

-- name: warning_of
-- What session_columns have of it: a list.
(SELECT json_array(n.kept_since, n.queued_at, n.delivered_at, n.failed_at) FROM sessioncleanup_notices AS n WHERE n.session = "{id_text}")

-- name: warned_enough
-- No warning is needed, or that for this idle period was delivered, or given up where that counts, long enough ago.
("{warned_cutoff}" IS NULL
 OR EXISTS (SELECT 1 FROM sessioncleanup_notices AS n
             WHERE n.session = "{id_text}" AND n.kept_since = "{kept_since}"
               AND (n.delivered_at <= "{warned_cutoff}" OR n.failed_at <= "{given_up_cutoff}")))

-- name: has_notice
EXISTS (SELECT 1 FROM sessioncleanup_notices AS n WHERE n.session = "{id_text}" AND n.kept_since = "{kept_since}")

-- name: insert_notices
-- For the sessions that a batch selected, as the index had them.
INSERT OR REPLACE INTO sessioncleanup_notices (session, owner, name, kept_since, queued_at, next_at)
SELECT json_extract(value, '$.id'), json_extract(value, '$.owner'), json_extract(value, '$.name'), json_extract(value, '$.since'), :now, :now
  FROM json_each(:notices)

-- name: forget_notices
DELETE FROM sessioncleanup_notices WHERE delivered_at < :before OR failed_at < :before

-- name: next_notice
-- The notice that has been due the longest, of an owner who got no message since :told.
SELECT owner, message, deleted_at IS NOT NULL
  FROM sessioncleanup_notices AS n
 WHERE next_at <= :now
   AND (message <> '' OR :told IS NULL
        OR NOT EXISTS (SELECT 1 FROM sessioncleanup_notices AS o WHERE o.owner = n.owner AND o.told_at > :told))
 ORDER BY next_at, session
 LIMIT 1

-- name: notices_of_message
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, stage, deleted_at, told_at, tags
  FROM sessioncleanup_notices
 WHERE next_at IS NOT NULL AND owner = :owner AND message = :message AND (deleted_at IS NOT NULL) = :deleted
 ORDER BY kept_since, session
 LIMIT :limit + 0

-- name: drop_notice
DELETE FROM sessioncleanup_notices WHERE session = :session AND next_at IS NOT NULL

-- name: put_in_message
UPDATE sessioncleanup_notices SET message = :message WHERE session IN (SELECT value FROM json_each(:sessions))

-- name: notices_to_settle
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, stage, deleted_at, told_at, tags
  FROM sessioncleanup_notices
 WHERE next_at IS NOT NULL AND message = :message
 ORDER BY session

-- name: write_notice
UPDATE sessioncleanup_notices
   SET delivered_at = :delivered_at, failed_at = :failed_at, next_at = :next_at, message = :message, attempts = :attempts,
       first_at = :first_at, error = :error, told_at = :told_at
 WHERE session = :session

-- name: notices_to_remind
-- Those that were delivered, and have nothing left to send.
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, stage, deleted_at, told_at, tags
  FROM sessioncleanup_notices
 WHERE delivered_at IS NOT NULL AND next_at IS NULL AND deleted_at IS NULL AND stage < :stages
   AND kept_since < :kept_before AND delivered_at < :delivered_before

-- name: remind
UPDATE sessioncleanup_notices SET stage = :stage, next_at = :now, message = '', attempts = 0, first_at = NULL, error = '' WHERE session = :session

-- name: tell_deleted
UPDATE sessioncleanup_notices SET deleted_at = :now, next_at = :now, message = '', attempts = 0, first_at = NULL, error = ''
 WHERE delivered_at IS NOT NULL AND session IN (SELECT value FROM json_each(:sessions))

-- name: note_tags
-- Before their sessions are deleted.
UPDATE sessioncleanup_notices
   SET tags = coalesce((SELECT group_concat(tag, ' ') FROM (SELECT tag FROM sessioncleanup_tags WHERE session_id = session ORDER BY tag)), '')
 WHERE delivered_at IS NOT NULL AND session IN (SELECT value FROM json_each(:sessions))

-- name: notices
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, stage, deleted_at, told_at, tags
  FROM sessioncleanup_notices
 WHERE (:session = '' OR session = :session) AND (:owner = '' OR owner = :owner)
   AND (NOT :failed OR failed_at IS NOT NULL) AND (NOT :pending OR next_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM json_each(:tags) AS w
                    WHERE EXISTS (SELECT 1 FROM (SELECT t.tag FROM sessioncleanup_tags AS t WHERE t.session_id = session AND deleted_at IS NULL
                                                  UNION ALL SELECT d.value FROM json_each('["' || replace(tags, ' ', '","') || '"]') AS d WHERE deleted_at IS NOT NULL) AS its
                                   WHERE instr('|' || ltrim(w.value, '-') || '|', '|' || its.tag || '|') > 0)
                          = (substr(w.value, 1, 1) = '-'))
 ORDER BY next_at, failed_at, session
 LIMIT :limit + 0

-- name: resend_notices
UPDATE sessioncleanup_notices
   SET failed_at = NULL, first_at = NULL, next_at = :now, message = '', attempts = 0, error = ''
 WHERE failed_at IS NOT NULL AND (:all OR session IN (SELECT value FROM json_each(:sessions)))

-- name: outbox_size
SELECT (SELECT count(*) FROM sessioncleanup_notices WHERE next_at IS NOT NULL),
       (SELECT count(*) FROM sessioncleanup_notices WHERE failed_at IS NOT NULL),
       (SELECT coalesce(min(queued_at), '') FROM sessioncleanup_notices WHERE next_at IS NOT NULL AND delivered_at IS NULL)

-- name: find_owner
SELECT "{owners_mail}", "{owners_language}", "{owners_zone}" FROM "{owners}" WHERE "{owners}"."{owners_id}" = :owner LIMIT 1
