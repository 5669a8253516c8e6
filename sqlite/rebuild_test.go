package sqlite_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

const (
	newSessions = "id INTEGER PRIMARY KEY, streamer_id INTEGER REFERENCES users (id), name TEXT NOT NULL, code TEXT, active BOOLEAN NOT NULL DEFAULT 1, " +
		"created_at TIMESTAMP, updated_at TIMESTAMP, last_activity DATETIME, expires_at DATETIME, auto_cleanup BOOLEAN, deactivated_at DATETIME"
	newPropositions = "id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, song TEXT, created_at TIMESTAMP, votes INTEGER"
)

// rebuild is how tools change a table on SQLite: they make a new one, copy, drop and rename.
func rebuild(table, columns string) []string {
	var names []string
	for column := range strings.SplitSeq(columns, ", ") {
		if name, _, _ := strings.Cut(column, " "); name != "votes" {
			names = append(names, name)
		}
	}
	list := strings.Join(names, ", ")
	return []string{
		"PRAGMA foreign_keys = OFF", "BEGIN",
		fmt.Sprintf("CREATE TABLE new_%s (%s)", table, columns),
		fmt.Sprintf("INSERT INTO new_%s (%s) SELECT %s FROM %s", table, list, list, table),
		"DROP TABLE " + table,
		fmt.Sprintf("ALTER TABLE new_%s RENAME TO %s", table, table),
		"COMMIT", "PRAGMA foreign_keys = ON",
	}
}

// TestTheApplicationMayChangeItsTables changes them after the adoption in the ways that tools do. None of the statements
// fails, nor what the application does afterwards; what was lost is reported, and Migrate makes it anew.
func TestTheApplicationMayChangeItsTables(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		statements []string
		reported   string // by Validate; empty where nothing is lost
	}{
		"sessions are rebuilt":             {rebuild("sessions", newSessions), "is missing"},
		"sessions are rebuilt the old way": {append([]string{"PRAGMA legacy_alter_table = ON"}, rebuild("sessions", newSessions)...), "is missing"},
		"propositions are rebuilt":         {rebuild("propositions", newPropositions), "is missing"},
		"users are rebuilt":                {rebuild("users", "id INTEGER PRIMARY KEY, username TEXT NOT NULL, email TEXT, locale TEXT, time_zone TEXT"), ""},
		"sessions are rebuilt without our columns": {[]string{
			"PRAGMA foreign_keys = OFF", "BEGIN", "CREATE TEMP TABLE saved AS SELECT id, name FROM sessions", "DROP TABLE sessions",
			"CREATE TABLE sessions (id INTEGER PRIMARY KEY, streamer_id INTEGER, name TEXT, code TEXT, created_at TIMESTAMP, updated_at TIMESTAMP)",
			"INSERT INTO sessions (id, name) SELECT id, name FROM saved", "DROP TABLE saved", "COMMIT", "PRAGMA foreign_keys = ON",
		}, "has no column"},
		"a column is added, renamed and dropped": {[]string{
			"ALTER TABLE sessions ADD COLUMN mood TEXT", "ALTER TABLE sessions RENAME COLUMN mood TO feeling", "ALTER TABLE sessions DROP COLUMN feeling",
		}, ""},
		"propositions are renamed":     {[]string{"ALTER TABLE propositions RENAME TO proposals"}, "there is no such table"},
		"sessions are renamed":         {[]string{"ALTER TABLE sessions RENAME TO rooms"}, "there is no such table"},
		"our columns are renamed":      {[]string{"ALTER TABLE sessions RENAME COLUMN last_activity TO used_at", "ALTER TABLE sessions RENAME COLUMN deactivated_at TO closed_at"}, "has no column"},
		"an activity table is dropped": {[]string{"CREATE TABLE proposals AS SELECT * FROM propositions", "DROP TABLE propositions"}, "there is no such table"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, appTables)
			app.SetMaxOpenConns(1) // for the settings of the connection
			store := open(t, path, sqlite.Config{})
			migrate(t, store)
			execute(t, app, "INSERT INTO users (id, username) VALUES (1, 'ann')")
			execute(t, app, insertUsed, 1, 1, "room", 1, stamp(time.Now().Add(-2*day)), nil, 1)
			execute(t, app, "INSERT INTO propositions (session_id) VALUES (1)")
			for _, statement := range c.statements {
				execute(t, app, statement)
			}
			sessions, propositions := "sessions", "propositions"
			if what == "sessions are renamed" {
				sessions = "rooms"
			}
			if strings.Contains(strings.Join(c.statements, ""), "proposals") {
				propositions = "proposals"
			}
			execute(t, app, "INSERT INTO "+propositions+" (session_id) VALUES (1)")
			execute(t, app, "INSERT INTO "+sessions+" (id, name) VALUES (2, 'after')")
			execute(t, app, "UPDATE "+sessions+" SET name = 'changed', updated_at = CURRENT_TIMESTAMP WHERE id = 1")
			execute(t, app, "DELETE FROM "+sessions+" WHERE id = 2")
			err := store.Validate(t.Context())
			if (err != nil) != (c.reported != "") || err != nil && !strings.Contains(err.Error(), c.reported) {
				t.Errorf("Validate: %v, want %q", err, c.reported)
			}
			// Nothing happens to a session whose use may not have been noticed.
			if _, changed, err := clean(t.Context(), store); (err != nil) != (c.reported != "") || len(changed) > 0 {
				t.Errorf("a run: %v deactivated, error %v", changed, err)
			}
			migrate(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Errorf("after Migrate: %v", err)
			}
			if s := get(t, store, "1"); !near(s.LastActivity, time.Now()) {
				t.Errorf("activity was lost: %+v", s)
			}
			used := "last_activity"
			if what == "our columns are renamed" {
				used = "used_at"
			}
			execute(t, app, "UPDATE "+sessions+" SET "+used+" = '2020-01-01'")
			if s := get(t, store, "1"); s.LastActivity.Year() != 2020 {
				t.Errorf("the application's own time does not count: %+v", s)
			}
			execute(t, app, "INSERT INTO "+propositions+" (session_id) VALUES (1)")
			if s := get(t, store, "1"); !near(s.LastActivity, time.Now()) {
				t.Errorf("activity is not followed: %+v", s)
			}
		})
	}
}

func TestUninstallFindsWhatWasRenamed(t *testing.T) {
	t.Parallel()
	for statements, want := range map[string]string{
		"ALTER TABLE sessions RENAME TO rooms; ALTER TABLE propositions RENAME TO proposals":                                       "",
		"ALTER TABLE sessions RENAME COLUMN last_activity TO used_at; ALTER TABLE sessions RENAME COLUMN expires_at TO \"a\"\"b\"": "",
		"DROP TRIGGER sessioncleanup_session_changed; ALTER TABLE sessions RENAME COLUMN auto_cleanup TO automatic":                `has no column \"auto_cleanup\" any more`,
	} {
		var log strings.Builder
		path, app := newApp(t, appTables)
		store := open(t, path, sqlite.Config{Logger: logTo(&log)})
		migrate(t, store)
		line(t, app, "SELECT count(*) FROM sessions") // the connection sees what was changed
		for statement := range strings.SplitSeq(statements, "; ") {
			execute(t, app, statement)
		}
		_ = app.Close()
		if err := store.Uninstall(t.Context()); err != nil {
			t.Errorf("%s: %v", statements, err)
		}
		app = openApp(t, path)
		got := line(t, app, "SELECT group_concat(name, ' ') FROM pragma_table_info((SELECT name FROM sqlite_master WHERE name IN ('rooms', 'sessions')))")
		wantColumns := "id streamer_id name code active created_at updated_at"
		if want != "" {
			wantColumns += " automatic"
		}
		if got != wantColumns {
			t.Errorf("%s: columns %s, want %s", statements, got, wantColumns)
		}
		if left := line(t, app, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sessioncleanup%'"); left != "0" {
			t.Errorf("%s: %s objects are left", statements, left)
		}
		if (want == "") != (log.String() == "") || !strings.Contains(log.String(), want) {
			t.Errorf("%s: warnings %q, want %q", statements, log.String(), want)
		}
	}
}

func TestUninstallRestoresTheJournalMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"delete", "persist", "wal"} {
		path, app := newApp(t, appTables)
		now := func() string { return line(t, app, "PRAGMA journal_mode") }
		execute(t, app, "PRAGMA journal_mode = "+mode)
		if mode == "persist" {
			mode = "delete" // which a file does not keep
		}
		_ = app.Close()
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		if _, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); err != nil { // a connection that reads
			t.Fatal(err)
		}
		app = openApp(t, path)
		if got := now(); got != "wal" {
			t.Errorf("%s: after Migrate %s", mode, got)
		}
		_ = app.Close()
		if err := store.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
		app = openApp(t, path)
		if got := now(); got != mode {
			t.Errorf("%s: after Uninstall %s", mode, got)
		}
	}
}

func TestANewFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/app.db"
	migrate(t, open(t, path, sqlite.Config{}))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
}

// TestNotesThatTheApplicationRefusesKeepTheirSession has a trigger of the application that lets nobody change inactive
// sessions.
func TestNotesThatTheApplicationRefusesKeepTheirSession(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	for id, active := range []bool{false, false, true} {
		execute(t, app, insertUsed, id+1, nil, "room", active, stamp(time.Now().Add(-60*day)), nil, 1)
	}
	execute(t, app, "CREATE TRIGGER guard BEFORE UPDATE ON sessions WHEN NOT OLD.active BEGIN SELECT RAISE(ABORT, 'closed'); END")
	execute(t, app, "INSERT INTO propositions (session_id) VALUES (1), (3)")
	for range 2 {
		deleted, deactivated, err := clean(t.Context(), store)
		if err != nil || len(deactivated) > 0 || len(deleted) > 0 && !cmp.Equal(deleted, []string{"2"}) {
			t.Errorf("deleted %v, deactivated %v: %v", deleted, deactivated, err)
		}
	}
	if got := line(t, app, "SELECT group_concat(id) FROM sessions"); got != "1,3" {
		t.Errorf("sessions %s are left", got)
	}
	for _, id := range []string{"1", "3"} {
		if s := get(t, store, id); !near(s.LastActivity, time.Now()) {
			t.Errorf("session %s: %+v", id, s)
		}
	}
	execute(t, app, "DROP TRIGGER guard")
	execute(t, app, "UPDATE sessioncleanup_touches SET at = '2020-01-01'")
	execute(t, app, "INSERT INTO propositions (session_id) VALUES (1)") // tries again
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Error(err)
	}
	if got := line(t, app, "SELECT count(*) FROM sessioncleanup_touches"); got != "0" {
		t.Errorf("%s notes are left", got)
	}
}
