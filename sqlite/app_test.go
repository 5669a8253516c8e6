package sqlite_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// TestConnectionsOfTheApplicationKeepTheirSettings works on connections of the application's, which have foreign keys
// switched off, as SQLite has them by default.
func TestConnectionsOfTheApplicationKeepTheirSettings(t *testing.T) {
	t.Parallel()
	_, app := newApp(t, appTables, "PRAGMA journal_mode = TRUNCATE")
	app.SetMaxOpenConns(1) // so that nothing may hold a connection and ask for another
	settings := func() string {
		return line(t, app, "SELECT * FROM pragma_foreign_keys, pragma_busy_timeout, pragma_journal_mode")
	}
	execute(t, app, "PRAGMA foreign_keys = 0")
	execute(t, app, "PRAGMA busy_timeout = 1234")
	before := settings()
	store, err := sqlite.New(t.Context(), app, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, store)
	for _, id := range []int{1, 2} {
		execute(t, app, insertUsed, id, nil, "old", 0, stamp(time.Now().Add(-60*day)), nil, 1)
		execute(t, app, "INSERT INTO propositions (session_id, created_at) VALUES (?, '2020-01-01')", id)
	}
	execute(t, app, "UPDATE sessions SET last_activity = ?", stamp(time.Now().Add(-60*day)))
	if deleted, _, err := clean(t.Context(), store); err != nil || !cmp.Equal(deleted, []string{"1", "2"}) {
		t.Errorf("deleted %v: %v", deleted, err)
	}
	if got := line(t, app, "SELECT count(*) FROM propositions"); got != "0" {
		t.Errorf("%s rows were left behind", got)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Touch(cancelled, sessioncleanup.Touch{IDs: []string{"1"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Touch: %v", err)
	}
	if err := store.Uninstall(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if after := settings(); after != before {
		t.Errorf("settings of the connection: %s, before %s", after, before)
	}
}

func TestRowsThatCannotBeChangedAreReported(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ setup, want string }{
		"a foreign key": {
			"CREATE TABLE pins (session_id INTEGER REFERENCES sessions); INSERT INTO pins VALUES (2)", "FOREIGN KEY constraint failed",
		},
		"a deferred foreign key": {
			"CREATE TABLE pins (session_id INTEGER REFERENCES sessions DEFERRABLE INITIALLY DEFERRED); INSERT INTO pins VALUES (2)", "FOREIGN KEY constraint failed",
		},
		"a trigger that objects": {
			"CREATE TRIGGER keep BEFORE DELETE ON sessions WHEN OLD.id = 2 BEGIN SELECT RAISE(ABORT, 'keep 2'); END", "keep 2",
		},
		"a trigger that keeps what was done": {
			"CREATE TRIGGER keep AFTER DELETE ON sessions WHEN OLD.id = 2 BEGIN SELECT RAISE(FAIL, 'keep 2'); END", "keep 2",
		},
		"a trigger that ends the transaction": {
			"CREATE TRIGGER keep AFTER DELETE ON sessions WHEN OLD.id = 2 BEGIN SELECT RAISE(ROLLBACK, 'keep 2'); END", "keep 2",
		},
		"a trigger that ignores": {
			"CREATE TRIGGER keep BEFORE DELETE ON sessions WHEN OLD.id = 2 BEGIN SELECT RAISE(IGNORE); END", "leaves some of the sessions as they are",
		},
	} {
		store, app := adopt(t, appTables)
		for id := range 3 {
			execute(t, app, insertUsed, id+1, nil, "old", 0, stamp(time.Now().Add(-60*day)), nil, 1)
		}
		execute(t, app, c.setup)
		b := batchOf(sessioncleanup.ActionDeleted, time.Now(), 3)
		var got []string
		for range 10 {
			out, err := store.Sweep(t.Context(), b)
			if bad, ok := errors.AsType[*sessioncleanup.BatchError](err); ok {
				if !strings.Contains(bad.Error(), c.want) {
					t.Errorf("%s: %v, want %q", what, bad, c.want)
				}
				got = append(got, "failed "+strings.Join(bad.IDs, " "))
				if len(bad.IDs) > 1 {
					b.Limit = 1
					continue
				}
				out.Next = bad.Next
			} else if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			got = append(got, strings.Join(out.IDs, " "))
			if b.After = out.Next; b.After == "" {
				break
			}
		}
		if diff := cmp.Diff("failed 1 2 3,1,failed 2,,3", strings.TrimRight(strings.Join(got, ","), ",")); diff != "" {
			t.Errorf("%s: batches (-want +got):\n%s", what, diff)
		}
		if got := line(t, app, "SELECT group_concat(id) FROM sessions"); got != "2" {
			t.Errorf("%s: sessions %s are left", what, got)
		}
		if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, b.Cause); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Delete: %v, want %q", what, err, c.want)
		}
		if got := line(t, app, "SELECT group_concat(json_extract(s.value, '$.id')) FROM sessioncleanup_events, json_each(sessions) AS s"); got != "1,3" {
			t.Errorf("%s: the log has the deletion of %s", what, got)
		}
	}
}

// TestSessionsThatGoWithOthersHaveTheirEvent deletes by a foreign key within the table, and by a trigger, what is due itself.
func TestSessionsThatGoWithOthersHaveTheirEvent(t *testing.T) {
	t.Parallel()
	for what, setup := range map[string][]string{
		"a foreign key": {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES sessions (id) ON DELETE CASCADE, updated_at)"},
		"a trigger":     {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, parent INTEGER, updated_at)", "CREATE TRIGGER together AFTER DELETE ON sessions BEGIN DELETE FROM sessions WHERE parent = OLD.id; END"},
	} {
		store, app := adopt(t, setup...)
		execute(t, app, "INSERT INTO sessions (id, parent) VALUES (1, NULL), (2, 1), (3, NULL)")
		execute(t, app, "UPDATE sessions SET active = 0, last_activity = ?1, deactivated_at = ?1", stamp(time.Now().Add(-60*day)))
		deleted, _, err := clean(t.Context(), store)
		slices.Sort(deleted)
		if err != nil || !cmp.Equal(deleted, []string{"1", "2", "3"}) {
			t.Errorf("%s: deleted %v: %v", what, deleted, err)
		}
		if got := line(t, app, "SELECT group_concat(json_extract(s.value, '$.id')) FROM sessioncleanup_events, json_each(sessions) AS s WHERE action = 'deleted'"); got != "1,2,3" {
			t.Errorf("%s: the log has the deletion of %s", what, got)
		}
	}
}

// TestIDsOfAnyTypeAreCleaned puts a batch's end at every session, of equal age and of different ages.
func TestIDsOfAnyTypeAreCleaned(t *testing.T) {
	t.Parallel()
	for declared, ids := range map[string][]string{
		"TEXT":    {"'a'", "x'00ff'", "x'ff00'", "'b'", "''", "x''"},
		"UUID":    {"x'00112233445566778899aabbccddeeff'", "x'ff112233445566778899aabbccddeeff'", "7", "'seven'"},
		"REAL":    {"2.5", "-1e300", "3", "1e17"},
		"STRING":  {"'12e45'", "'nan'", "'inf'", "9007199254740993", "0.1"},
		"":        {"1", "'1'", "x'31'", "1.5"},
		"INTEGER": {"1", "-9223372036854775808", "9223372036854775807"},
		"DATE":    {"'2024-01-01'", "20240101"},
	} {
		for _, ages := range []string{"40", "40 + rowid"} {
			store, app := adopt(t, "CREATE TABLE sessions (number INTEGER PRIMARY KEY, id "+declared+" NOT NULL UNIQUE, updated_at)")
			for _, id := range ids {
				execute(t, app, "INSERT INTO sessions (id) VALUES ("+id+")")
			}
			execute(t, app, "UPDATE sessions SET active = 0, deactivated_at = '2020-01-01', last_activity = strftime('%Y-%m-%d', 'now', '-' || ("+ages+") || ' days')")
			b := batchOf(sessioncleanup.ActionDeleted, time.Now(), 1)
			deleted := 0
			for range 3 * len(ids) {
				out, err := store.Sweep(t.Context(), b)
				if err != nil {
					t.Fatalf("%s, ages %s: %v", declared, ages, err)
				}
				deleted += len(out.IDs)
				if b.After = out.Next; b.After == "" {
					break
				}
			}
			if left := line(t, app, "SELECT count(*) FROM sessions"); deleted != len(ids) || left != "0" {
				t.Errorf("%s, ages %s: %d sessions were deleted and %s are left of %d", declared, ages, deleted, left, len(ids))
			}
		}
	}
}

func TestADatabaseInMemoryLivesAsLongAsTheStore(t *testing.T) {
	t.Parallel()
	store := open(t, ":memory:", sqlite.Config{})
	if _, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("before Migrate: %v", err)
	}
	migrate(t, store)
	for _, step := range []func(context.Context) error{store.Validate, store.Uninstall} {
		if err := step(t.Context()); err != nil {
			t.Error(err)
		}
	}
	migrate(t, store)
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Error(err)
	}
	if event, err := store.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}}); err != nil || event.ID != 1 {
		t.Errorf("event %+v: %v", event, err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	t.Parallel()
	path, _ := newApp(t)
	store, err := sqlite.Open(t.Context(), path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(store) {
		if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s of a closed store: %v", name, err)
		}
	}
}

func TestEventsAreForgottenButNotTheirNumbers(t *testing.T) {
	t.Parallel()
	store, app := adopt(t)
	now := clock(t, store)
	record := func(at, forget time.Time) sessioncleanup.Event {
		t.Helper()
		e, err := store.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{At: at, Action: sessioncleanup.ActionRun, Actor: "system", Run: &sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Action: sessioncleanup.ActionDeleted, Done: 3}}}}, ForgetBefore: forget})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for range 1000 {
		record(now.Add(-100*day), time.Time{})
	}
	if e := record(now.Add(-99*day), now.Add(-90*day)); e.ID != 1001 {
		t.Errorf("the event has number %d", e.ID)
	}
	if got := line(t, app, "SELECT group_concat(id) FROM sessioncleanup_events"); got != "1001" {
		t.Errorf("the log has the events %s, want only the one just written", got)
	}
	if e := record(time.Time{}, now.Add(-90*day)); e.ID != 1002 || e.Run.Phases.Of(sessioncleanup.ActionDeleted).Done != 3 || !near(e.At, time.Now()) {
		t.Errorf("event %+v", e)
	}
}
