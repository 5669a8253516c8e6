-- name: read_value
SELECT data, version FROM sessioncleanup_values WHERE name = :name

-- name: add_value
INSERT OR IGNORE INTO sessioncleanup_values (name, version, data) VALUES (:name, 1, :data)

-- name: change_value
UPDATE sessioncleanup_values SET version = version + 1, data = :data WHERE name = :name AND version = :version
