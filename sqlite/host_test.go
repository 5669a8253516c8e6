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

// TestADatabaseOfTheHostsIsGivenBackAsItWas works on connections of the host's, which have foreign keys switched off, as
// SQLite has them by default.
func TestADatabaseOfTheHostsIsGivenBackAsItWas(t *testing.T) {
	t.Parallel()
	_, host := newHost(t, hostTables, "PRAGMA journal_mode = TRUNCATE")
	host.SetMaxOpenConns(1) // so that nothing may hold a connection and ask for another
	settings := func() string {
		return line(t, host, "SELECT * FROM pragma_foreign_keys, pragma_busy_timeout, pragma_journal_mode")
	}
	execute(t, host, "PRAGMA foreign_keys = 0")
	execute(t, host, "PRAGMA busy_timeout = 1234")
	before := settings()
	store, err := sqlite.New(t.Context(), host, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, store)
	for _, id := range []int{1, 2} {
		execute(t, host, insertUsed, id, nil, "old", 0, stamp(time.Now().Add(-60*day)), nil, 1)
		execute(t, host, "INSERT INTO propositions (session_id, created_at) VALUES (?, '2020-01-01')", id)
	}
	execute(t, host, "UPDATE sessions SET last_activity = ?", stamp(time.Now().Add(-60*day)))
	if deleted, _, err := clean(t.Context(), store); err != nil || !cmp.Equal(deleted, []string{"1", "2"}) {
		t.Errorf("deleted %v: %v", deleted, err)
	}
	if got := line(t, host, "SELECT count(*) FROM propositions"); got != "0" {
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
		"a trigger that ignores": {
			"CREATE TRIGGER keep BEFORE DELETE ON sessions WHEN OLD.id = 2 BEGIN SELECT RAISE(IGNORE); END", "a trigger leaves some of the sessions as they are",
		},
	} {
		for _, listed := range []bool{false, true} {
			store, host := adopt(t, hostTables)
			if listed {
				sqlite.ListOnly(store)
			}
			for id := range 3 {
				execute(t, host, insertUsed, id+1, nil, "old", 0, stamp(time.Now().Add(-60*day)), nil, 1)
			}
			execute(t, host, c.setup)
			b := sessioncleanup.Batch{Cause: sessioncleanup.Cause{Actor: "system"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(time.Now()), Limit: 3}
			var got []string
			for range 10 {
				out, err := store.DeleteDue(t.Context(), b)
				if bad, ok := errors.AsType[*sessioncleanup.BatchError](err); ok {
					if !strings.Contains(bad.Error(), c.want) {
						t.Errorf("%s: %v, want %q", what, bad, c.want)
					}
					got = append(got, "failed "+strings.Join(slices.Sorted(slices.Values(bad.IDs)), " "))
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
				t.Errorf("%s, listed %v: batches (-want +got):\n%s", what, listed, diff)
			}
			if got := line(t, host, "SELECT group_concat(id) FROM sessions"); got != "2" {
				t.Errorf("%s: sessions %s are left", what, got)
			}
			if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, b.Cause); what != "a trigger that ignores" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: Delete: %v, want %q", what, err, c.want)
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
	path, _ := newHost(t)
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
	store, host := adopt(t)
	now := clock(t, store)
	record := func(at, forget time.Time) sessioncleanup.Event {
		t.Helper()
		e, err := store.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{At: at, Action: sessioncleanup.ActionRun, Actor: "system", Run: &sessioncleanup.RunSummary{Deleted: 3}}, ForgetBefore: forget})
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
	if got := line(t, host, "SELECT group_concat(id) FROM sessioncleanup_events"); got != "1001" {
		t.Errorf("the log has the events %s, want only the one just written", got)
	}
	if e := record(time.Time{}, now.Add(-90*day)); e.ID != 1002 || e.Run.Deleted != 3 || !near(e.At, now) {
		t.Errorf("event %+v", e)
	}
}
