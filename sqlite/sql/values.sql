-- name: read_value
SELECT data, version FROM sessioncleanup_values WHERE name = :name

-- name: version_of_value
SELECT coalesce((SELECT version FROM sessioncleanup_values WHERE name = :name), 0)

-- name: write_value
INSERT OR REPLACE INTO sessioncleanup_values (name, version, data) VALUES (:name, :version, :data)
