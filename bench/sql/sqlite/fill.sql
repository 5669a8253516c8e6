-- The sessions of layout, 20 for each owner, each with two rows of activity. The oldest come first, as in life: those to
-- delete, those to deactivate, those in use.
INSERT INTO users
WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series, layout WHERE n < sessions / 20)
SELECT n, 'user ' || n FROM series;

INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at)
WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series, layout WHERE n < sessions),
aged (n, seconds) AS (
    SELECT n, CASE
        WHEN n <= deletable THEN 90 * 86400 - n * 50 * 86400 / sessions
        WHEN n <= due THEN 20 * 86400 - n * 15 * 86400 / sessions
        ELSE 20 * 3600 - n * 19 * 3600 / sessions
    END
    FROM series, layout
),
used (n, at) AS (SELECT n, strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || seconds || ' seconds') FROM aged)
SELECT n, n % (sessions / 20 + 1), 'session ' || n, printf('%X', n * 7919), n > deletable, at, at FROM used, layout;

INSERT INTO propositions (session_id, title, created_at)
SELECT id, 'a song', updated_at FROM sessions, (SELECT 1 UNION ALL SELECT 2) ORDER BY id;
