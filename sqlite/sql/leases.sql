-- name: make_lease
INSERT OR IGNORE INTO sessioncleanup_leases (name, holder, epoch) VALUES (:name, '', 0)

-- name: read_lease
SELECT holder, epoch, expires_at, ttl_ms FROM sessioncleanup_leases WHERE name = :name

-- name: write_lease
UPDATE sessioncleanup_leases SET holder = :holder, epoch = :epoch, expires_at = :expires_at, ttl_ms = :ttl_ms WHERE name = :name
