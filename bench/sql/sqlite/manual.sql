-- The usual additions of somebody who writes the cleanup manually: the time of last use, a switch, and an index.
ALTER TABLE sessions ADD last_activity TEXT;
ALTER TABLE sessions ADD auto_cleanup BOOLEAN NOT NULL DEFAULT 1;

UPDATE sessions SET last_activity = updated_at;

CREATE INDEX sessions_last_activity ON sessions (last_activity);
