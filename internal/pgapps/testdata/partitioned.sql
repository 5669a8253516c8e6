-- Sessions partitioned by their time, activity partitioned by its session.
CREATE TABLE sessions (
    id bigint NOT NULL, owner_id bigint, name text, code text, active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE sessions_old PARTITION OF sessions FOR VALUES FROM (MINVALUE) TO (now() - interval '30 days');
CREATE TABLE sessions_new PARTITION OF sessions FOR VALUES FROM (now() - interval '30 days') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE sessions_new_0 PARTITION OF sessions_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sessions_new_1 PARTITION OF sessions_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE votes (session_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now()) PARTITION BY HASH (session_id);
CREATE TABLE votes_0 PARTITION OF votes FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE votes_1 PARTITION OF votes FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON votes (session_id);
CREATE TABLE pins (session_id bigint);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pins WHERE session_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'session is pinned';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER refuse BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION refuse();
