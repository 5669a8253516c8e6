-- name: insert_event
INSERT INTO sessioncleanup_events (at, action, actor, reason, run_id, sessions, run, proof)
VALUES (:at, :action, :actor, :reason, :run_id, :sessions, :run, randomblob(16))
RETURNING id

-- name: forget_events
-- Those that are not sealed, some at a time, so that a long log does not hold the lock for long. :keep is the event just
-- written.
DELETE FROM sessioncleanup_events
 WHERE id IN (SELECT id FROM sessioncleanup_events
               WHERE at < :before AND id <> :keep AND id > coalesce((SELECT max(last_id) FROM sessioncleanup_seals), id - 1)
               LIMIT :limit + 0)

-- name: list_events
SELECT id, at, action, actor, reason, run_id, coalesce("{sessions_of_event}", ''), coalesce(run, '')
  FROM sessioncleanup_events
 WHERE "{condition}"
 ORDER BY id "{direction}"
 LIMIT :limit + 0

-- name: events_before
id < :before

-- name: events_after
id > :after

-- name: events_of_run
run_id = :run_id AND run_id <> ''

-- name: events_with_action
action IN (SELECT value FROM json_each(:actions))

-- name: events_of_sessions
EXISTS (SELECT 1 FROM json_each(sessions) AS s
         WHERE (:session = '' OR json_extract(s.value, '$.id') = :session)
           AND (:owner = '' OR json_extract(s.value, '$.owner_id') = :owner))
