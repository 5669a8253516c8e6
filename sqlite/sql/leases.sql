-- name: read_lease
SELECT holder, epoch, coalesce(expires_at, ''), ttl_ms FROM sessioncleanup_leases WHERE name = :name

-- name: write_lease
INSERT OR REPLACE INTO sessioncleanup_leases (name, holder, epoch, expires_at, ttl_ms) VALUES (:name, :holder, :epoch, :expires_at, :ttl_ms)
