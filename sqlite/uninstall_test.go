package sqlite_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestUninstallLeavesTheDatabaseAsItWas(t *testing.T) {
	t.Parallel()
	for name, tables := range map[string][]string{
		"nothing": {},
		"tables":  {appTables},
		"everything there is": {appTables, `
			ALTER TABLE sessions ADD COLUMN expires_at INTEGER;
			CREATE INDEX by_expiry ON sessions (expires_at) WHERE active;
			CREATE TRIGGER renamed AFTER UPDATE OF name ON sessions BEGIN UPDATE sessions SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id; END;
			CREATE VIEW busy AS SELECT s.id, count(*) FROM sessions s JOIN propositions p ON p.session_id = s.id GROUP BY s.id;
			INSERT INTO users (id, username) VALUES (1, 'ann');
			INSERT INTO sessions (id, streamer_id, name) VALUES (1, 1, 'one'), (2, NULL, 'two');
			INSERT INTO propositions (session_id) VALUES (1);`},
		"a table with a constraint at its end": {"CREATE TABLE sessions (a TEXT, b TEXT -- two\n, PRIMARY KEY (a), CHECK (length(b) > 0))"},
		"a STRICT table":                       {"CREATE TABLE sessions (a TEXT PRIMARY KEY, b ANY) STRICT", "INSERT INTO sessions VALUES ('x', 1)"},
		"a table without rowid":                {"CREATE TABLE sessions (a TEXT PRIMARY KEY) WITHOUT ROWID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, tables...)
			before := dump(t, app, true)
			store := open(t, path, sqlite.Config{})
			for range 2 { // a second time, to see that nothing was left that gets in the way
				migrate(t, store)
				if dump(t, app, false) == before {
					t.Fatal("Migrate changed nothing")
				}
				if err := store.Uninstall(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
					t.Fatalf("the database (-before +after):\n%s", diff)
				}
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Errorf("Uninstall of what is not there: %v", err)
			}
			if _, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
				t.Errorf("after Uninstall: %v, want ErrNotInstalled", err)
			}
		})
	}
}

func TestUninstallKeepsATableOfItsOwnThatIsInUse(t *testing.T) {
	t.Parallel()
	store, app := adopt(t)
	refused := func(want string) {
		t.Helper()
		before := dump(t, app, true)
		err := store.Uninstall(t.Context())
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Uninstall: %v, want %q", err, want)
		}
		if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
			t.Errorf("the database (-before +after):\n%s", diff)
		}
	}
	execute(t, app, "INSERT INTO sessions (id) VALUES ('a')")
	refused(`table "sessions" holds sessions: delete them first`)
	execute(t, app, "DELETE FROM sessions")
	execute(t, app, "CREATE TABLE notes (session_id TEXT REFERENCES sessions)")
	refused(`notes refer to table "sessions": drop them first`)
}

func TestUninstallThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, "CREATE INDEX mine ON sessions (last_activity)")
	before := dump(t, app, true)
	if err := store.Uninstall(t.Context()); err == nil || !strings.Contains(err.Error(), "mine") {
		t.Errorf("Uninstall of a column that the application uses: %v", err)
	}
	if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
		t.Errorf("the database (-before +after):\n%s", diff)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}
