-- Text ids, no foreign keys at all.
CREATE TABLE sessions (
    id text PRIMARY KEY, owner_id text, name text, code text, active boolean NOT NULL,
    created_at timestamptz, updated_at timestamptz
);
CREATE TABLE votes (session text, at timestamptz DEFAULT now());
CREATE INDEX ON votes (session);
