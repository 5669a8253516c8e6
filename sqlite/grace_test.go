package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

var before1971 = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)

// TestSessionsInactiveAtAdoptionAreDueAsBefore and those that become inactive later are kept from then on.
func TestSessionsInactiveAtAdoptionAreDueAsBefore(t *testing.T) {
	t.Parallel()
	for _, declared := range []string{"", ", deactivated_at DATETIME", ", deactivated_at INTEGER"} {
		store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN, last_activity DATETIME"+declared+")",
			"INSERT INTO sessions (id, active, last_activity) VALUES (1, 0, datetime('now', '-40 days')), (2, 0, datetime('now', '-20 days')), (3, NULL, datetime('now', '-40 days'))")
		if s := get(t, store, "1"); s.DeactivatedAt.IsZero() || s.DeactivatedAt.After(before1971) {
			t.Errorf("inactive before: %+v", s)
		}
		if s := get(t, store, "3"); !s.Active || !s.DeactivatedAt.IsZero() {
			t.Errorf("NULL: %+v", s)
		}
		execute(t, app, "INSERT INTO sessions (id, active, last_activity) VALUES (4, 0, datetime('now', '-40 days'))")
		execute(t, app, "DELETE FROM sessioncleanup_touches") // as if the trigger had been off
		deleted, deactivated, err := clean(t.Context(), store)
		if err != nil || !cmp.Equal(deleted, []string{"1"}) || !cmp.Equal(deactivated, []string{"3"}) {
			t.Errorf("deleted %v, deactivated %v: %v", deleted, deactivated, err)
		}
		migrate(t, store) // marks nothing again
		if s := get(t, store, "4"); !s.DeactivatedAt.IsZero() {
			t.Errorf("after Migrate: %+v", s)
		}
	}
}

// TestTheApplicationsOwnChangesAreObserved makes random changes as an application does and compares with Session.Observe.
func TestTheApplicationsOwnChangesAreObserved(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	store, app := adopt(t, appTables)
	execute(t, app, "PRAGMA recursive_triggers = ON")
	for id := 1; id <= 40; id++ {
		used := time.Now().Add(-time.Duration(random.IntN(50)) * day)
		execute(t, app, insertUsed, id, nil, "room", random.IntN(2), stamp(used), nil, 1)
	}
	changes := map[string]func(s *sessioncleanup.Session){
		"active = 0": func(s *sessioncleanup.Session) { s.Active = false },
		"active = 1": func(s *sessioncleanup.Session) { s.Active = true },
		"name = 'x'": func(s *sessioncleanup.Session) { s.Name = "x" },
	}
	said := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC) // by the application, another time each time
	for range 400 {
		said = said.Add(time.Second)
		at := said
		changes["active = 0, deactivated_at = ?2"] = func(s *sessioncleanup.Session) { s.Active, s.DeactivatedAt = false, at }
		changes["active = 1, last_activity = ?2"] = func(s *sessioncleanup.Session) { s.Active, s.LastActivity = true, at }
		id := 1 + random.IntN(40)
		was := get(t, store, fmt.Sprint(id))
		for set, change := range changes { // in random order
			if _, err := app.ExecContext(t.Context(), "UPDATE sessions SET "+set+" WHERE id = ?1 AND ?2 IS NOT NULL", id, stamp(at)); err != nil {
				t.Fatal(err)
			}
			is := was
			change(&is)
			now := clock(t, store)
			want, got := is.Observe(was, now), get(t, store, fmt.Sprint(id))
			sameTime := func(a, b time.Time) bool { return a.Equal(b) || near(a, b) && near(a, now) }
			if got.Active != want.Active || !sameTime(got.LastActivity, want.LastActivity) || !sameTime(got.DeactivatedAt, want.DeactivatedAt) {
				t.Fatalf("%s: was %+v\nwant %+v\ngot %+v", set, was, want, got)
			}
			break
		}
		if random.IntN(10) == 0 { // fold some in
			if _, err := store.Sweep(t.Context(), batchOf(sessioncleanup.ActionDated, time.Now(), 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestARunCanBeReversedExactly: what a run wrote is what its event says, in every form of time.
func TestARunCanBeReversedExactly(t *testing.T) {
	t.Parallel()
	for _, declared := range []string{"DATETIME", "INTEGER", "REAL DEFAULT (julianday('now'))"} {
		store, app := adopt(t, "CREATE TABLE sessions (id INTEGER PRIMARY KEY, updated_at, last_activity, deactivated_at "+declared+")")
		if declared != "DATETIME" && declared != "INTEGER" {
			execute(t, app, "INSERT INTO sessions (id, active, last_activity) VALUES (9, 0, datetime('now'))")
			migrate(t, store)
		}
		execute(t, app, "INSERT INTO sessions (id, last_activity, deactivated_at) VALUES (1, datetime('now', '-2 days'), NULL), (2, datetime('now', '-2 days'), NULL)")
		manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		run, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
		if err != nil || run.Deactivated() != 2 {
			t.Fatalf("%s: %+v, %v", declared, run, err)
		}
		events, err := store.Events(t.Context(), sessioncleanup.EventQuery{RunID: run.RunID, Actions: []sessioncleanup.Action{sessioncleanup.ActionDeactivated}, Limit: 5})
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v, %v", events, err)
		}
		if s := get(t, store, "1"); !s.DeactivatedAt.Equal(events[0].At) {
			t.Errorf("%s: deactivated at %v, the event says %v", declared, s.DeactivatedAt, events[0].At)
		}
		if declared == "INTEGER" { // in the same second nobody can tell
			execute(t, app, "UPDATE sessions SET deactivated_at = deactivated_at + 1 WHERE id = 2")
		} else { // closed by the application since
			execute(t, app, "UPDATE sessions SET active = 1 WHERE id = 2")
			execute(t, app, "UPDATE sessions SET active = 0 WHERE id = 2")
		}
		result, err := manager.ReactivateRun(t.Context(), run.RunID)
		if err != nil || result.Done != 1 || result.Skipped != 1 {
			t.Errorf("%s: %+v, %v", declared, result, err)
		}
		if a, b := get(t, store, "1").Active, get(t, store, "2").Active; !a || b {
			t.Errorf("%s: active %t and %t, want true and false", declared, a, b)
		}
	}
}
