-- name: insert_event
INSERT INTO sessioncleanup_events (at, action, actor, reason, run_id, sessions, run)
VALUES (coalesce(:at, strftime('%Y-%m-%d %H:%M:%f', 'now')), :action, :actor, :reason, :run_id, :sessions, :run)
RETURNING id, at

-- name: forget_events
-- Some at a time, so that a long log does not hold the lock for long. :keep is the event just written.
DELETE FROM sessioncleanup_events
 WHERE id IN (SELECT id FROM sessioncleanup_events WHERE at < :before AND id <> :keep LIMIT :limit)

-- name: list_events
SELECT id, at, action, actor, reason, run_id, coalesce(sessions, ''), coalesce(run, '')
  FROM sessioncleanup_events
 WHERE "{condition}"
 ORDER BY id DESC
 LIMIT :limit

-- name: events_before
id < :before

-- name: events_of_run
run_id = :run_id AND run_id <> ''

-- name: events_with_action
action IN (SELECT value FROM json_each(:actions))

-- name: events_of_session
-- Most events are ruled out by the text before they are taken apart.
instr(sessions, :needle) > 0
 AND EXISTS (SELECT 1 FROM json_each(sessions) AS s
              WHERE json_extract(s.value, '$.id') = :session AND (:owner = '' OR json_extract(s.value, '$.owner_id') = :owner))

-- name: events_of_owner
instr(sessions, :needle) > 0
 AND EXISTS (SELECT 1 FROM json_each(sessions) AS s WHERE json_extract(s.value, '$.owner_id') = :owner)

-- name: take_lease
-- Gives nothing when somebody else holds the lease.
INSERT INTO sessioncleanup_leases (name, holder, epoch, expires_at)
VALUES (:name, :holder, 1, strftime('%Y-%m-%d %H:%M:%f', 'now', :ttl))
ON CONFLICT (name) DO UPDATE
   SET epoch = epoch + (holder <> excluded.holder), holder = excluded.holder, expires_at = excluded.expires_at
 WHERE holder = excluded.holder OR holder = '' OR sessioncleanup_leases.expires_at <= strftime('%Y-%m-%d %H:%M:%f', 'now')
RETURNING epoch, expires_at

-- name: release_lease
UPDATE sessioncleanup_leases SET holder = '', expires_at = '' WHERE name = :name AND holder = :holder

-- name: read_lease
SELECT holder, epoch, expires_at FROM sessioncleanup_leases WHERE name = :name

-- name: check_lease
SELECT count(*)
  FROM sessioncleanup_leases
 WHERE name = :name AND holder = :holder AND epoch = :epoch AND expires_at > strftime('%Y-%m-%d %H:%M:%f', 'now')
