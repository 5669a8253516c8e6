-- The usual additions of somebody who writes the cleanup manually: the time of last use, a switch, and an index.
ALTER TABLE sessions
    ADD last_activity timestamptz NOT NULL DEFAULT now(),
    ADD auto_cleanup boolean NOT NULL DEFAULT true;

UPDATE sessions SET last_activity = updated_at;

CREATE INDEX ON sessions (last_activity);
