-- name: events_forward
-- There is one writer at a time: ids are in the order of the commits.
SELECT id, at, action, actor, reason, run_id, coalesce(sessions, ''), coalesce(run, '')
  FROM sessioncleanup_events
 WHERE id > :after
 ORDER BY id
 LIMIT :limit + 0

-- name: read_position
SELECT position FROM sessioncleanup_positions WHERE consumer = :consumer

-- name: write_position
INSERT OR REPLACE INTO sessioncleanup_positions (consumer, position) VALUES (:consumer, :position)
