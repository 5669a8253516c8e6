package mysql_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

const (
	idleSessions  = "CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME DEFAULT (UTC_TIMESTAMP() - INTERVAL 9 DAY)); INSERT INTO sessions (id) VALUES (1), (2);"
	votesColumns  = "session_id INT NOT NULL, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE"
	untimedVotes  = "CREATE TABLE votes (" + votesColumns + ");"
	timedVotes    = "CREATE TABLE votes (created_at DATETIME DEFAULT (UTC_TIMESTAMP()), " + votesColumns + ");"
	oldVote       = "INSERT INTO votes (session_id, created_at) VALUES (2, UTC_TIMESTAMP() - INTERVAL 9 DAY);"
	newVote       = "INSERT INTO votes (session_id) VALUES (1);"
	dropOfVotes   = "DROP TRIGGER sessioncleanup_votes_session_id_inserted; DROP TRIGGER sessioncleanup_votes_session_id_updated;"
	rebuiltVotes  = "CREATE TABLE new (created_at DATETIME DEFAULT (UTC_TIMESTAMP()), song TEXT, " + votesColumns + "); INSERT INTO new (session_id, created_at) SELECT session_id, created_at FROM votes; DROP TABLE votes; RENAME TABLE new TO votes;"
	rebuiltRooms  = "CREATE TABLE new LIKE sessions; INSERT INTO new SELECT * FROM sessions; DROP TABLE sessions; RENAME TABLE new TO sessions;"
	forgetfulRoom = "SET foreign_key_checks = 0; CREATE TABLE new (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME); INSERT INTO new SELECT id, active, updated_at FROM sessions; DROP TABLE sessions; RENAME TABLE new TO sessions; SET foreign_key_checks = 1;"
)

// activeAfterARun are the sessions that are active when a run is done.
func activeAfterARun(t *testing.T, store *mysql.Store, d mysqltest.Database) string {
	t.Helper()
	if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(texts(t, d, "SELECT id FROM sessions WHERE active ORDER BY id"), " ")
}

func TestMigrateFillsInTheActivityThatNoTriggerNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tables, use string
		reread      bool
	}{
		"triggers were dropped":                {tables: timedVotes, use: dropOfVotes + newVote + oldVote},
		"one trigger was dropped":              {tables: timedVotes, use: "DROP TRIGGER sessioncleanup_votes_session_id_inserted;" + newVote + oldVote + "DELETE FROM sessioncleanup_touches"},
		"the other trigger was dropped":        {tables: timedVotes + oldVote, use: "DROP TRIGGER sessioncleanup_votes_session_id_updated; UPDATE votes SET session_id = 1, created_at = UTC_TIMESTAMP()"},
		"the table was rebuilt":                {tables: timedVotes + oldVote, use: rebuiltVotes + newVote},
		"the table was dropped and made again": {tables: timedVotes, use: "DROP TABLE votes;" + timedVotes + newVote},
		"rows have no time":                    {tables: untimedVotes, use: dropOfVotes + newVote},
		"a row has no time":                    {tables: timedVotes + oldVote, use: dropOfVotes + "INSERT INTO votes (session_id, created_at) VALUES (1, NULL)"},
		"a row has the zero date":              {tables: timedVotes + oldVote, use: dropOfVotes + "SET sql_mode = ''; INSERT INTO votes (session_id, created_at) VALUES (1, '0000-00-00')"},
		"a table was made later":               {use: timedVotes + newVote + oldVote},
		"it was made active meanwhile":         {tables: timedVotes, use: "UPDATE sessions SET active = FALSE; DROP TRIGGER sessioncleanup_session_updated; UPDATE sessions SET active = TRUE WHERE id = 1"},
		"its own row was changed":              {use: "DROP TRIGGER sessioncleanup_session_updated; UPDATE sessions SET updated_at = UTC_TIMESTAMP() WHERE id = 1"},
		"the sessions were rebuilt":            {use: rebuiltRooms + "UPDATE sessions SET updated_at = UTC_TIMESTAMP() WHERE id = 1"},
		"triggers were off for some time":      {tables: timedVotes, use: "SET @sessioncleanup_own = 1;" + newVote + oldVote, reread: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, idleSessions+c.tables)
			app, err := d.Conn(t.Context()) // for its settings
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = app.Close() }()
			if _, err := app.ExecContext(t.Context(), c.use); err != nil {
				t.Fatal(err)
			}
			if err := open(t, d, mysql.Config{Migrate: sessioncleanup.MigrateOptions{Reread: c.reread}}).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			if active := activeAfterARun(t, store, d); active != "1" {
				t.Errorf("sessions %q are active after a run, want 1, which was used", active)
			}
			before := texts(t, d, "SELECT CONCAT_WS('|', adopted, `tables`, policy) FROM sessioncleanup_settings")
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, texts(t, d, "SELECT CONCAT_WS('|', adopted, `tables`, policy) FROM sessioncleanup_settings")); diff != "" {
				t.Errorf("the next migration changed something:\n%s", diff)
			}
		})
	}
}

// Tools that rebuild a table leave out the columns that they do not know. No time that is left shows a use that Touch recorded.
func TestSessionsThatLostTheirLastActivityCountAsUsedNow(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, idleSessions+timedVotes+oldVote)
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, forgetfulRoom)
	var log strings.Builder
	if err := open(t, d, mysql.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if active := activeAfterARun(t, store, d); active != "1 2" {
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
	store, d := adopted(t, idleSessions+timedVotes)
	execute(t, d.DB, "UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 1 HOUR WHERE id = 1; UPDATE sessions SET last_activity = UTC_TIMESTAMP() - INTERVAL 30 SECOND WHERE id = 2;"+
		dropOfVotes+"INSERT INTO votes (session_id, created_at) VALUES (1, UTC_TIMESTAMP() - INTERVAL 2 HOUR), (2, UTC_TIMESTAMP()); UPDATE sessions SET updated_at = UTC_TIMESTAMP() WHERE id = 1")
	const all = "SELECT CONCAT_WS('|', id, last_activity, updated_at) FROM sessions ORDER BY id"
	before := texts(t, d, all)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, texts(t, d, all)); diff != "" {
		t.Errorf("sessions changed although nothing shows a later use, by more than runs allow for:\n%s", diff)
	}
	execute(t, d.DB, dropOfVotes+"INSERT INTO votes (session_id, created_at) VALUES (1, UTC_TIMESTAMP() + INTERVAL 3 DAY)")
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if behind := value[float64](t, d, "SELECT TIMESTAMPDIFF(MICROSECOND, last_activity, UTC_TIMESTAMP(6)) / 1e6 FROM sessions WHERE id = 1"); behind < 0 || behind > 30 {
		t.Errorf("a row in the future set the last activity to %v seconds ago, want now", behind)
	}
}

// A migration that was interrupted after it made the triggers again has not yet filled in what was not noticed.
func TestRunsFailUntilUnnoticedActivityIsFilledIn(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, idleSessions+untimedVotes)
	execute(t, d.DB, "INSERT INTO sessions (id, active, last_activity) VALUES (3, FALSE, UTC_TIMESTAMP() - INTERVAL 90 DAY); UPDATE sessions SET deactivated_at = NULL WHERE id = 3;"+
		dropOfVotes+newVote+"CREATE TRIGGER killed BEFORE UPDATE ON sessions FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'killed'")
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("Migrate gave %v, want it killed", err)
	}
	execute(t, d.DB, "DROP TRIGGER killed")
	if n := value[int](t, d, "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND event_object_table = 'votes'"); n != 2 {
		t.Fatalf("there are %d triggers on votes, want 2", n)
	}
	for doing, call := range map[string]func() error{
		"a run":    func() error { _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); return err },
		"Validate": func() error { return store.Validate(t.Context()) },
	} {
		if err := call(); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "run migrate") {
			t.Errorf("%s gave %v, want an ErrNotInstalled", doing, err)
		}
	}
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	if active := activeAfterARun(t, store, d); active != "1" {
		t.Errorf("sessions %q are active after a run, want 1, which was used", active)
	}
	if at := value[time.Time](t, d, "SELECT deactivated_at FROM sessions WHERE id = 3"); at.Year() == 1970 {
		t.Error("a session that became inactive after the adoption was dated before it")
	}
}

// A schema that cannot be adopted leaves the earlier installation as it was.
func TestRunsGoOnWhenAnotherSchemaIsNotAdopted(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, idleSessions+timedVotes)
	other := open(t, d, mysql.Config{Schema: sessioncleanup.Schema{ExpiresAt: "ends_at", AddColumns: true}})
	busy, err := d.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	if _, err := busy.ExecContext(t.Context(), "START TRANSACTION; SELECT * FROM sessions"); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := other.Migrate(limited, sessioncleanup.Policy{}); err == nil {
		t.Fatal("Migrate added a column to a table in use")
	}
	if _, err := busy.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if active := activeAfterARun(t, store, d); active != "" {
		t.Errorf("sessions %q are active after a run, want none", active)
	}
}
