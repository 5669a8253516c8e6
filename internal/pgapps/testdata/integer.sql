-- Integer ids, timestamp without time zone (the guide's own types), a lifecycle that is there already in part, nullable.
CREATE TABLE users (id integer PRIMARY KEY, username varchar(50) NOT NULL);
CREATE TABLE sessions (
    id serial PRIMARY KEY,
    streamer_id integer REFERENCES users (id),
    name varchar(2000), code varchar(20),
    active boolean DEFAULT true,
    last_activity timestamp DEFAULT current_timestamp, expires_at timestamp, auto_cleanup boolean DEFAULT true,
    created_at timestamp DEFAULT current_timestamp, updated_at timestamp DEFAULT current_timestamp
);
CREATE TABLE propositions (
    id serial PRIMARY KEY, session_id integer REFERENCES sessions (id) ON DELETE CASCADE,
    title text, created_at timestamp DEFAULT current_timestamp
);
CREATE INDEX ON propositions (session_id);
