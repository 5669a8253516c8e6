package sqlite_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestMigrateSaysHowItUnderstandsTimesAndRefusesDoubtfulOnes(t *testing.T) {
	t.Parallel()
	const yearsAgo = "INSERT INTO sessions (created_at, updated_at) VALUES ('2019-05-06 07:08:09', 1577836800000), ('9999-12-31', 0)"
	for what, c := range map[string]struct {
		rows    string
		options sessioncleanup.MigrateOptions
		refused string
		logged  []string
	}{
		"years ago":        {yearsAgo, sessioncleanup.MigrateOptions{}, "is 2020-01-01 00:00:00 UTC, more than a year from now", nil},
		"in years":         {"INSERT INTO sessions (created_at) VALUES (datetime('now', '+2 years'))", sessioncleanup.MigrateOptions{}, "more than a year from now", nil},
		"accepted":         {yearsAgo, sessioncleanup.MigrateOptions{AcceptTimes: true}, "", []string{"from 2019-05-06 07:08:09 UTC to 2020-01-01 00:00:00 UTC", "read as UTC"}},
		"used since":       {yearsAgo + ";INSERT INTO messages VALUES (1, datetime('now'))", sessioncleanup.MigrateOptions{}, "", []string{"from 2019-05-06 07:08:09 UTC to 20"}},
		"none":             {"", sessioncleanup.MigrateOptions{}, "", nil},
		"local times":      {"INSERT INTO sessions (created_at) VALUES (datetime('now', '+2 hours'))", sessioncleanup.MigrateOptions{}, "", []string{"may write local times"}},
		"a time zone":      {"", sessioncleanup.MigrateOptions{TimeZone: "Europe/Paris"}, "SQLite has no time zones", nil},
		"UTC":              {"", sessioncleanup.MigrateOptions{TimeZone: "Etc/UTC"}, "", nil},
		"without effect":   {"", sessioncleanup.MigrateOptions{Replace: true}, "", []string{"--replace) has no effect"}},
		"not used at once": {"", sessioncleanup.MigrateOptions{}, "", nil},
	} {
		path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at, updated_at); CREATE TABLE messages (session_id INTEGER REFERENCES sessions, at)", c.rows)
		before := dump(t, app, true)
		var log strings.Builder
		store, err := sqlite.Open(t.Context(), path, sqlite.Config{Migrate: c.options, Logger: logTo(&log)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		err = store.Migrate(t.Context(), sessioncleanup.Policy{})
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case c.refused != "" && (!errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: %v, want %q", what, err, c.refused)
		case c.refused != "" && dump(t, app, true) != before:
			t.Errorf("%s: refused, but the database has changed", what)
		}
		for _, part := range c.logged {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%s: logged %s, want %q", what, &log, part)
			}
		}
		if c.refused == "" && c.logged == nil && log.Len() > 0 {
			t.Errorf("%s: logged %s", what, &log)
		}
		if c.refused == "" { // what was accepted once is not asked again
			again, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			if err == nil {
				err = errors.Join(again.Migrate(t.Context(), sessioncleanup.Policy{BatchSize: 7}), again.Close())
			}
			if err != nil {
				t.Errorf("%s, again: %v", what, err)
			}
		}
	}
}

func TestInspectSaysHowItUnderstandsTimes(t *testing.T) {
	t.Parallel()
	path, _ := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at)", "INSERT INTO sessions (created_at) VALUES (1577836800)")
	var log strings.Builder
	if _, err := open(t, path, sqlite.Config{Logger: logTo(&log)}).Inspect(t.Context()); err != nil || !strings.Contains(log.String(), "to 2020-01-01 00:00:00 UTC") {
		t.Errorf("logged %s: %v", &log, err)
	}
}

// TestALastActivityInTheFutureIsCorrectedOnce by the next run, with an event, unless it stands for never.
func TestALastActivityInTheFutureIsCorrectedOnce(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN, last_activity, auto_cleanup BOOLEAN DEFAULT 1, deactivated_at)", `
		INSERT INTO sessions (id, active, last_activity) VALUES
			(1, 1, datetime('now', '+5 minutes')), (2, 1, unixepoch('now', '+3 years')), (3, 1, '9999-12-31'), (4, 1, 'someday'),
			(5, 0, datetime('now', '+1 hour')), (6, 1, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+11 minutes'))`,
		"INSERT INTO sessions VALUES (7, 1, datetime('now', '+3 days'), 0, NULL)")
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	kept := line(t, app, "SELECT id, last_activity FROM sessions WHERE id IN (1, 3, 4, 7)")
	for range 2 {
		if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"2", "5", "6"} {
		if s := get(t, store, id); !near(s.LastActivity, time.Now()) {
			t.Errorf("%s is still used last in the future: %v", id, s.LastActivity)
		}
	}
	if diff := cmp.Diff(kept, line(t, app, "SELECT id, last_activity FROM sessions WHERE id IN (1, 3, 4, 7)")); diff != "" {
		t.Errorf("values that stay as they are (-want +got):\n%s", diff)
	}
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Limit: 10, Actions: []sessioncleanup.Action{sessioncleanup.ActionCorrected}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		if e.RunID == "" {
			t.Errorf("event %+v", e)
		}
		for _, s := range e.Sessions {
			got = append(got, s.ID)
		}
	}
	if diff := cmp.Diff([]string{"2", "5", "6"}, sorted(got)); diff != "" || len(got) != 3 {
		t.Errorf("sessions with an event: %v", got)
	}
}

// TestMigrateKeepsOtherColumnsFromTriggers that set one on each update, write elsewhere, or refuse the update.
func TestMigrateKeepsOtherColumnsFromTriggers(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT);
		CREATE TABLE audit (id INTEGER);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		INSERT INTO sessions SELECT i, 'room', datetime('now', '-2 days') FROM n;
		CREATE TRIGGER IF NOT EXISTS "sets it" AFTER UPDATE ON Sessions BEGIN
			UPDATE sessions SET updated_at = datetime('now') WHERE id = NEW.id; -- always
		END;
		CREATE TRIGGER main.audits AFTER UPDATE OF last_activity, name ON sessions BEGIN INSERT INTO audit VALUES (NEW.id); END;
		CREATE TRIGGER refuses BEFORE UPDATE ON sessions WHEN NEW.name = OLD.name AND NEW.id = 7 BEGIN SELECT RAISE(ABORT, 'no'); END`)
	const theirs = "SELECT group_concat(quote(id) || name || updated_at) FROM sessions"
	const triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE 'sessioncleanup%' ORDER BY rowid"
	rows, made := line(t, app, theirs), line(t, app, triggers)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	if line(t, app, theirs) != rows {
		t.Error("Migrate changed a column of the application's")
	}
	if diff := cmp.Diff(made, line(t, app, triggers)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	if got := line(t, app, "SELECT (SELECT count(*) FROM audit), count(*) FROM sessions WHERE julianday(last_activity) = julianday(updated_at)"); got != "0|2500" {
		t.Errorf("rows of the audit, sessions with their last activity: %s", got)
	}
	execute(t, app, "UPDATE sessions SET name = 'x' WHERE id = 1")
	if got := line(t, app, "SELECT count(*) FROM audit"); got != "1" {
		t.Errorf("after the application's own update the audit has %s rows", got)
	}
}
