-- The sessions of layout, of a service that has been cleaned up for long: three in ten are open, one in a hundred is due.
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    streamer_id INTEGER REFERENCES users (id),
    name TEXT,
    code TEXT,
    active BOOLEAN NOT NULL DEFAULT 1,
    created_at TEXT,
    updated_at TEXT,
    last_activity TEXT,
    expires_at TEXT,
    auto_cleanup BOOLEAN NOT NULL DEFAULT 1,
    deactivated_at TEXT
);

CREATE TABLE propositions (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    title TEXT,
    created_at TEXT
);

INSERT INTO users
WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series, layout WHERE n < sessions / 20)
SELECT n, 'user ' || n FROM series;

-- Owner 7 has one in fifty, the others 20. One in ten is of a batch, 100,000 at most.
INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at, last_activity, expires_at, auto_cleanup, deactivated_at)
WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series, layout WHERE n < sessions),
kinds (n, kind, r) AS (SELECT n, n * 31 % 100, n * 7919 % 1000003 / 1000003.0 FROM series),
used (n, kind, days) AS (
    SELECT n, kind, julianday('now') - CASE WHEN kind < 32 THEN r * 145 / 144 WHEN kind = 99 THEN 200 * r ELSE 1 + 29.5 * r END
      FROM kinds
)
SELECT n, CASE WHEN n % 50 = 0 THEN 7 ELSE n % (sessions / 20 + 1) END,
       CASE WHEN n % 10 = 5 AND n < 1000000 THEN 'batch ' ELSE 'session ' END || printf('%08x', n * 2654435761 % 4294967296), printf('%X', n * 7919), kind < 32,
       strftime('%Y-%m-%d %H:%M:%f', days - n * 7 % 90), strftime('%Y-%m-%d %H:%M:%f', days), strftime('%Y-%m-%d %H:%M:%f', days),
       CASE WHEN n % 10 = 0 THEN strftime('%Y-%m-%d %H:%M:%f', days + 2) END,
       kind NOT IN (31, 99), CASE WHEN kind >= 32 THEN strftime('%Y-%m-%d %H:%M:%f', days + 1) END
  FROM used, layout;

INSERT INTO propositions (session_id, title, created_at) SELECT id, 'a song', updated_at FROM sessions WHERE id % 4 = 0;
CREATE INDEX propositions_session ON propositions (session_id);
CREATE INDEX sessions_streamer ON sessions (streamer_id);
CREATE INDEX sessions_code ON sessions (code);
DROP TABLE layout;
