-- name: count_event
-- The row stays locked until the transaction ends: the next event gets its id after that.
UPDATE sessioncleanup_counter SET last = LAST_INSERT_ID(last + 1) WHERE id = 1

-- name: insert_event
INSERT INTO sessioncleanup_events (id, at, action, actor, reason, run_id, sessions, run, proof)
VALUES (:id, :at, :action, :actor, :reason, :run_id, :sessions, :run, :proof)

-- name: forget_events
-- Those that are not sealed, some at a time, so that a long log does not hold locks for long. :keep is the event just written.
DELETE FROM sessioncleanup_events
 WHERE at < :before AND id <> :keep AND id > COALESCE((SELECT MAX(last_id) FROM sessioncleanup_seals), id - 1)
 ORDER BY at
 LIMIT :limit

-- name: list_events
SELECT id, at, action, actor, reason, run_id, "{sessions_of_event}", run
  FROM sessioncleanup_events
 WHERE "{condition}"
 ORDER BY id "{direction}"
 LIMIT :limit

-- name: events_before
id < :before

-- name: events_after
id > :after

-- name: events_of_run
run_id = :run_id

-- name: events_with_action
action IN (:actions)

-- name: events_of_sessions
JSON_CONTAINS(sessions, CASE WHEN :owner = '' THEN JSON_OBJECT('id', :session)
                             WHEN :session = '' THEN JSON_OBJECT('owner_id', :owner)
                             ELSE JSON_OBJECT('id', :session, 'owner_id', :owner) END)

-- name: read_position
SELECT COALESCE((SELECT position FROM sessioncleanup_positions WHERE consumer = :consumer), 0)

-- name: write_position
REPLACE INTO sessioncleanup_positions (consumer, position) VALUES (:consumer, :position)
