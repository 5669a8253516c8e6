-- The sessions of layout, 20 for each owner, each with two rows of activity. The oldest come first, as in life: those to
-- delete, those to deactivate, those in use.
INSERT INTO users
SELECT n, 'user ' || n FROM layout, generate_series(0, sessions / 20) AS n;

INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at)
SELECT n, n % (sessions / 20 + 1), 'session ' || n, upper(to_hex(n::bigint * 7919)), n > deletable, used - interval '3 hours', used
  FROM layout, generate_series(1, sessions) AS n,
       LATERAL (SELECT now() - CASE
           WHEN n <= deletable THEN interval '90 days' - n * interval '50 days' / sessions
           WHEN n <= due THEN interval '20 days' - n * interval '15 days' / sessions
           ELSE interval '20 hours' - n * interval '19 hours' / sessions
       END AS used) AS age;

INSERT INTO propositions (session_id, title, created_at)
SELECT id, 'a song', updated_at FROM sessions, generate_series(1, 2) ORDER BY id;

SELECT setval('sessions_id_seq', sessions) FROM layout;
