package sqlite_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestARunSaysHowManyRowsItDeletedAndWhatThatFreed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		also    string // that the application has
		archive sessioncleanup.Switch
		rows    int
		frees   bool
	}{
		"alone":               {rows: 300 * 12, frees: true},
		"with a trigger":      {also: "CREATE TABLE seen (id); CREATE TRIGGER watched AFTER UPDATE ON notes BEGIN SELECT 1; END", rows: 300 * 12, frees: true},
		"into the archive":    {archive: sessioncleanup.On, rows: 300 * 12},
		"with kept reference": {also: "CREATE TABLE kept (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE SET NULL)", rows: 300 * 12, frees: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, `
				CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP);
				CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE, text TEXT);
				CREATE TABLE notes (id INTEGER PRIMARY KEY, message_id INTEGER REFERENCES messages (id) ON DELETE CASCADE);
				CREATE INDEX messages_session ON messages (session_id); CREATE INDEX notes_message ON notes (message_id);
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 310)
				INSERT INTO sessions (id, updated_at) SELECT i, datetime('now', CASE WHEN i <= 300 THEN '-90 days' ELSE '-1 hour' END) FROM n;
				INSERT INTO messages (session_id, text) SELECT s.id, printf('%0100d', s.id) FROM sessions s, json_each('[1,2,3,4,5,6,7,8,9,10]');
				INSERT INTO notes (message_id) SELECT min(id) FROM messages GROUP BY session_id;`, c.also)
			store := open(t, path, sqlite.Config{})
			m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: c.archive}})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			execute(t, app, "UPDATE sessions SET active = 0, deactivated_at = datetime('now', '-60 days'), last_activity = datetime('now', '-60 days') WHERE id <= 300")
			res, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
			if err != nil || res.Deleted() != 300 {
				t.Fatalf("deleted %d, %v", res.Deleted(), err)
			}
			if res.Rows != c.rows || (res.Bytes > 0) != c.frees || res.Bytes > 2_000_000 {
				t.Errorf("the run deleted %d rows and freed %d bytes, want %d rows, and some bytes: %t", res.Rows, res.Bytes, c.rows, c.frees)
			}
			a, err := m.Analytics(t.Context())
			if err != nil || len(a.History) != 1 || a.History[0].Rows != res.Rows || a.History[0].Bytes != res.Bytes {
				t.Errorf("the history: %+v, %v", a.History, err)
			}
		})
	}
}
