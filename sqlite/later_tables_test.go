package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestActivityTablesThatAreMadeLaterAreFollowed(t *testing.T) {
	t.Parallel()
	for _, given := range []bool{false, true} {
		path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN)",
			"CREATE TABLE votes (session_id INTEGER REFERENCES sessions ON DELETE CASCADE, created_at)")
		var c sqlite.Config
		if given {
			c.Schema = sessioncleanup.Schema{Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}}
		}
		migrate(t, open(t, path, c))
		execute(t, app, "INSERT INTO sessions (id, last_activity) VALUES (1, datetime('now', '-3 days')), (2, datetime('now', '-3 days'))")
		execute(t, app, "CREATE TABLE messages (session_id INTEGER REFERENCES sessions ON DELETE CASCADE, created_at)")
		execute(t, app, "INSERT INTO messages VALUES (1, datetime('now', '-2 hours'))")
		store := open(t, path, sqlite.Config{})
		err := store.Validate(t.Context())
		if (err == nil) != given || err != nil && !strings.Contains(err.Error(), "rows of table messages refer to sessions") {
			t.Errorf("given %t: Validate: %v", given, err)
		}
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		if s := get(t, store, "1"); near(s.LastActivity, time.Now().Add(-2*time.Hour)) == given {
			t.Errorf("given %t: a row from before: %+v", given, s)
		}
		execute(t, app, "INSERT INTO messages (session_id) VALUES (2)")
		if s := get(t, store, "2"); near(s.LastActivity, time.Now()) == given {
			t.Errorf("given %t: a row from after: %+v", given, s)
		}
		execute(t, app, "DROP TABLE messages")
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAnUntrackedTableStaysUntrackedUntilSomethingShowsActivity(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]bool{
		"ALTER TABLE sessions RENAME TO live_sessions":                                  true,
		"ALTER TABLE sessions ADD COLUMN title TEXT":                                    true,
		"CREATE TABLE votes (session_id INTEGER REFERENCES sessions ON DELETE CASCADE)": false,
	} {
		path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, title_1 TEXT)", "INSERT INTO sessions (id) VALUES (1)")
		migrate(t, open(t, path, sqlite.Config{}))
		execute(t, app, change)
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		counts, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{})
		if err != nil || counts.Cutoffs.Untracked != want {
			t.Errorf("%s: untracked %t, %v; want %t", change, counts.Cutoffs.Untracked, err, want)
		}
	}
}
