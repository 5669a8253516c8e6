-- name: read_settings
SELECT (SELECT MAX(version_id) FROM sessioncleanup_migrations WHERE is_applied), policy, tables, adopted FROM sessioncleanup_settings WHERE id = 1

-- name: write_settings
REPLACE INTO sessioncleanup_settings (id, policy, tables, adopted) VALUES (1, :policy, :tables, :adopted)
