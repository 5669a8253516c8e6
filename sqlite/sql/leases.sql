-- name: read_lease
SELECT holder, epoch, coalesce(expires_at, '') FROM sessioncleanup_leases WHERE name = :name

-- name: write_lease
INSERT OR REPLACE INTO sessioncleanup_leases (name, holder, epoch, expires_at) VALUES (:name, :holder, :epoch, :expires_at)
