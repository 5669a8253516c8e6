-- name: read_position
SELECT coalesce((SELECT position FROM sessioncleanup_positions WHERE consumer = :consumer), 0)

-- name: write_position
INSERT OR REPLACE INTO sessioncleanup_positions (consumer, position) VALUES (:consumer, :position)
