package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestUseIsFollowedHoweverTheTablesShowIt adopts tables that show in various ways that session 1 is used, uses it, and runs.
func TestUseIsFollowedHoweverTheTablesShowIt(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	const own = "CREATE TABLE sessions (id bigint PRIMARY KEY, data text, created_at timestamptz DEFAULT now() - interval '90 days', updated_at timestamptz DEFAULT now());"
	const stamp = `CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
		CREATE TRIGGER stamp BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION stamp();`
	const key = "ALTER TABLE sessions ADD UNIQUE (id, created_at);"
	for name, c := range map[string]struct{ tables, use string }{
		"its own row":                     {own, "UPDATE sessions SET updated_at = clock_timestamp(), data = 'today' WHERE id = 1"},
		"its own row, by a trigger":       {own + stamp, "UPDATE sessions SET data = 'today' WHERE id = 1"},
		"its own row, in one of many":     {own, "UPDATE sessions SET updated_at = CASE id WHEN 1 THEN clock_timestamp() ELSE updated_at END"},
		"a child without foreign key":     {own + "CREATE TABLE messages (id bigserial, session_id bigint NOT NULL)", "INSERT INTO messages (session_id) VALUES (1)"},
		"a child of another type":         {own + "CREATE TABLE messages (id bigserial, session_id int NOT NULL)", "INSERT INTO messages (session_id) VALUES (1)"},
		"a child in camel case":           {own + `CREATE TABLE messages (id bigserial, "sessionId" bigint NOT NULL)`, `INSERT INTO messages ("sessionId") VALUES (1)`},
		"a key of two columns":            {own + key + "CREATE TABLE messages (id bigserial, of bigint, made timestamptz, FOREIGN KEY (of, made) REFERENCES sessions (id, created_at) ON DELETE CASCADE)", "INSERT INTO messages (of, made) SELECT id, created_at FROM sessions WHERE id = 1"},
		"a key of two columns, reversed":  {own + key + "CREATE TABLE messages (id bigserial, made timestamptz, of bigint, FOREIGN KEY (made, of) REFERENCES sessions (created_at, id))", "INSERT INTO messages (of, made) SELECT id, created_at FROM sessions WHERE id = 1"},
		"a child's update":                {own + "CREATE TABLE carts (session_id bigint PRIMARY KEY, n int); INSERT INTO carts VALUES (1, 1), (2, 1)", "UPDATE carts SET n = n + 1 WHERE session_id = 1"},
		"one of two keys of a child":      {own + "CREATE TABLE links (source bigint REFERENCES sessions ON DELETE CASCADE, target bigint REFERENCES sessions ON DELETE SET NULL)", "INSERT INTO links VALUES (NULL, 1)"},
		"a partition":                     {own + "CREATE TABLE messages (id int, session_id bigint) PARTITION BY RANGE (id); CREATE TABLE messages_1 PARTITION OF messages DEFAULT", "INSERT INTO messages_1 VALUES (1, 1)"},
		"a uuid":                          {"CREATE TABLE sessions (id uuid PRIMARY KEY, updated_at timestamptz); CREATE TABLE votes (session_id uuid)", "INSERT INTO votes VALUES ('00000000-0000-4000-8000-000000000001')"},
		"the last activity that is there": {"CREATE TABLE sessions (id bigint PRIMARY KEY, last_seen_at timestamp)", "UPDATE sessions SET last_seen_at = localtimestamp WHERE id = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := func(n string) string { return n }
			if strings.Contains(c.tables, "id uuid") {
				id = func(n string) string { return "'00000000-0000-4000-8000-00000000000" + n + "'" }
			}
			store, url, _ := shaped(t, c.tables, sessioncleanup.MigrateOptions{})
			pool := connect(t, url)
			mustRun(t, pool, "INSERT INTO sessions (id) VALUES ("+id("1")+"), ("+id("2")+")")
			migrate(t, store)
			schema, err := store.Schema(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			later := "SET session_replication_role = replica; UPDATE sessions SET " + schema.LastActivity + " = now() - interval '40 days'"
			mustRun(t, pool, later)
			mustRun(t, pool, c.use)
			manager := manage(t, store)
			for run := range 3 {
				if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
					t.Fatal(err)
				}
				if active := value[string](t, pool, "SELECT coalesce(string_agg(right(id::text, 1), ' ' ORDER BY id), '') FROM sessions WHERE active"); active != "1" {
					t.Errorf("after run %d sessions %q are active, want 1, which was used", run+1, active)
				}
			}
		})
	}
}

func TestTheLibrarysOwnWritesAreNoUse(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `CREATE TABLE sessions (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now() - interval '2 days');
		CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
		CREATE TRIGGER stamp BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION stamp();
		INSERT INTO sessions SELECT generate_series(1, 5)`, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool, manager := connect(t, url), manage(t, store)
	const last = "SELECT count(*) FROM sessions WHERE last_activity > now() - interval '1 day'"
	if n := value[int](t, pool, last); n != 0 {
		t.Errorf("%d sessions look used after Migrate", n)
	}
	if _, err := manager.SetAutoCleanup(t.Context(), "1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := manager.Deactivate(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deactivated() != 3 {
		t.Errorf("the run deactivated %d, %v; want 3", result.Deactivated(), err)
	}
	mustExec(t, pool, "SELECT cleanup_inactive_sessions()")
	if n := value[int](t, pool, last); n != 0 {
		t.Errorf("%d sessions look used although only this library wrote them", n)
	}
	mustExec(t, pool, "UPDATE sessions SET id = id WHERE id = 1")
	if got := touched(t, pool); got != "1" {
		t.Errorf("sessions %q were used after the application's update, want 1", got)
	}
}

func TestActivityTablesThatAreMadeLaterAreFollowed(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, `CREATE TABLE sessions (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true);
		CREATE TABLE votes (session_id int REFERENCES sessions ON DELETE CASCADE, created_at timestamptz)`); err != nil {
		t.Fatal(err)
	}
	pool := connect(t, url)
	for _, configured := range []bool{false, true} {
		var cfg postgres.Config
		if configured {
			cfg.Schema = sessioncleanup.Schema{Table: "sessions", Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}}
		}
		migrate(t, open(t, url, cfg))
		mustExec(t, pool, "CREATE TABLE messages (session_id int REFERENCES sessions ON DELETE CASCADE, created_at timestamptz)")
		store := open(t, url, postgres.Config{})
		if err := store.Validate(t.Context()); (err == nil) != configured || err != nil && !strings.Contains(err.Error(), "messages") {
			t.Errorf("configured %t: Validate gave %v", configured, err)
		}
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		mustExec(t, pool, "INSERT INTO sessions (id, last_activity) VALUES (1, now() - interval '3 days')")
		mustExec(t, pool, "INSERT INTO messages VALUES (1)")
		if used := touched(t, pool) == "1"; used == configured {
			t.Errorf("configured %t: a row of the new table counts as activity: %t", configured, used)
		}
		mustExec(t, pool, "DELETE FROM sessions")
		mustExec(t, pool, "DROP TABLE messages")
		if err := store.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSerializableTransactionsDoNotFailForTracking(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, votesOf("bigint")+"INSERT INTO sessions (id, last_activity) SELECT n, now() - interval '40 days' FROM generate_series(1, 200) n", sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool := connect(t, url+"&pool_max_conns=16")
	// Each reads one session and uses another, so that what tracking read or wrote would make a cycle of them.
	const rounds, clients = 20, 8
	for range rounds {
		var open []pgx.Tx
		for n := range clients {
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, tx)
			run(t, tx, fmt.Sprintf("SELECT * FROM sessions WHERE id = %d", 1+(n+1)%clients))
			run(t, tx, fmt.Sprintf("INSERT INTO votes (session_id) VALUES (%d)", 1+n))
		}
		for _, tx := range open {
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatalf("the application's commit: %v", err)
			}
		}
		mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '40 days'")
	}
	result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deactivated() != 200-clients {
		t.Errorf("the run deactivated %d sessions, %v; want all but the %d that were used", result.Deactivated(), err, clients)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessioncleanup_touches"); n != 0 {
		t.Errorf("%d touches are still noted", n)
	}
}

func TestASessionThatAnOpenTransactionUsesIsNotIdle(t *testing.T) {
	t.Parallel()
	for name, tables := range map[string]string{"with a foreign key": votesOf("bigint"), "without one": strings.ReplaceAll(votesOf("bigint"), "REFERENCES sessions (id) ON DELETE CASCADE", "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, tables+"INSERT INTO sessions (id, last_activity) SELECT n, now() - interval '40 days' FROM generate_series(1, 3) n", sessioncleanup.MigrateOptions{})
			migrate(t, store)
			pool := connect(t, url)
			tx := begin(t, pool)
			run(t, tx, "INSERT INTO votes (session_id) VALUES (2)")
			result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil || result.Phases.Total().Skipped == 0 {
				t.Errorf("the run: %+v, %v, want skipped sessions", result.Phases, err)
			}
			for _, s := range result.Skipped {
				if strings.HasPrefix(name, "without") && !strings.Contains(s.Reason, "in use by an open transaction") {
					t.Errorf("session %s was skipped because %q, want the open transaction", s.SessionID, s.Reason)
				}
			}
			commit(t, tx)
			if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			if active := value[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sessions WHERE active"); active != "2" {
				t.Errorf("sessions %q are active, want 2", active)
			}
		})
	}
}

// votesOf are sessions with ids of a type, and votes for them.
func votesOf(id string) string { return strings.ReplaceAll(votesOfSessions, " ID ", " "+id+" ") }
