-- The guide's tables, with the indexes that a service needs for its own queries.
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    streamer_id INTEGER REFERENCES users (id),
    name TEXT,
    code TEXT,
    active BOOLEAN NOT NULL DEFAULT 1,
    created_at TEXT,
    updated_at TEXT
);

CREATE TABLE propositions (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    title TEXT,
    created_at TEXT
);

CREATE INDEX propositions_session ON propositions (session_id);
CREATE INDEX sessions_streamer ON sessions (streamer_id);
CREATE INDEX sessions_code ON sessions (code);
