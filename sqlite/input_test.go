package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// calls are all the methods that touch the database, but for Migrate and Close.
func calls(s *sqlite.Store) map[string]func(ctx context.Context) error {
	cause := sessioncleanup.Cause{Actor: "system"}
	return map[string]func(ctx context.Context) error{
		"List":   func(ctx context.Context) error { _, err := s.List(ctx, sessioncleanup.Query{Limit: 5}); return err },
		"Counts": func(ctx context.Context) error { _, err := s.Counts(ctx, sessioncleanup.CountsQuery{}); return err },
		"Sweep": func(ctx context.Context) error {
			_, err := s.Sweep(ctx, batchOf(sessioncleanup.ActionDeleted, time.Now(), 5))
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := s.Update(ctx, sessioncleanup.Target{ID: "1"}, sessioncleanup.Change{Cause: cause, Active: sessioncleanup.Off})
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := s.Delete(ctx, sessioncleanup.Target{ID: "1"}, cause)
			return err
		},
		"Touch": func(ctx context.Context) error {
			_, err := s.Touch(ctx, sessioncleanup.Touch{IDs: []string{"1"}})
			return err
		},
		"Events": func(ctx context.Context) error {
			_, err := s.Events(ctx, sessioncleanup.EventQuery{Limit: 5})
			return err
		},
		"Record": func(ctx context.Context) error { _, err := s.Record(ctx, sessioncleanup.Record{}); return err },
		"Lease": func(ctx context.Context) error {
			_, err := s.Lease(ctx, sessioncleanup.LeaseRequest{Name: "a", Holder: "b", TTL: time.Minute})
			return err
		},
		"Validate": s.Validate,
		"Policy":   func(ctx context.Context) error { _, err := s.Policy(ctx); return err },
		"Schema":   func(ctx context.Context) error { _, err := s.Schema(ctx); return err },
	}
}

func TestAMissingFileIsNamedAndNotMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "typo.db")
	store := open(t, path, sqlite.Config{})
	all := calls(store)
	all["Now"] = func(ctx context.Context) error { _, err := store.Now(ctx); return err }
	all["Inspect"] = func(ctx context.Context) error { _, err := store.Inspect(ctx); return err }
	all["Uninstall"] = store.Uninstall
	for name, call := range all {
		err := call(t.Context())
		if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for what, c := range map[string]sqlite.Config{
		"a table": configOf(sessioncleanup.Schema{Table: "rooms"}),
	} {
		if err := open(t, path, c).Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("Migrate with %s that is not there: %v", what, err)
		}
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{InactiveAfter: -time.Hour}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("Migrate with a wrong policy: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	if err := open(t, filepath.Join(path, "deeper.db"), sqlite.Config{}).Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("Migrate in a folder that is not there: %v", err)
	}
}

func TestWhatIsNoDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database, just text\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text: "the file is not a SQLite database",
		dir:  "it is a folder: want a file",
		"":   "path of the database is empty",
	} {
		_, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%q): %v, want %q", path, err, want)
		}
	}
	if data, err := os.ReadFile(text); err != nil || len(data) != 1300 {
		t.Errorf("the text has %d bytes: %v", len(data), err)
	}
}

// TestWhatCannotBeAdoptedIsRefused has for each wrong schema or table the error of Migrate, which changes nothing.
func TestWhatCannotBeAdoptedIsRefused(t *testing.T) {
	t.Parallel()
	type schema = sessioncleanup.Schema
	for want, c := range map[string]struct {
		tables string
		schema schema
	}{
		`schema.table is "rooms": there is no such table`:                        {appTables, schema{Table: "rooms"}},
		`schema.owner is "boss": table "sessions" has no such column`:            {appTables, schema{Owner: "boss"}},
		`schema.created_at is "born": table "sessions" has no such column`:       {appTables, schema{CreatedAt: "born"}},
		`schema.owners.table is "people": there is no such table`:                {appTables, schema{Owner: "streamer_id", Owners: &sessioncleanup.Owners{Table: "people", ID: "id", Name: "name"}}},
		`schema.owners.name is "name": table "users" has no such column`:         {appTables, schema{Owner: "streamer_id", Owners: &sessioncleanup.Owners{Table: "users", ID: "id", Name: "name"}}},
		`schema.sources[0].table is "votes": there is no such table`:             {appTables, schema{Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}}},
		`schema.sources[0].session is "room"`:                                    {appTables, schema{Sources: []sessioncleanup.Source{{Table: "propositions", Session: "room"}}}},
		`schema.sources[0].at is "when"`:                                         {appTables, schema{Sources: []sessioncleanup.Source{{Table: "propositions", Session: "session_id", At: "when"}}}},
		`schema.sources[0].table is "sessions": that is the table of the`:        {appTables, schema{Sources: []sessioncleanup.Source{{Table: "sessions", Session: "id"}}}},
		`schema.id is "name": two rows of "sessions" may have the same`:          {appTables, schema{ID: "name"}},
		`schema.table is "v": that is a view`:                                    {"CREATE VIEW v AS SELECT 1 AS id", schema{Table: "v"}},
		`schema.active is "active": a row of "sessions" has the text "yes"`:      {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, active TEXT); INSERT INTO sessions VALUES (1, 'yes')", schema{}},
		`schema.auto_cleanup is "auto": a row of "sessions" has the integer "7"`: {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, auto INTEGER); INSERT INTO sessions VALUES (1, 7)", schema{AutoCleanup: "auto"}},
		`schema.last_activity is "last_activity": that column of table "sessions" is generated`: {
			"CREATE TABLE sessions (id INTEGER PRIMARY KEY, data TEXT, last_activity TEXT GENERATED ALWAYS AS (json_extract(data, '$.seen')) VIRTUAL)", schema{},
		},
		`no such function: search_words`: {appTables + "CREATE TRIGGER t AFTER DELETE ON sessions BEGIN SELECT search_words(old.name); END", schema{}},
		`no such collation sequence: swedish`: {
			appTables + "CREATE TRIGGER t AFTER UPDATE ON sessions WHEN new.name > old.name COLLATE swedish BEGIN SELECT 1; END", schema{},
		},
		`no such table: main.search`:                                  {appTables + "CREATE TRIGGER t BEFORE DELETE ON propositions BEGIN DELETE FROM search WHERE id = old.id; END", schema{}},
		`the database has a table "sessions_cleanup_view" of its own`: {appTables + "CREATE TABLE sessions_cleanup_view (a)", schema{}},
	} {
		path, app := newApp(t, c.tables)
		before := dump(t, app, true)
		err := open(t, path, sqlite.Config{Schema: c.schema, Migrate: sessioncleanup.MigrateOptions{View: true}}).Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %q", err, want)
		}
		if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
			t.Errorf("%s: the database (-before +after):\n%s", want, diff)
		}
	}
}

func TestWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	for want, c := range map[string]sqlite.Config{
		`schema.table is "a\"; DROP TABLE users": want quotes`: configOf(sessioncleanup.Schema{Table: `a"; DROP TABLE users`}),
		`schema.owner is "it's": want no quotes`:               configOf(sessioncleanup.Schema{Owner: "it's"}),
		`schema.table is "app.sessions": SQLite's tables`:      configOf(sessioncleanup.Schema{Table: "app.sessions"}),
		`schema.table is "sessioncleanup_events": that name`:   configOf(sessioncleanup.Schema{Table: "sessioncleanup_events"}),
		"Config.BusyTimeout is -1s":                            {BusyTimeout: -time.Second},
		"Config.Readers is -1":                                 {Readers: -1},
	} {
		if _, err := sqlite.Open(t.Context(), path, c); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := sqlite.New(t.Context(), nil, sqlite.Config{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("New without a database: %v", err)
	}
}

func TestADatabaseOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, "INSERT INTO sessioncleanup_migrations (version_id, is_applied) VALUES (99, 1)")
	before := dump(t, app, true)
	all := calls(store)
	all["Migrate"] = func(ctx context.Context) error { return store.Migrate(ctx, sessioncleanup.Policy{}) }
	all["Uninstall"] = store.Uninstall
	for _, sessions := range []string{"List", "Counts", "Sweep", "Update", "Delete", "Touch"} {
		delete(all, sessions) // of a store that has read the layout before; a new one is below
	}
	for name, call := range calls(open(t, line(t, app, "PRAGMA database_list")[len("0|main|"):], sqlite.Config{})) {
		all["new "+name] = call
	}
	for name, call := range all {
		if err := call(t.Context()); !errors.Is(err, sessioncleanup.ErrNewerSchema) {
			t.Errorf("%s: %v, want ErrNewerSchema", name, err)
		}
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("the database (-before +after):\n%s", diff)
	}
}

func TestACancelledContextChangesNothing(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	fresh := open(t, path, sqlite.Config{})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	before := dump(t, app, true)
	if err := fresh.Migrate(cancelled, sessioncleanup.Policy{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Migrate: %v", err)
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("Migrate: the database (-before +after):\n%s", diff)
	}
	migrate(t, fresh)
	execute(t, app, insertUsed, 1, nil, "old", 1, stamp(time.Now().Add(-60*day)), nil, 1)
	execute(t, app, insertUsed, 2, nil, "older", 0, stamp(time.Now().Add(-60*day)), nil, 1)
	before = dump(t, app, true)
	all := calls(fresh)
	all["Uninstall"] = fresh.Uninstall
	for name, call := range all {
		if err := call(cancelled); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("the database (-before +after):\n%s", diff)
	}
}

// limited opens a database that cannot grow, as on a full disk.
func limited(t *testing.T, path string) *sql.DB {
	t.Helper()
	app := openApp(t, path)
	app.SetMaxOpenConns(1)
	execute(t, app, "PRAGMA journal_mode = WAL")
	execute(t, app, "PRAGMA max_page_count = 1")
	return app
}

func TestAFullDiskChangesNothing(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables, "INSERT INTO sessions (id) VALUES (1)")
	before := dump(t, app, true)
	full, err := sqlite.New(t.Context(), limited(t, path), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := full.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Migrate: %v", err)
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("Migrate: the database (-before +after):\n%s", diff)
	}
	migrate(t, open(t, path, sqlite.Config{}))
	actor := strings.Repeat("long ", 100_000) // more than free pages hold
	execute(t, app, insertUsed, 2, nil, "old", 1, stamp(time.Now().Add(-60*day)), nil, 1)
	before = dump(t, app, true)
	if full, err = sqlite.New(t.Context(), limited(t, path), sqlite.Config{}); err != nil {
		t.Fatal(err)
	}
	large := batchOf(sessioncleanup.ActionDeactivated, time.Now(), 5)
	large.Cause.Actor = actor
	_, err = full.Sweep(t.Context(), large)
	if !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Sweep: %v", err)
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("Sweep: the database (-before +after):\n%s", diff)
	}
}

func TestALockedDatabaseIsUnavailableAfterTheBusyTimeout(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	store := open(t, path, sqlite.Config{BusyTimeout: 50 * time.Millisecond})
	migrate(t, store)
	other, err := app.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}}); !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "held the lock for 50ms") {
		t.Errorf("Touch: %v", err)
	}
	if _, err := store.List(t.Context(), sessioncleanup.Query{Limit: 1}); err != nil {
		t.Errorf("reading had to wait: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}}); err != nil {
		t.Errorf("Touch of a free database: %v", err)
	}
}

func TestWhatTheApplicationRemovesIsNamed(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"DROP INDEX sessioncleanup_idle":                                        "the index sessioncleanup_idle is missing; run migrate",
		"DROP TRIGGER sessioncleanup_propositions_session_id_updated":           "the trigger sessioncleanup_propositions_session_id_updated is missing; run migrate",
		"DROP VIEW sessions_cleanup_view":                                       "the view sessions_cleanup_view is missing; run migrate",
		"DROP TABLE propositions":                                               `schema.sources[0].table is "propositions": there is no such table`,
		"ALTER TABLE users RENAME COLUMN username TO nick":                      `schema.owners.name is "username": table "users" has no such column`,
		"UPDATE sessioncleanup_settings SET alert_due = -1":                     "Policy.AlertDue is -1",
		"UPDATE sessioncleanup_settings SET schema = '{'":                       "read the schema stored in sessioncleanup_settings",
		"DELETE FROM sessioncleanup_settings":                                   "not installed in this database; run migrate",
		"INSERT INTO sessions (id, active) VALUES (1, 'true')":                  `a row of "sessions" has the text "true" in it: want 0 or 1`,
		"CREATE TABLE pins (session_id INTEGER REFERENCES sessions)":            `"pins.session_id" refers to "sessions" without ON DELETE CASCADE`,
		"DROP VIEW sessions_cleanup_view; ALTER TABLE sessions RENAME TO rooms": `schema.table is "sessions": there is no such table`,
	} {
		store, app := adoptWith(t, withView, appTables)
		execute(t, app, statement)
		if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", statement, err, want)
		}
	}
}

func TestABatchWithoutItsIndexFailsRatherThanReadEverything(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, "DROP INDEX sessioncleanup_gone")
	_, err := store.Sweep(t.Context(), batchOf(sessioncleanup.ActionDeleted, time.Now(), 5))
	if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "sessioncleanup_gone") {
		t.Errorf("Sweep: %v", err)
	}
	migrate(t, store)
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Errorf("after Migrate: %v", err)
	}
}

func TestValidateNamesTriggersThatRunsWouldFailIn(t *testing.T) {
	t.Parallel()
	for want, trigger := range map[string]string{
		"no such function: search_words":      "AFTER UPDATE OF active ON sessions BEGIN SELECT search_words(new.name); END",
		"no such collation sequence: swedish": "BEFORE DELETE ON sessions WHEN old.name > 'x' COLLATE swedish BEGIN SELECT 1; END",
		"no such table: main.search":          "AFTER UPDATE OF last_activity ON sessions BEGIN DELETE FROM search WHERE id = new.id; END",
	} {
		path, app := newApp(t, appTables)
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		execute(t, app, "CREATE TRIGGER t "+trigger)
		if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v, want an ErrInvalid with %q", err, want)
		}
	}
}
