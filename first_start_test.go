package sessioncleanup_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// firstStarts are the events of a scheduler's first start.
func firstStarts(t *testing.T, db sessioncleanup.Store) []sessioncleanup.Event {
	t.Helper()
	events, err := db.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionScheduled}, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestTheFirstRunWaitsForTheFirstScheduledTime(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		schedule sessioncleanup.Schedule
		first    time.Duration // a bubble's clock begins at midnight UTC, 1 o'clock in Paris
	}{
		"interval":     {sessioncleanup.Interval{Every: day}, day},
		"by the clock": {nightly{paris}, 2 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
			put(t, db, 0, 5, 2*day, nil)
			began := time.Now()
			stop := startSchedulers(t, db, 2, c.schedule)
			time.Sleep(c.first - time.Minute)
			synctest.Wait()
			if runs := runEvents(t, m); len(runs) != 0 {
				t.Errorf("%s: %d runs before the first scheduled time, want none", name, len(runs))
			}
			time.Sleep(2 * time.Minute)
			stop()
			runs := runEvents(t, m)
			if len(runs) != 1 || runs[0].Run.StartedAt.Sub(began) < c.first || runs[0].Run.Phases.Total().Done != 5 {
				t.Errorf("%s: runs %+v, want one at the first scheduled time", name, runs)
			}
		})
	}
}

// An application that is deployed every six hours still gets its daily run.
func TestTheFirstStartIsRecordedOnceAndSurvivesRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		began := time.Now()
		for range 9 {
			stop := startSchedulers(t, db, 1, sessioncleanup.Interval{Every: day})
			time.Sleep(6*time.Hour + time.Minute)
			stop()
		}
		if starts := firstStarts(t, db); len(starts) != 1 || !starts[0].At.Equal(began) || starts[0].Actor != "system" {
			t.Errorf("first starts %+v, want one, at the beginning", starts)
		}
		runs := runEvents(t, m)
		if len(runs) != 2 {
			t.Fatalf("%d runs in 54 hours, want 2", len(runs))
		}
		if first := runs[0].Run.StartedAt.Sub(began); first < day || first > day+time.Minute {
			t.Errorf("the first run began after %v, want a day", first)
		}
	})
}

func TestAStartThatTheClockPutsInTheFutureDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		future := sessioncleanup.Event{Action: sessioncleanup.ActionScheduled, Actor: "system", At: time.Now().AddDate(10, 0, 0)}
		if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: future}); err != nil {
			t.Fatal(err)
		}
		stop := startSchedulers(t, db, 1, sessioncleanup.Interval{Every: day})
		time.Sleep(day + time.Minute)
		stop()
		if runs := runEvents(t, m); len(runs) != 1 {
			t.Errorf("%d runs in a day, want one", len(runs))
		}
	})
}

func TestARefusedRunIsNotRetriedBeforeItsNextTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 150, 40*day, inactive)
		put(t, db, 1000, 5, 2*day, nil)
		stop := startSchedulers(t, db, 2, sessioncleanup.Interval{Every: day})
		time.Sleep(3*day + time.Hour)
		stop()
		runs := runEvents(t, m)
		if len(runs) != 3 {
			t.Fatalf("%d runs in three days, want one a day", len(runs))
		}
		for i, run := range runs {
			if !run.Run.Refused || run.Run.Phases.Of(sessioncleanup.ActionDeleted).Done != 0 {
				t.Errorf("run %d: %+v, want it refused", i, run.Run)
			}
		}
		if first := runs[0].Run.Phases.Of(sessioncleanup.ActionDeactivated).Done; first != 5 {
			t.Errorf("the first refused run deactivated %d, want 5", first)
		}
		cleanup(t, m, sessioncleanup.Run{DeleteAtMost: 150}) // somebody allows it once
		if left := len(stored(t, db)); left != 5 {
			t.Errorf("%d sessions are left, want 5", left)
		}
	})
}

func TestAnOverdueRunIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		stop := startSchedulers(t, db, 1, sessioncleanup.Interval{Every: day})
		time.Sleep(time.Minute)
		stop() // before the first run
		time.Sleep(10 * day)
		stop = startSchedulers(t, db, 1, sessioncleanup.Interval{Every: day})
		time.Sleep(time.Minute)
		stop()
		if runs := runEvents(t, m); len(runs) != 1 {
			t.Errorf("%d runs after a downtime in which the first one was due, want one at once", len(runs))
		}
	})
}
