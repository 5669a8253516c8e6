package main

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pghosts"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// hostIndexes are those that the service's own queries need, besides what the guide's tables have.
const hostIndexes = "CREATE INDEX ON sessions (streamer_id); CREATE INDEX ON sessions (code)"

// The ways in which a guide's database follows activity.
const (
	untracked    = "none"
	emptyTrigger = "empty trigger"
	tracked      = "sessioncleanup"
	rowTrigger   = "row trigger"
)

// byHandColumns are what somebody adds who cleans up by hand: when a session was last used, a switch, and an index.
const byHandColumns = `
	ALTER TABLE sessions ADD last_activity timestamptz NOT NULL DEFAULT now(), ADD auto_cleanup boolean NOT NULL DEFAULT true;
	CREATE INDEX ON sessions (last_activity)`

// touchTrigger is the usual way to follow activity by hand.
const touchTrigger = `
	CREATE FUNCTION touch_session() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE sessions SET last_activity = now() WHERE id = NEW.session_id;
		RETURN NULL;
	END $$;
	CREATE TRIGGER touch_session AFTER INSERT ON propositions FOR EACH ROW EXECUTE FUNCTION touch_session()`

// idleTrigger follows nothing: what a statement trigger with its transition table costs before it does anything.
const idleTrigger = `
	CREATE FUNCTION touch_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
	CREATE TRIGGER touch_nothing AFTER INSERT ON propositions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION touch_nothing()`

// makeGuide makes the guide's tables in an empty database, with one of the ways to follow activity.
func makeGuide(s *scope, url, tracking string) {
	if err := pghosts.All()["guide"].Make(s.ctx, url); err != nil {
		s.Fatal(err)
	}
	pool := s.connect(url, nil)
	s.script(pool, hostIndexes)
	if tracking == tracked {
		store := s.store(pool)
		if err := store.Migrate(s.ctx, sessioncleanup.Policy{}); err != nil {
			s.Fatal(err)
		}
		return
	}
	s.script(pool, byHandColumns)
	switch tracking {
	case rowTrigger:
		s.script(pool, touchTrigger)
	case emptyTrigger:
		s.script(pool, idleTrigger)
	}
}

// store is this project's, over a pool.
func (s *scope) store(pool *pgxpool.Pool) *postgres.Store {
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		s.Fatal(err)
	}
	return store
}

// manager has the default policy.
func (s *scope) manager(store sessioncleanup.Store) *sessioncleanup.Manager {
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// script runs several statements at once.
func (s *scope) script(pool *pgxpool.Pool, sql string) {
	conn, err := pool.Acquire(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Conn().PgConn().Exec(s.ctx, sql).ReadAll(); err != nil {
		s.Fatalf("%.200s: %w", sql, err)
	}
}

// activitiesEach is how many activity rows each session has.
const activitiesEach = 2

// fillGuide adds the sessions of a layout, 20 for each owner.
func fillGuide(s *scope, url string, l layout) {
	pool := s.connect(url, nil)
	s.script(pool, "ALTER TABLE propositions DISABLE TRIGGER USER")
	s.exec(pool, "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(0, $1::int / 20) n", l.size)
	s.exec(pool, `
		INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at, last_activity)
		SELECT n, n % ($1 / 20 + 1), 'session ' || n, upper(to_hex(n::bigint * 7919)), n > $2, at - interval '3 hours', at, at
		  FROM generate_series(1, $1::int) n,
		       LATERAL (SELECT now() - CASE WHEN n <= $2 THEN interval '90 days' - n * interval '50 days' / $1
		                                    WHEN n <= $3 THEN interval '20 days' - n * interval '15 days' / $1
		                                    ELSE interval '20 hours' - n * interval '19 hours' / $1 END) AS age (at)`,
		l.size, l.toDelete(), l.dueCount())
	s.exec(pool, `INSERT INTO propositions (session_id, title, created_at)
		SELECT s.id, 'a song', s.last_activity FROM sessions s, generate_series(1, $1::int) ORDER BY s.id`, activitiesEach)
	s.exec(pool, "SELECT setval('sessions_id_seq', $1)", l.size)
	s.script(pool, "ALTER TABLE propositions ENABLE TRIGGER USER")
}
