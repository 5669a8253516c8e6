package sqlite_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

const (
	idleSessions = "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, updated_at DATETIME DEFAULT (datetime('now', '-9 days')));" +
		"INSERT INTO sessions (id) VALUES (1), (2);"
	timedVotes    = "CREATE TABLE votes (session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);"
	untimedVotes  = "CREATE TABLE votes (session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE);"
	oldVote       = "INSERT INTO votes VALUES (2, datetime('now', '-9 days'));"
	dropOfVotes   = "DROP TRIGGER sessioncleanup_votes_session_id_inserted; DROP TRIGGER sessioncleanup_votes_session_id_updated;"
	rebuiltVotes  = "CREATE TABLE new_votes (session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, song TEXT); INSERT INTO new_votes (session_id, created_at) SELECT session_id, created_at FROM votes; DROP TABLE votes; ALTER TABLE new_votes RENAME TO votes;"
	rebuiltRooms  = "PRAGMA foreign_keys = OFF; CREATE TABLE new (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, updated_at DATETIME DEFAULT (datetime('now', '-9 days')), last_activity DATETIME, auto_cleanup BOOLEAN, expires_at DATETIME, deactivated_at DATETIME); INSERT INTO new SELECT id, active, updated_at, last_activity, auto_cleanup, expires_at, deactivated_at FROM sessions; DROP TABLE sessions; ALTER TABLE new RENAME TO sessions; PRAGMA foreign_keys = ON;"
	forgetfulRoom = "PRAGMA foreign_keys = OFF; CREATE TABLE new (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, updated_at DATETIME DEFAULT (datetime('now', '-9 days'))); INSERT INTO new SELECT id, active, updated_at FROM sessions; DROP TABLE sessions; ALTER TABLE new RENAME TO sessions; PRAGMA foreign_keys = ON;"
	killed        = "CREATE TRIGGER killed BEFORE UPDATE OF writing ON sessioncleanup_settings WHEN NEW.writing BEGIN SELECT RAISE(ABORT, 'killed'); END;"
	triggersOff   = "UPDATE sessioncleanup_settings SET writing = 1;"
	triggersOn    = "UPDATE sessioncleanup_settings SET writing = 0;"
)

// activeAfterARun are the sessions that are active when a run is done, at most five.
func activeAfterARun(t *testing.T, store *sqlite.Store, app *sql.DB) string {
	t.Helper()
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines(t, app, "SELECT id FROM sessions WHERE active ORDER BY id LIMIT 5"), " ")
}

func TestMigrateFillsInTheActivityThatNoTriggerNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tables, use string
		reread      bool
	}{
		"triggers were dropped":                   {tables: timedVotes, use: dropOfVotes + "INSERT INTO votes (session_id) VALUES (1);" + oldVote},
		"one trigger was dropped":                 {tables: timedVotes, use: "DROP TRIGGER sessioncleanup_votes_session_id_inserted; INSERT INTO votes (session_id) VALUES (1);" + oldVote},
		"the other trigger was dropped":           {tables: timedVotes + oldVote, use: "DROP TRIGGER sessioncleanup_votes_session_id_updated; UPDATE votes SET session_id = 1, created_at = CURRENT_TIMESTAMP"},
		"the table was rebuilt":                   {tables: timedVotes + oldVote, use: rebuiltVotes + "INSERT INTO votes (session_id) VALUES (1)"},
		"the table was dropped and made again":    {tables: timedVotes, use: "DROP TABLE votes;" + timedVotes + "INSERT INTO votes (session_id) VALUES (1)"},
		"rows have no time":                       {tables: untimedVotes, use: dropOfVotes + "INSERT INTO votes VALUES (1)"},
		"a row has no time":                       {tables: timedVotes + oldVote, use: dropOfVotes + "INSERT INTO votes VALUES (1, NULL)"},
		"the time of a row cannot be read":        {tables: timedVotes + oldVote, use: dropOfVotes + "INSERT INTO votes VALUES (1, 'just now')"},
		"a table was made later":                  {use: timedVotes + "INSERT INTO votes (session_id) VALUES (1);" + oldVote},
		"a table with an odd name was made later": {use: `CREATE TABLE "vo tes" (session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, created_at DATETIME DEFAULT CURRENT_TIMESTAMP); INSERT INTO "vo tes" (session_id) VALUES (1)`},
		"it was made active meanwhile":            {tables: timedVotes, use: "UPDATE sessions SET active = 0, deactivated_at = CURRENT_TIMESTAMP; DELETE FROM sessioncleanup_touches; DROP TRIGGER sessioncleanup_session_changed; UPDATE sessions SET active = 1 WHERE id = 1"},
		"its own row was changed":                 {use: "DROP TRIGGER sessioncleanup_session_updated; UPDATE sessions SET updated_at = CURRENT_TIMESTAMP WHERE id = 1"},
		"the sessions were rebuilt":               {use: rebuiltRooms + "UPDATE sessions SET updated_at = CURRENT_TIMESTAMP WHERE id = 1"},
		"triggers were off for some time":         {tables: timedVotes, use: triggersOff + "INSERT INTO votes (session_id) VALUES (1);" + oldVote + triggersOn, reread: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, idleSessions+c.tables)
			app.SetMaxOpenConns(1) // for the settings of the connection
			store := open(t, path, sqlite.Config{})
			migrate(t, store)
			execute(t, app, c.use)
			migrate(t, open(t, path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{Reread: c.reread}}))
			if active := activeAfterARun(t, store, app); active != "1" {
				t.Errorf("sessions %q are active after a run, want 1, which was used", active)
			}
			before := dump(t, app, true)
			migrate(t, store)
			if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
				t.Errorf("the next migration changed something:\n%s", diff)
			}
		})
	}
}

func TestSessionsThatNoTriggerSawAppearAreCleanedUp(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, idleSessions+timedVotes)
	app.SetMaxOpenConns(1)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "UPDATE sessions SET auto_cleanup = NULL WHERE id = 2;"+rebuiltRooms+"INSERT INTO sessions (id) VALUES (3)")
	migrate(t, store)
	if active := activeAfterARun(t, store, app); active != "2" {
		t.Errorf("sessions %q are active after a run, want 2, which is protected", active)
	}
}

// Tools that rebuild a table leave out the columns that they do not know. No time that is left shows a use that Touch recorded.
func TestSessionsThatLostTheirLastActivityCountAsUsedNow(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, idleSessions+timedVotes+oldVote)
	app.SetMaxOpenConns(1)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	execute(t, app, forgetfulRoom)
	var log strings.Builder
	migrate(t, open(t, path, sqlite.Config{Logger: logTo(&log)}))
	if active := activeAfterARun(t, store, app); active != "1 2" {
		t.Errorf("sessions %q are active after a run, want both: 1 was used, and nothing says when 2 was", active)
	}
	for _, want := range []string{"has lost the column last_activity with its values: all sessions count as used now", "has lost the column auto_cleanup", "Protect them again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("migrate does not say %q:\n%s", want, log.String())
		}
	}
}

func TestActivityOnlyMovesForward(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, idleSessions+timedVotes)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "UPDATE sessions SET last_activity = datetime('now', '-1 hour') WHERE id = 1; UPDATE sessions SET last_activity = datetime('now', '-30 seconds') WHERE id = 2;"+
		dropOfVotes+"INSERT INTO votes VALUES (1, datetime('now', '-2 hours')), (2, datetime('now')); UPDATE sessions SET updated_at = datetime('now') WHERE id = 1")
	before := lines(t, app, "SELECT id, last_activity, updated_at FROM sessions")
	migrate(t, store)
	if diff := cmp.Diff(before, lines(t, app, "SELECT id, last_activity, updated_at FROM sessions")); diff != "" {
		t.Errorf("sessions changed although nothing shows a later use, by more than runs allow for:\n%s", diff)
	}
	execute(t, app, dropOfVotes+"INSERT INTO votes VALUES (1, datetime('now', '+3 days'))")
	migrate(t, store)
	if used := get(t, store, "1").LastActivity; !near(used, time.Now()) {
		t.Errorf("a row in the future set the last activity to %v, want now", used)
	}
}

// A migration that was interrupted after it made the triggers again has not yet filled in what was not noticed.
func TestRunsFailUntilUnnoticedActivityIsFilledIn(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, idleSessions+untimedVotes)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "INSERT INTO sessions (id, active, last_activity) VALUES (3, 0, datetime('now', '-90 days')); UPDATE sessions SET deactivated_at = NULL WHERE id = 3; DELETE FROM sessioncleanup_touches;"+
		dropOfVotes+"INSERT INTO votes VALUES (1);"+killed)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("Migrate gave %v, want it killed", err)
	}
	if n := line(t, app, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sessioncleanup_votes_%'"); n != "2" {
		t.Fatalf("there are %s triggers on votes, want 2", n)
	}
	execute(t, app, "DROP TRIGGER killed")
	other := open(t, path, sqlite.Config{}) // as another process, which has seen the triggers again
	for range 2 {
		if _, _, err := clean(t.Context(), other); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "run migrate") {
			t.Errorf("a run gave %v, want an ErrNotInstalled", err)
		}
	}
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate gave %v, want an ErrNotInstalled", err)
	}
	migrate(t, store)
	if active := activeAfterARun(t, other, app); active != "1" {
		t.Errorf("sessions %q are active after a run, want 1, which was used", active)
	}
	if at := get(t, store, "3").DeactivatedAt; at.Year() == 1970 {
		t.Error("a session that became inactive after the adoption was dated before it")
	}
}

func TestManySessionsAreFilledInInShortTransactions(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, idleSessions+timedVotes+"WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 3500) INSERT INTO sessions (id) SELECT i FROM n")
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "CREATE TABLE writes (id INTEGER); CREATE TRIGGER counted AFTER UPDATE OF writing ON sessioncleanup_settings WHEN NEW.writing BEGIN INSERT INTO writes VALUES (1); END")
	writes := func(rows string) string {
		t.Helper()
		execute(t, app, "DELETE FROM writes;"+dropOfVotes+rows)
		migrate(t, store)
		return line(t, app, "SELECT count(*) FROM writes")
	}
	if none, two := writes(""), writes("INSERT INTO votes (session_id) VALUES (1), (3499)"); none != "1" || two != "3" {
		t.Errorf("migrate wrote to sessions in %s transactions with nothing to fill in, and in %s with something in the first and last of four batches; want 1 and 3", none, two)
	}
	if active := activeAfterARun(t, store, app); active != "1 3499" {
		t.Errorf("sessions %q are active after a run, want 1 and 3499, which were used", active)
	}
}
