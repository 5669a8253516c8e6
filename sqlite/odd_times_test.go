package sqlite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

const oddTable = "CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at, last_activity %s, expires_at %[1]s)"

// TestOddTimesMeanWhatTheyStandFor has each of them in a session that was created 3 days ago, and that is deactivated for
// that reason or kept.
func TestOddTimesMeanWhatTheyStandFor(t *testing.T) {
	t.Parallel()
	never := []string{"'9999-12-31T23:59:59-08:00'", "'9999-12-31 23:59:59'", "'infinity'", "'12000-01-01'", "253402300799", "253402300799000", "9223372036854775807", "9e999", "julianday('9999-12-31')"}
	unknown := []string{"NULL", "0", "-1", "''", "'0001-01-01T00:00:00Z'", "'0001-01-01 00:00:00 +0000 UTC'", "'0000-00-00 00:00:00'", "'1970-01-01'", "'-infinity'", "-62135596800", "-62135596800000", "'0'"}
	unreadable := []string{"'12/24/2020'", "'now'", "'yesterday'", "'2024-13-01'", "'01/02/2024'", "x'00'",
		"20301224", "'20301224'", "'24.12.2030'", "'2030.12.24'", "'2030'", "20451", "29450000", "1", "'12:30-05:00'", "'12-24-2030'"}
	now := time.Now()
	recent := []string{
		fmt.Sprint(now.Unix()), fmt.Sprint(now.UnixMilli()), fmt.Sprint(now.UnixMicro()), fmt.Sprint(now.UnixNano()), fmt.Sprintf("'%d'", now.Unix()),
		fmt.Sprintf("'%s'", now.String()), fmt.Sprintf("'%s'", now.UTC().Round(0).String()), "julianday('now')",
	}
	for _, declared := range []string{"", "TEXT", "DATETIME", "INTEGER"} {
		for what, c := range map[string]struct {
			values      []string
			deactivates bool // as the last activity
			reported    bool
		}{
			"never": {never, false, false}, "unknown": {unknown, true, false}, "unreadable": {unreadable, false, true}, "recent": {recent, false, false},
		} {
			store, app := adopt(t, fmt.Sprintf(oddTable, declared))
			for i, value := range c.values {
				execute(t, app, fmt.Sprintf("INSERT INTO sessions (id, created_at, auto_cleanup) VALUES (%d, datetime('now', '-3 days'), 1)", i+1))
				execute(t, app, fmt.Sprintf("UPDATE sessions SET last_activity = %s WHERE id = %d", value, i+1))
			}
			var want []string
			for i := range c.values {
				if c.deactivates {
					want = append(want, fmt.Sprint(i+1))
				}
			}
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			page, err := manager.List(t.Context(), sessioncleanup.ListOptions{})
			if err != nil || len(page.Sessions) != len(c.values) {
				t.Errorf("%s %s: a list of %d: %v", declared, what, len(page.Sessions), err)
			}
			for _, s := range page.Sessions {
				if s.DeleteAt.Year() > 9999 || s.DeactivateAt.Year() > 9999 {
					t.Errorf("%s %s: %s: due in %v", declared, what, c.values[len(c.values)-1], s.DeleteAt)
				}
			}
			if err := store.Validate(t.Context()); (err != nil) != c.reported {
				t.Errorf("%s %s: Validate: %v", declared, what, err)
			}
			_, got, err := clean(t.Context(), store)
			if diff := cmp.Diff(want, sorted(got)); err != nil || diff != "" {
				t.Errorf("%s %s: %v, deactivated (-want +got):\n%s\n%s", declared, what, err, diff, line(t, app, "SELECT id, typeof(last_activity), quote(last_activity) FROM sessions"))
			}
			// As an expiry, none of them makes a session due.
			execute(t, app, "UPDATE sessions SET expires_at = nullif(last_activity, '1970-01-01'), last_activity = ?, active = 1", stamp(time.Now()))
			if what == "recent" {
				continue
			}
			if _, got, err := clean(t.Context(), store); err != nil || len(got) > 0 {
				t.Errorf("%s %s as an expiry: %v, deactivated %v", declared, what, err, got)
			}
		}
	}
}

// TestTimesOfCreationThatStandForNoneMakeNothingDue where nothing else is known when Migrate fills in the last activity.
func TestTimesOfCreationThatStandForNoneMakeNothingDue(t *testing.T) {
	t.Parallel()
	for _, created := range []string{"'0001-01-01T00:00:00Z'", "'0001-01-01 00:00:00 +0000 UTC'", "'0000-00-00 00:00:00'", "0", "'1970-01-01'", "NULL"} {
		for _, table := range []string{"(id INTEGER PRIMARY KEY, created_at, updated_at)", "(id INTEGER PRIMARY KEY, created_at, last_activity)"} {
			store, app := adopt(t, "CREATE TABLE sessions "+table, "INSERT INTO sessions (id, created_at) VALUES (1, "+created+")")
			if s := get(t, store, "1"); !near(s.LastActivity, time.Now()) {
				t.Errorf("%s %s: last active %v, want the time of the migration", table, created, s.LastActivity)
			}
			execute(t, app, "DELETE FROM sessioncleanup_touches")
			if _, deactivated, err := clean(t.Context(), store); err != nil || len(deactivated) > 0 {
				t.Errorf("%s %s: deactivated %v, %v", table, created, deactivated, err)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Errorf("%s %s: %v", table, created, err)
			}
		}
	}
}

// TestASessionWhoseTimesAreAllOldestIsDeactivatedAndThenWaits, where the application wrote the zero value of its language into
// both columns. Where that is no time, the session is never due.
func TestASessionWhoseTimesAreAllOldestIsDeactivatedAndThenWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, deactivated string }{
		{"'0001-01-01T00:00:00Z'", "1"}, {"'0001-01-01 00:00:00 +0000 UTC'", "1"}, {"'0001-01-01 00:00:00+00:00'", "1"}, {"'1970-01-01'", "1"},
		{"'0000-00-00 00:00:00'", ""}, {"''", ""},
	} {
		store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active INT, created_at DATETIME, last_activity DATETIME)",
			fmt.Sprintf("INSERT INTO sessions VALUES (1, 1, %s, %[1]s), (2, 0, %[1]s, %[1]s)", c.value))
		for _, want := range []string{c.deactivated, ""} { // the second run does nothing more
			if deleted, deactivated, err := clean(t.Context(), store); err != nil || len(deleted) > 0 || strings.Join(deactivated, ",") != want {
				t.Errorf("%s: deleted %v, deactivated %v, %v; want %q deactivated, and none deleted", c.value, deleted, deactivated, err, want)
			}
		}
		execute(t, app, "UPDATE sessions SET deactivated_at = datetime('now', '-31 days') WHERE NOT active AND deactivated_at IS NOT NULL")
		if deleted, _, err := clean(t.Context(), store); err != nil || (len(deleted) == 2) != (c.deactivated != "") {
			t.Errorf("%s: a month later deleted %v, %v", c.value, deleted, err)
		}
	}
}

// TestTheBackfillTakesWhatItKnowsInPlaceOfTimesThatSayNothing, here an update, which is no activity beside a table of votes.
func TestTheBackfillTakesWhatItKnowsInPlaceOfTimesThatSayNothing(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active INT DEFAULT 1, created_at DATETIME, updated_at DATETIME, last_activity DATETIME)",
		"CREATE TABLE votes (id INTEGER PRIMARY KEY, session_id INT REFERENCES sessions (id), created_at DATETIME)",
		"INSERT INTO sessions (id, created_at, updated_at, last_activity) VALUES (1, '0001-01-01 00:00:00', datetime('now', '-1 hour'), '0001-01-01 00:00:00'), "+
			"(2, '0001-01-01 00:00:00', '0001-01-01 00:00:00', '0001-01-01 00:00:00'), (3, '0001-01-01 00:00:00', datetime('now', '-2 days'), '0000-00-00 00:00:00')")
	if s := get(t, store, "1"); !near(s.LastActivity, time.Now().Add(-time.Hour)) {
		t.Errorf("session 1 was last active at %v, want an hour ago", s.LastActivity)
	}
	execute(t, app, "DELETE FROM sessioncleanup_touches")
	if deleted, deactivated, err := clean(t.Context(), store); err != nil || len(deleted) > 0 || strings.Join(sorted(deactivated), ",") != "2,3" {
		t.Errorf("deleted %v, deactivated %v, %v; want 2 and 3 deactivated", deleted, deactivated, err)
	}
}

// sorted sorts ids that are numbers.
func sorted(ids []string) []string {
	var out []string
	for i := 1; len(out) < len(ids) && i < 1000; i++ {
		for _, id := range ids {
			if id == fmt.Sprint(i) {
				out = append(out, id)
			}
		}
	}
	return out
}

// TestTheFormOfAColumnIsThatOfMostValues has one value of another kind, larger or smaller, among many.
func TestTheFormOfAColumnIsThatOfMostValues(t *testing.T) {
	t.Parallel()
	for odd, c := range map[string]struct{ usual, written string }{
		"253402300799":           {"unixepoch('now', '-1 hour')", "1?????????"},
		"0":                      {"unixepoch('now', '-1 hour') * 1000", "1????????????"},
		"unixepoch()":            {"julianday('now', '-1 hour')", "24?????.*"},
		"julianday('now')":       {"unixepoch('now', '-1 hour')", "1?????????"},
		"datetime('now')":        {"unixepoch('now', '-1 hour')", "1?????????"},
		"unixepoch() * 1000000":  {"datetime('now', '-1 hour')", "2???-*.???"},
		"'2024-01-01 +0000 UTC'": {"datetime('now', '-1 hour')", "2???-*.???"},
	} {
		path, app := newApp(t, fmt.Sprintf(oddTable, ""))
		for range 20 {
			execute(t, app, "INSERT INTO sessions (last_activity) VALUES ("+c.usual+")")
		}
		execute(t, app, "INSERT INTO sessions (last_activity) VALUES ("+odd+")")
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		if _, got, err := clean(t.Context(), store); err != nil || len(got) > 1 {
			t.Errorf("%s among %s: deactivated %v: %v", odd, c.usual, got, err)
		}
		if s := get(t, store, "3"); !near(s.LastActivity, time.Now().Add(-time.Hour)) {
			t.Errorf("%s among %s: read %v", odd, c.usual, s.LastActivity)
		}
		if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"3"}}); err != nil {
			t.Error(err)
		}
		if s := get(t, store, "3"); !near(s.LastActivity, time.Now()) {
			t.Errorf("%s among %s: read %v after a touch", odd, c.usual, s.LastActivity)
		}
		if got := line(t, app, "SELECT CAST(last_activity AS TEXT) GLOB ? FROM sessions WHERE id = 3", c.written); got != "1" {
			t.Errorf("%s among %s: wrote %s", odd, c.usual, line(t, app, "SELECT CAST(last_activity AS TEXT) FROM sessions WHERE id = 3"))
		}
	}
}

func TestWhatIsUntrackedExpiresOnly(t *testing.T) {
	t.Parallel()
	old := stamp(time.Now().Add(-90 * day))
	fill := func(t *testing.T, c sqlite.Config) (*sqlite.Store, *strings.Builder) {
		t.Helper()
		var log strings.Builder
		c.Logger = logTo(&log)
		path, app := newApp(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN DEFAULT 1, created_at)", "INSERT INTO sessions VALUES (1, 1, datetime('now', '-90 days')), (2, 0, datetime('now', '-90 days')), (3, 1, datetime('now', '-90 days')), (4, 0, datetime('now', '-90 days'))")
		store := open(t, path, c)
		migrate(t, store)
		execute(t, app, "UPDATE sessions SET expires_at = ? WHERE id > 2", old)
		return store, &log
	}
	for what, c := range map[string]struct {
		config     sqlite.Config
		untracked  bool
		del, deact []string
	}{
		"untracked":       {sqlite.Config{}, true, []string{"4"}, []string{"3"}},
		"asked for":       {sqlite.Config{Migrate: sessioncleanup.MigrateOptions{Untracked: true}}, false, []string{"2", "4"}, []string{"1", "3"}},
		"touched by apps": {configOf(sessioncleanup.Schema{CreatedAt: "created_at", AppTouches: true}), false, []string{"2", "4"}, []string{"1", "3"}},
	} {
		store, log := fill(t, c.config)
		if got := strings.Contains(log.String(), "nothing shows when the sessions"); got != c.untracked {
			t.Errorf("%s: warned %t: %s", what, got, log)
		}
		thresholds := sessioncleanup.Policy{}.Thresholds()
		counts, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Thresholds: thresholds})
		if err != nil || counts.Cutoffs.Untracked != c.untracked || counts.DueForDeletion != len(c.del) || counts.DueForDeactivation != len(c.deact) {
			t.Errorf("%s: %+v, %v", what, counts, err)
		}
		for status, want := range map[sessioncleanup.Status][]string{sessioncleanup.StatusToDelete: c.del, sessioncleanup.StatusToDeactivate: c.deact} {
			page, err := store.List(t.Context(), sessioncleanup.Query{Status: status, Thresholds: thresholds, Limit: 10, CountUpTo: 10})
			if err != nil || page.Total != len(want) || len(page.Sessions) != len(want) || page.Cutoffs.Untracked != c.untracked {
				t.Errorf("%s %s: %+v, %v", what, status, page, err)
			}
		}
		deleted, deactivated, err := clean(t.Context(), store)
		if err != nil || !cmp.Equal(sorted(deleted), c.del) || !cmp.Equal(sorted(deactivated), c.deact) {
			t.Errorf("%s: deleted %v, deactivated %v: %v", what, deleted, deactivated, err)
		}
		migrate(t, store) // remembers
		if counts, err = store.Counts(t.Context(), sessioncleanup.CountsQuery{}); err != nil || counts.Cutoffs.Untracked != c.untracked {
			t.Errorf("%s after Migrate: %+v, %v", what, counts.Cutoffs, err)
		}
	}
}

// TestAChangedUpdatedAtIsActivity where there is no activity table, unless the library itself is what changed the row.
func TestAChangedUpdatedAtIsActivity(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT, updated_at)", `
		CREATE TRIGGER stamp AFTER UPDATE ON sessions WHEN NEW.updated_at IS OLD.updated_at BEGIN
			UPDATE sessions SET updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = NEW.id;
		END`, "INSERT INTO sessions VALUES (1, 'a', datetime('now', '-2 days')), (2, 'b', datetime('now', '-2 days')), (3, 'c', datetime('now', '-2 days'))")
	if s := get(t, store, "1"); near(s.LastActivity, time.Now()) {
		t.Errorf("Migrate itself counts as activity: %+v", s)
	}
	execute(t, app, "UPDATE sessions SET updated_at = ? WHERE id = 1", stamp(time.Now().Add(-time.Hour)))
	execute(t, app, "UPDATE sessions SET name = 'x' WHERE id = 2")
	for _, id := range []string{"1", "2"} {
		if s := get(t, store, id); !near(s.LastActivity, time.Now()) {
			t.Errorf("updated, but %+v", s)
		}
	}
	if _, deactivated, err := clean(t.Context(), store); err != nil || !cmp.Equal(deactivated, []string{"3"}) {
		t.Errorf("deactivated %v: %v", deactivated, err)
	}
	if s := get(t, store, "3"); near(s.LastActivity, time.Now()) {
		t.Errorf("the run itself counts as activity: %+v", s)
	}
	if got := line(t, app, "SELECT count(*) FROM sessioncleanup_touches"); got != "0" {
		t.Errorf("%s notes are left", got)
	}
}
