package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// fresh makes a database with an application's tables that was not migrated.
func fresh(t testing.TB, name string) string {
	t.Helper()
	return pgtest.Prepared(t, name+", fresh", pgapps.All()[name].Make)
}

func migrate(t testing.TB, store *postgres.Store) {
	t.Helper()
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
}

var restrictLine = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// dump describes everything in a database but its rows: with pg_dump, if there is one that knows the server, or else
// from the catalog.
func dump(t testing.TB, url string) string {
	t.Helper()
	if out, err := exec.Command(pgtest.Program("pg_dump"), "--schema-only", url).CombinedOutput(); err == nil {
		return restrictLine.ReplaceAllString(string(out), "")
	}
	return value[string](t, connect(t, url), `
		SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
			SELECT format('column %s.%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
			              (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)) AS line
			  FROM pg_attribute JOIN pg_class ON oid = attrelid WHERE attnum > 0 AND NOT attisdropped AND relnamespace::regnamespace::text NOT LIKE 'pg\_%' AND relnamespace <> 'information_schema'::regnamespace
			UNION ALL SELECT format('relation %s %s %s', oid::regclass, relkind, reloptions) FROM pg_class WHERE relnamespace::regnamespace::text NOT LIKE 'pg\_%' AND relnamespace <> 'information_schema'::regnamespace
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname NOT LIKE 'pg\_%'
			UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE oid > 16383
			UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
			UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid > 16383
		) l`)
}

// For tables of every kind, Migrate does the same when it is repeated and when its SQL is run manually, and Uninstall
// reverts it.
func TestMigrateAgainAndItsSQLChangeTheSameAndUninstallLeavesTheSchemaAsItWas(t *testing.T) {
	t.Parallel()
	for name, h := range pgapps.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "guide" {
				thorough.Only(t, thorough.Tables)
			}
			url := fresh(t, name)
			before := dump(t, url)
			store := open(t, url, postgres.Config{Schema: h.Schema})
			script, err := store.MigrationSQL(t.Context(), sessioncleanup.Policy{})
			if err != nil {
				t.Fatal(err)
			}
			if dump(t, url) != before {
				t.Fatal("printing the SQL changed the database")
			}
			migrate(t, store)
			first := dump(t, url)
			if first == before {
				t.Fatal("the migration changed nothing")
			}
			expectSQL(t, fresh(t, name), h.Schema, script, first)
			migrate(t, store)
			if diff := cmp.Diff(first, dump(t, url)); diff != "" {
				t.Errorf("a second migration (-first +second):\n%s", diff)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			for range 2 { // once more: nothing is left to remove
				if err := store.Uninstall(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after uninstall (-before +after):\n%s", diff)
			}
			if _, err := store.List(t.Context(), sessioncleanup.Query{Limit: 1}); name != "own" && !errors.Is(err, sessioncleanup.ErrNotInstalled) && !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Errorf("a list after uninstall gave %v, want ErrNotInstalled", err)
			}
		})
	}
}

// expectSQL requires that the SQL of a migration does to another database what the migration did.
func expectSQL(t *testing.T, url string, schema sessioncleanup.Schema, script, want string) {
	t.Helper()
	runScript(t, connect(t, url), script)
	store := open(t, url, postgres.Config{Schema: schema})
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, dump(t, url)); diff != "" {
		t.Errorf("schema (-Migrate +manually):\n%s", diff)
	}
	policy, err := store.Policy(t.Context())
	if diff := cmp.Diff(sessioncleanup.Policy{}.WithDefaults(), policy); err != nil || diff != "" {
		t.Errorf("policy (-want +got), error %v:\n%s", err, diff)
	}
}

func TestUninstallKeepsOwnTableThatHoldsSessions(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "own")
	mustExec(t, pool, "DROP TABLE pins")
	mustExec(t, pool, "INSERT INTO sessions (name) VALUES ('still here')")
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions"); n != 1 {
		t.Errorf("%d sessions are left, want 1", n)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM pg_class WHERE relname LIKE 'sessioncleanup%' AND relkind = 'r'"); n != 0 {
		t.Errorf("%d tables of the library are left, want none", n)
	}
}

// stopper cancels a context at the n-th step of a migration.
type stopper struct {
	slog.Handler
	left int
	stop context.CancelFunc
}

func (s *stopper) Enabled(context.Context, slog.Level) bool { return true }

func (s *stopper) Handle(context.Context, slog.Record) error {
	if s.left--; s.left == 0 {
		s.stop()
	}
	return nil
}

// Each migration is stopped some steps later than the one before, from another first step on in each run of the tests.
func TestAnInterruptedMigrationIsFinishedOrRemoved(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Interrupted)
	url := fresh(t, "guide")
	before := dump(t, url)
	migrate(t, open(t, url, postgres.Config{}))
	want := dump(t, url)
	n, last := 1+rand.IntN(9), 0
	for finished := false; !finished; n += 9 {
		url := fresh(t, "guide")
		ctx, cancel := context.WithCancel(t.Context())
		err := open(t, url, postgres.Config{Logger: slog.New(&stopper{left: n, stop: cancel})}).Migrate(ctx, sessioncleanup.Policy{})
		cancel()
		if finished = err == nil; finished {
			break
		}
		last = n
		store := open(t, url, postgres.Config{})
		if _, err := store.List(t.Context(), sessioncleanup.Query{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
			t.Errorf("a list after a migration that stopped at step %d gave %v, want ErrNotInstalled", n, err)
		}
		if n%2 == 0 {
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("stopped at step %d and uninstalled (-before +after):\n%s", n, diff)
			}
		}
		migrate(t, store)
		if diff := cmp.Diff(want, dump(t, url)); diff != "" {
			t.Errorf("stopped at step %d and migrated again (-at once +again):\n%s", n, diff)
		}
	}
	if last < 4 {
		t.Errorf("the last migration that was stopped was so at step %d, want more steps", last)
	}
}

// Migrate makes the table of its lock first, then that of the versions. The server may finish the second one after an
// Uninstall, when its client is gone.
func TestUninstallRemovesWhatAMigrationMakesBeforeTheSettings(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	before := dump(t, url)
	for _, made := range [][]string{{"migrating"}, {"migrations"}, {"migrating", "migrations"}} {
		for _, table := range made {
			mustExec(t, connect(t, url), "CREATE TABLE sessioncleanup_"+table+" (id integer PRIMARY KEY)")
		}
		if err := open(t, url, postgres.Config{}).Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, dump(t, url)); diff != "" {
			t.Errorf("the database after Uninstall, with %v (-before +after):\n%s", made, diff)
		}
	}
}

func TestBackfillTakesTheNewestThatIsKnown(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	pool := connect(t, url)
	mustExec(t, pool, `INSERT INTO sessions (id, created_at, updated_at)
		SELECT n, now() - n * interval '1 hour', CASE WHEN n % 3 = 0 THEN now() - n * interval '30 minutes' END FROM generate_series(1, 3000) n`)
	mustExec(t, pool, "UPDATE sessions SET created_at = NULL, updated_at = NULL WHERE id = 3000")
	mustExec(t, pool, `INSERT INTO propositions (session_id, created_at)
		SELECT n, now() - n * k * interval '5 minutes' FROM generate_series(1, 2999) n, generate_series(1, 2) k WHERE n % 5 = 0`)
	// A trigger that every Rails and Django user knows: it must not make old sessions look freshly updated.
	mustExec(t, pool, "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$")
	mustExec(t, pool, "CREATE TRIGGER stamp BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION stamp()")
	migrate(t, open(t, url, postgres.Config{}))
	wrong := value[int](t, pool, `
		SELECT count(*) FROM sessions s WHERE id < 3000 AND last_activity IS DISTINCT FROM
		       greatest(s.created_at, s.updated_at, (SELECT max(p.created_at) FROM propositions p WHERE p.session_id = s.id))`)
	if wrong != 0 {
		t.Errorf("%d sessions have another last activity than the newest time known of them", wrong)
	}
	if !value[bool](t, pool, "SELECT last_activity > now() - interval '1 hour' FROM sessions WHERE id = 3000") {
		t.Error("a session of which no time is known is not taken for freshly used")
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE updated_at > now() - interval '5 minutes'"); n != 0 {
		t.Errorf("the application's trigger ran for %d sessions", n)
	}
}

func TestColumnsWithoutTimeZoneAreReadInTheirZone(t *testing.T) {
	t.Parallel()
	url := fresh(t, "integer")
	pool := connect(t, url)
	// The application writes times of Paris.
	mustExec(t, pool, `INSERT INTO sessions (id, last_activity) VALUES
		(1, '2026-07-01 12:00'), (2, '2026-01-15 12:00'), (3, '2026-03-29 03:10'), (4, '2026-10-25 02:30')`)
	store := open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{TimeZone: "Europe/Paris"}})
	migrate(t, store)
	got := map[string]string{}
	for id := range 4 {
		page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: strconv.Itoa(id + 1)}, Limit: 1})
		if err != nil || len(page.Sessions) != 1 {
			t.Fatalf("list of session %d: %+v, error %v", id+1, page, err)
		}
		got[page.Sessions[0].ID] = page.Sessions[0].LastActivity.UTC().Format(time.RFC3339)
	}
	want := map[string]string{
		"1": "2026-07-01T10:00:00Z", "2": "2026-01-15T11:00:00Z", "3": "2026-03-29T01:10:00Z",
		"4": "2026-10-25T01:30:00Z", // in the hour that comes twice, the later
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last activities (-want +got):\n%s", diff)
	}
}

// runScript runs a script section by section, as psql does outside of a transaction.
func runScript(t testing.TB, pool *pgxpool.Pool, script string) {
	t.Helper()
	conn := acquire(t, pool)
	for _, section := range strings.Split(script, "\n\n-- ") {
		statements := []string{section}
		if about, rest, _ := strings.Cut(section, "\n"); strings.Contains(about, "outside of a transaction") {
			statements = strings.Split(rest, ";\n")
		} else {
			statements[0] = "-- " + section
		}
		for _, sql := range statements {
			if _, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
				t.Fatalf("%s\n%v", sql, err)
			}
		}
	}
}

func TestMigrateRespectsWhatIsThere(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	pool := connect(t, url)
	mustExec(t, pool, "ALTER TABLE sessions ADD auto_cleanup boolean NOT NULL DEFAULT false, ADD last_activity timestamptz, ADD expires_at timestamptz")
	mustExec(t, pool, "CREATE INDEX mine ON sessions (last_activity, id) WHERE NOT active AND auto_cleanup")
	mustExec(t, pool, "INSERT INTO sessions (id, last_activity) VALUES (1, '2020-01-01'), (2, NULL)")
	before := dump(t, url)
	store := open(t, url, postgres.Config{})
	migrate(t, store)
	if value[bool](t, pool, "SELECT auto_cleanup FROM sessions WHERE id = 1") {
		t.Error("the application's own column was changed")
	}
	if at := value[time.Time](t, pool, "SELECT last_activity FROM sessions WHERE id = 1"); at.Year() != 2020 {
		t.Errorf("the application's own last activity became %v", at)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions WHERE last_activity IS NULL"); n != 0 {
		t.Errorf("%d sessions have no last activity, want none", n)
	}
	if names := value[string](t, pool, "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'sessions'"); names !=
		"mine sessions_pkey sessions_sessioncleanup_class_expired sessions_sessioncleanup_class_gone sessions_sessioncleanup_class_idle sessions_sessioncleanup_classed sessions_sessioncleanup_expired "+
			"sessions_sessioncleanup_gone sessions_sessioncleanup_idle sessions_sessioncleanup_protected sessions_sessioncleanup_undated" {
		t.Errorf("indexes are %q: want the application's own index to be used, and nine more", names)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after uninstall (-before +after):\n%s", diff)
	}
}

func TestMigrateRebuildsAnIndexThatACrashLeftInvalid(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	mustExec(t, pool, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sessions_sessioncleanup_idle'::regclass")
	if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "sessions_sessioncleanup_idle\" is unfinished") && !strings.Contains(err.Error(), "is unfinished") {
		t.Errorf("Validate gave %v, want the unfinished index", err)
	}
	migrate(t, store)
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateWaitsForLocksWithoutBlockingWriters(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	pool := connect(t, url)
	mustExec(t, pool, "INSERT INTO sessions (id) VALUES (1), (2)")
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, reader, "SELECT FROM sessions") // keeps every ALTER TABLE waiting
	done := make(chan error, 1)
	store := open(t, url, postgres.Config{})
	go func() { done <- store.Migrate(t.Context(), sessioncleanup.Policy{}) }()
	for range 50 { // each within what the migration may hold others up, and some for a busy machine
		tx := begin(t, pool)
		run(t, tx, "SET LOCAL lock_timeout = '1s'")
		run(t, tx, "UPDATE sessions SET name = 'x' WHERE id = 2")
		commit(t, tx)
	}
	select {
	case err := <-done:
		t.Fatalf("the migration ended while a reader held the table: %v", err)
	default:
	}
	commit(t, reader)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestMigrateThatDoesNotGetALockNamesTheTransactionsThatHoldOne(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	reader := begin(t, connect(t, url))
	run(t, reader, "SELECT /* the report */ FROM sessions")
	err := open(t, url, postgres.Config{MigrateWait: 1500 * time.Millisecond}).Migrate(t.Context(), sessioncleanup.Policy{})
	if !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "pid ") || !strings.Contains(err.Error(), "/* the report */") {
		t.Errorf("Migrate: %v, want an ErrUnavailable that names the transaction and its query", err)
	}
	commit(t, reader)
}

func TestMigrateFollowsChangesOfSchemaAndPolicy(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	schema, err := store.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url := pool.Config().ConnString()
	mustExec(t, pool, "CREATE TABLE votes (session_id bigint REFERENCES sessions ON DELETE CASCADE, at timestamptz)")
	schema.Sources = []sessioncleanup.Source{{Table: "votes", Session: "session_id", At: "at"}}
	changed := open(t, url, postgres.Config{Schema: schema})
	if err := changed.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "configured schema") {
		t.Errorf("Validate with another schema gave %v", err)
	}
	policy := sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never, AutoCleanupDefault: sessioncleanup.Off, EventsKeep: 90 * time.Minute}
	if err := changed.Migrate(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	stored, err := store.Policy(t.Context())
	if diff := cmp.Diff(policy.WithDefaults(), stored); err != nil || diff != "" {
		t.Errorf("policy (-want +got), error %v:\n%s", err, diff)
	}
	if got := value[string](t, pool, "INSERT INTO sessions (name) VALUES ('x') RETURNING auto_cleanup::text"); got != "false" {
		t.Error("new sessions are cleaned up automatically, against the policy")
	}
	got := value[string](t, pool, "SELECT string_agg(tgrelid::regclass || ' ' || tgname, ', ' ORDER BY 1) FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'sessioncleanup_commit'")
	if want := "votes sessioncleanup_insert_session_id, votes sessioncleanup_update_session_id"; got != want && !strings.Contains(got, "votes") || strings.Contains(got, "propositions") {
		t.Errorf("triggers are %q, want %q", got, want)
	}
	if n := value[int](t, pool, "SELECT count(total_votes) FROM sessions_cleanup_view"); n != 1 {
		t.Error("the view does not count the new source")
	}
}

func TestValidateSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"ALTER TABLE propositions DISABLE TRIGGER USER":                         "the trigger sessioncleanup_insert_session_id on public.propositions is disabled",
		"DROP TRIGGER sessioncleanup_update_session_id ON propositions":         "the trigger sessioncleanup_update_session_id on public.propositions is missing",
		"DROP INDEX sessions_sessioncleanup_gone":                               "the index sessions_sessioncleanup_gone is missing",
		"DROP VIEW sessions_cleanup_view":                                       "the view sessions_cleanup_view is missing",
		"DROP FUNCTION get_session_cleanup_stats":                               "the function get_session_cleanup_stats is missing",
		"DROP VIEW sessions_cleanup_view; ALTER TABLE sessions DROP expires_at": `has no column "expires_at"`,
		"DROP TABLE pins, propositions, sessions CASCADE":                       "is gone",
		"UPDATE sessioncleanup_settings SET complete = 0":                       "did not finish",
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			store, pool := adopted(t, "guide")
			mustExec(t, pool, sql, pgx.QueryExecModeSimpleProtocol)
			err := store.Validate(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "no such table") {
				t.Errorf("Validate gave %v, want %q", err, want)
			}
		})
	}
}

func TestMigrateWarnsOfWhatWillBeSlowOrFail(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, `CREATE TABLE sessions (id bigint UNIQUE);
		CREATE TABLE votes (session_id bigint REFERENCES sessions (id));`); err != nil {
		t.Fatal(err)
	}
	log := &recorder{}
	migrate(t, open(t, url, postgres.Config{Logger: slog.New(log)}))
	migrate(t, open(t, url, postgres.Config{Logger: slog.New(log)}))
	for _, want := range []string{
		"no index begins with the foreign key of public.votes (session_id)", "the foreign key of public.votes (session_id) has no ON DELETE CASCADE",
	} {
		if !slices.ContainsFunc(log.lines, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("the log says %q, want %q", log.lines, want)
		}
	}
}

type recorder struct {
	slog.Handler
	lines []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	r.lines = append(r.lines, fmt.Sprint(record.Level, " ", record.Message))
	return nil
}

// The server's other processors belong to the application: no statement of a migration uses several processes.
func TestMigrateLeavesProcessorsToTheApplication(t *testing.T) {
	t.Parallel()
	url := fresh(t, "guide")
	pool := connect(t, url)
	mustExec(t, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 5000) n")
	mustExec(t, pool, "ALTER TABLE sessions SET (parallel_workers = 2)")
	config := pool.Config().Copy()
	config.ConnConfig.RuntimeParams["client_min_messages"] = "debug1"
	config.ConnConfig.RuntimeParams["min_parallel_table_scan_size"] = "0"
	var mu sync.Mutex
	var built []string
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(n.Message, `building index "sessions_sessioncleanup`) {
			built = append(built, n.Message)
		}
	}
	watched, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watched.Close)
	store, err := postgres.New(watched, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, store)
	if len(built) != 10 {
		t.Errorf("the server told of %d indexes, want 10: %q", len(built), built)
	}
	for _, message := range built {
		if !strings.HasSuffix(message, "serially") {
			t.Error(message)
		}
	}
	for _, conn := range watched.AcquireAllIdle(t.Context()) {
		if is := value[string](t, conn, "SHOW max_parallel_maintenance_workers"); is != "2" {
			t.Errorf("a connection goes back to its pool with max_parallel_maintenance_workers %s", is)
		}
		conn.Release()
	}
}
