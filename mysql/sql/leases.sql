-- name: make_lease
INSERT INTO sessioncleanup_leases (name, holder, epoch, ttl_ms) VALUES (:name, '', 0, 0) ON DUPLICATE KEY UPDATE name = name

-- name: read_lease
SELECT holder, epoch, expires_at, ttl_ms FROM sessioncleanup_leases WHERE name = :name FOR UPDATE

-- name: write_lease
UPDATE sessioncleanup_leases SET holder = :holder, epoch = :epoch, expires_at = :expires_at, ttl_ms = :ttl_ms WHERE name = :name

-- name: guard_lease
UPDATE sessioncleanup_leases SET batches = batches + 1
 WHERE name = :name AND holder = :holder AND epoch = :epoch AND expires_at > UTC_TIMESTAMP(6)
