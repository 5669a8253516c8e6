package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// shaped gives a database with an application's tables, and a store on it that logs to the builder.
func shaped(t *testing.T, sql string, options sessioncleanup.MigrateOptions) (*postgres.Store, string, *strings.Builder) {
	t.Helper()
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, sql); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	return open(t, url, postgres.Config{Migrate: options, Logger: slog.New(slog.NewTextHandler(&log, nil))}), url, &log
}

// migratedTables is a migrated database with these tables, made once for all tests that have the same.
func migratedTables(t *testing.T, sql string) (*postgres.Store, string) {
	t.Helper()
	url := pgtest.Prepared(t, sql, func(ctx context.Context, url string) error {
		if err := pgapps.Exec(ctx, url, sql); err != nil {
			return err
		}
		store, err := postgres.Open(ctx, url, postgres.Config{})
		if err != nil {
			return err
		}
		defer store.Close()
		return store.Migrate(ctx, sessioncleanup.Policy{})
	})
	return open(t, url, postgres.Config{}), url
}

func TestMigrateRefusesShapesAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, want string }{
		"an id that is unique only with the tenant":    {"CREATE TABLE sessions (tenant int, id int, PRIMARY KEY (tenant, id))", "unique"},
		"a computed active":                            {"CREATE TABLE sessions (id int PRIMARY KEY, ended timestamptz, active boolean GENERATED ALWAYS AS (ended IS NULL) STORED)", `schema.active is "active": that column of table "sessions" is GENERATED ALWAYS`},
		"a computed expiry":                            {"CREATE TABLE sessions (id int PRIMARY KEY, made timestamp, expires_at timestamp GENERATED ALWAYS AS (made + interval '1 day') STORED)", `schema.expires_at is "expires_at"`},
		"times that are more than a year old":          {"CREATE TABLE sessions (id int PRIMARY KEY, created_at timestamptz); INSERT INTO sessions VALUES (1, now() - interval '500 days')", "--accept-times"},
		"times that are in the future, but not as UTC": {"SET TimeZone = 'America/Los_Angeles'; CREATE TABLE sessions (id int PRIMARY KEY, updated_at timestamp); ALTER ROLE CURRENT_USER IN DATABASE \"DB\" SET TimeZone = 'America/Los_Angeles'; INSERT INTO sessions VALUES (1, now() AT TIME ZONE 'UTC')", "--time-zone UTC"},
		"the guide's functions and view":               {"CREATE TABLE sessions (id int PRIMARY KEY); CREATE FUNCTION cleanup_inactive_sessions(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW sessions_cleanup_view AS SELECT id FROM sessions", "view sessions_cleanup_view, function cleanup_inactive_sessions(integer)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			sql := strings.ReplaceAll(c.sql, "DB", value[string](t, pool, "SELECT current_database()::text"))
			if err := pgapps.Exec(t.Context(), url, sql); err != nil {
				t.Fatal(err)
			}
			err := open(t, url, postgres.Config{}).Migrate(t.Context(), sessioncleanup.Policy{})
			if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an ErrInvalid with %q", err, c.want)
			}
			if n := value[int](t, pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'sessioncleanup%'"); n != 0 {
				t.Errorf("%d tables and indexes of the library after the refusal, want 0", n)
			}
		})
	}
}

func TestReplaceTakesOverAndUninstallRestores(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `
		CREATE TABLE sessions (id int PRIMARY KEY, created_at timestamptz, last_activity timestamptz DEFAULT now());
		CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions ON DELETE CASCADE);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE sessions SET last_activity = now() WHERE id = NEW.session_id; RETURN NEW; END';
		CREATE TRIGGER note AFTER INSERT ON votes FOR EACH ROW EXECUTE FUNCTION note();
		CREATE FUNCTION cleanup_inactive_sessions(hours int DEFAULT 24) RETURNS int LANGUAGE sql AS 'SELECT 1';
		COMMENT ON FUNCTION cleanup_inactive_sessions(int) IS 'ours';
		CREATE VIEW sessions_cleanup_view AS SELECT id FROM sessions`, sessioncleanup.MigrateOptions{Replace: true})
	pool := connect(t, url)
	const shape = `SELECT concat_ws('|', pg_get_functiondef('cleanup_inactive_sessions(int)'::regprocedure), obj_description('cleanup_inactive_sessions(int)'::regprocedure),
		pg_get_viewdef('sessions_cleanup_view'::regclass), (SELECT string_agg(pg_get_triggerdef(oid), ',') FROM pg_trigger WHERE NOT tgisinternal))`
	before := value[string](t, pool, shape)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if value[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'note')") {
		t.Error("the row trigger is still there after Migrate with Replace")
	}
	mustExec(t, pool, "CREATE FUNCTION cleanup_inactive_sessions(hours int DEFAULT 24) RETURNS int LANGUAGE sql AS 'SELECT 2'")
	if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "function cleanup_inactive_sessions(hours integer)") {
		t.Errorf("Validate with a second function: %v, want it named", err)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := value[string](t, pool, shape); after != before {
		t.Errorf("after Uninstall: %s\nwant: %s", after, before)
	}
}

func TestMigrateFollowsRenames(t *testing.T) {
	t.Parallel()
	for _, rename := range thorough.First(2,
		"ALTER TABLE sessions RENAME TO rooms", "ALTER TABLE sessions RENAME COLUMN last_activity TO last_used_at",
		"ALTER TABLE votes RENAME COLUMN session_id TO room_id", "ALTER TABLE votes RENAME TO answers",
		"CREATE SCHEMA app; ALTER TABLE sessions SET SCHEMA app",
	) {
		t.Run(rename, func(t *testing.T) {
			t.Parallel()
			store, url := migratedTables(t, `
				CREATE TABLE sessions (id int PRIMARY KEY, last_activity timestamptz NOT NULL DEFAULT now());
				CREATE TABLE votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES sessions ON DELETE CASCADE)`)
			if err := pgapps.Exec(t.Context(), url, rename); err != nil {
				t.Fatal(err)
			}
			if err := store.Validate(t.Context()); err == nil {
				t.Error("Validate finds nothing after the rename")
			}
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Errorf("Validate after Migrate: %v", err)
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			pool := connect(t, url)
			if n := value[int](t, pool, "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%sessioncleanup%') + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) + (SELECT count(*) FROM pg_attribute WHERE attname IN ('auto_cleanup', 'deactivated_at'))"); n != 0 {
				t.Errorf("%d objects are left after Uninstall, want 0", n)
			}
		})
	}
}

func TestMigrateMarksWhatIsInactive(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `
		CREATE TABLE sessions (id int PRIMARY KEY, active boolean, updated_at timestamptz);
		INSERT INTO sessions VALUES (1, false, now()), (2, true, now()), (3, NULL, now())`, sessioncleanup.MigrateOptions{})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	got := value[string](t, connect(t, url), "SELECT string_agg(id || '=' || coalesce(extract(epoch FROM deactivated_at)::int::text, 'none'), ' ' ORDER BY id) FROM sessions")
	if want := "1=0 2=none 3=none"; got != want {
		t.Errorf("deactivated_at after Migrate: %s, want %s", got, want)
	}
}

func TestBackfillLeavesOtherColumnsAlone(t *testing.T) {
	t.Parallel()
	_, url, _ := shaped(t, `
		CREATE TABLE sessions (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true, updated_at timestamptz);
		INSERT INTO sessions SELECT n, n % 2 = 0, now() - n * interval '1 hour' FROM generate_series(1, 50) n;
		CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := now(); NEW.last_activity := now(); RETURN NEW; END';
		CREATE TRIGGER zz_stamp BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION stamp()`, sessioncleanup.MigrateOptions{})
	pool := connect(t, url)
	role := "plain_" + value[string](t, pool, "SELECT current_database()::text")
	mustExec(t, pool, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() { _ = pgapps.Exec(context.Background(), url, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role) })
	mustExec(t, pool, "ALTER TABLE sessions OWNER TO "+role)
	mustExec(t, pool, "GRANT ALL ON SCHEMA public TO "+role)
	before := value[string](t, pool, "SELECT string_agg(updated_at::text, ',' ORDER BY id) FROM sessions")
	store := open(t, strings.Replace(url, "postgres@", role+"@", 1), postgres.Config{})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if after := value[string](t, pool, "SELECT string_agg(updated_at::text, ',' ORDER BY id) FROM sessions"); after != before {
		t.Error("the backfill changed updated_at")
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity <> updated_at OR (deactivated_at IS NULL) <> active"); n != 0 {
		t.Errorf("%d sessions whose last activity is not what updated_at says, or that are not marked, want 0", n)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%sessioncleanup_keep'"); n != 0 {
		t.Errorf("%d triggers of the backfill are left, want 0", n)
	}
}
