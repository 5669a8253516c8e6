-- The outbox: warnings of the sessions' owners.

-- name: insert_notices
REPLACE INTO sessioncleanup_notices (session, owner, name, kept_since, queued_at, next_at)
SELECT n.id, n.owner, n.name, n.since, :now, :now
  FROM JSON_TABLE(:notices, '$[*]' COLUMNS (
         id VARCHAR(3072) CHARACTER SET utf8mb4 PATH '$.id', owner VARCHAR(3072) CHARACTER SET utf8mb4 PATH '$.owner',
         name VARCHAR(3072) CHARACTER SET utf8mb4 PATH '$.name', since DATETIME(6) PATH '$.since')) AS n

-- name: forget_notices
DELETE FROM sessioncleanup_notices WHERE delivered_at < :before OR failed_at < :before

-- name: next_notice
-- The notice that has been due the longest, of an owner who got no message since :told.
SELECT owner, message, FALSE
  FROM sessioncleanup_notices AS n
 WHERE next_at <= :now
   AND (message <> '' OR :told IS NULL
        OR NOT EXISTS (SELECT 1 FROM sessioncleanup_notices AS o WHERE o.owner = n.owner AND o.delivered_at > :told))
 ORDER BY next_at, session
 LIMIT 1

-- name: notices_of_message
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, 0, NULL, NULL, ''
  FROM sessioncleanup_notices
 WHERE next_at IS NOT NULL AND owner = :owner AND message = :message
 ORDER BY kept_since, session
 LIMIT :limit

-- name: drop_notice
DELETE FROM sessioncleanup_notices WHERE session = :session AND next_at IS NOT NULL

-- name: put_in_message
UPDATE sessioncleanup_notices SET message = :message WHERE session IN (:sessions)

-- name: notices_to_settle
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, 0, NULL, NULL, ''
  FROM sessioncleanup_notices
 WHERE next_at IS NOT NULL AND message = :message
 ORDER BY session

-- name: write_notice
UPDATE sessioncleanup_notices
   SET delivered_at = :delivered_at, failed_at = :failed_at, next_at = :next_at, message = :message, attempts = :attempts,
       first_at = :first_at, error = :error
 WHERE session = :session

-- name: notices
SELECT session, owner, name, kept_since, queued_at, delivered_at, failed_at, next_at, message, attempts, first_at, error, 0, NULL, NULL, ''
  FROM sessioncleanup_notices
 WHERE (:session = '' OR session = :session) AND (:owner = '' OR owner = :owner)
   AND (NOT :failed OR failed_at IS NOT NULL) AND (NOT :pending OR next_at IS NOT NULL)"{if_tagged}"
 ORDER BY next_at, failed_at, session
 LIMIT :limit

-- name: if_tagged
 AND session "{not}"IN (SELECT "{id_text}" FROM sessioncleanup_tags AS g JOIN "{sessions}" AS t ON "{id}" = g.session_id AND "{born}" = g.since WHERE g.tag IN ("{tags}"))

-- name: resend_notices
UPDATE sessioncleanup_notices
   SET failed_at = NULL, first_at = NULL, next_at = :now, message = '', attempts = 0, error = ''
 WHERE failed_at IS NOT NULL AND (:all OR session IN (:sessions))

-- name: outbox_size
SELECT (SELECT COUNT(*) FROM sessioncleanup_notices WHERE next_at IS NOT NULL),
       (SELECT COUNT(*) FROM sessioncleanup_notices WHERE failed_at IS NOT NULL),
       (SELECT MIN(queued_at) FROM sessioncleanup_notices WHERE next_at IS NOT NULL)
