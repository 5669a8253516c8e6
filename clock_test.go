package sessioncleanup_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// remote is a store with a clock of its own and slow answers.
type remote struct {
	sessioncleanup.Store
	ahead, trip time.Duration
	stepped     atomic.Int64 // by which the clock was set back since
	changes     atomic.Int64
}

func (r *remote) clock(t time.Time) time.Time {
	return t.Add(r.ahead - time.Duration(r.stepped.Load()))
}

func (r *remote) Now(ctx context.Context) (time.Time, error) {
	time.Sleep(r.trip / 2)
	now, err := r.Store.Now(ctx)
	time.Sleep(r.trip / 2)
	return r.clock(now), err
}

func (r *remote) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	counts, err := r.Store.Counts(ctx, q)
	counts.Cutoffs.Now = r.clock(counts.Cutoffs.Now)
	return counts, err
}

func (r *remote) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	r.changes.Add(1)
	return r.Store.Sweep(ctx, b)
}

func (r *remote) Record(ctx context.Context, rec sessioncleanup.Record) (sessioncleanup.Event, error) {
	r.changes.Add(1)
	return r.Store.Record(ctx, rec)
}

func TestARunRefusesClocksThatDifferByMoreThanTenMinutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead, trip time.Duration
		ignore      bool
		refused     bool
	}{
		"the same":                   {0, 0, false, false},
		"ten minutes ahead":          {10 * time.Minute, 0, false, false},
		"more ahead":                 {10*time.Minute + time.Second, 0, false, true},
		"more behind":                {-10*time.Minute - time.Second, 0, false, true},
		"perhaps the answer's time":  {10*time.Minute + 4*time.Second, 10 * time.Second, false, false},
		"more than the answer's":     {10*time.Minute + 6*time.Second, 10 * time.Second, false, true},
		"behind by perhaps that":     {-10*time.Minute - 4*time.Second, 10 * time.Second, false, false},
		"a year ahead, but ignored":  {365 * day, 0, true, false},
		"a year behind, but ignored": {-365 * day, 0, true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			db := memory.New(memory.Config{})
			put(t, db, 0, 20, 2*day, nil)
			s := &remote{Store: db, ahead: c.ahead, trip: c.trip}
			m, err := sessioncleanup.New(s, sessioncleanup.Config{IgnoreClock: c.ignore})
			if err != nil {
				t.Fatal(err)
			}
			for _, dry := range []bool{true, false} {
				_, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: dry, Force: true})
				if errors.Is(err, sessioncleanup.ErrClock) != c.refused || !c.refused && err != nil {
					t.Errorf("%s, dry run %t: %v, want refused %t", name, dry, err, c.refused)
				}
			}
			if c.refused != (s.changes.Load() == 0) {
				t.Errorf("%s: %d batches and records, want none exactly when the run is refused", name, s.changes.Load())
			}
			if c.refused {
				lease := sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "next", TTL: time.Minute}
				if got, err := db.Lease(t.Context(), lease); err != nil || got.Replaced != "" {
					t.Errorf("%s: the lease of the refused run is not released: %+v, %v", name, got, err)
				}
			}
		})
	}
}

func TestStatisticsAndDifferenceTellOfAWrongClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &remote{Store: memory.New(memory.Config{})}
		m := managerOver(t, s, sessioncleanup.Policy{})
		for ahead, want := range map[time.Duration]bool{0: false, time.Hour: true, -time.Hour: true} {
			s.ahead = ahead
			stats, err := m.Stats(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			alert := slices.ContainsFunc(stats.Alerts, func(a sessioncleanup.Alert) bool { return a.Code == sessioncleanup.AlertClockWrong })
			if alert != want || (stats.ClockDifference != 0) != want {
				t.Errorf("%v ahead: alert %t, difference %v", ahead, alert, stats.ClockDifference)
			}
			if d, err := m.ClockDifference(t.Context()); err != nil || want && d != ahead || !want && d != 0 {
				t.Errorf("%v ahead: ClockDifference = %v, %v", ahead, d, err)
			}
		}
	})
}

func TestASchedulerWithAWrongClockChangesNothingAndContinuesWhenItIsRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		s := &remote{Store: db, ahead: 365 * day}
		stop := startSchedulers(t, s, 1, sessioncleanup.Interval{Every: time.Hour})
		defer stop()
		time.Sleep(2 * time.Hour)
		if n := s.changes.Load(); n != 0 {
			t.Errorf("%d changes with a clock that is a year ahead, want none, not even the record of the first start", n)
		}
		s.stepped.Store(int64(365 * day))
		time.Sleep(2 * time.Hour)
		if runs := runEvents(t, managerOver(t, db, sessioncleanup.Policy{})); len(runs) == 0 {
			t.Error("no run since the clock is right")
		}
	})
}

func TestStatisticsNameARunOfTheFutureAndDoNotCountIt(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	cleanup(t, m, sessioncleanup.Run{})
	ahead := &sessioncleanup.RunSummary{StartedAt: time.Now().Add(365 * day)}
	if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, RunID: "ahead", Run: ahead}}); err != nil {
		t.Fatal(err)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil || stats.FutureRun == nil || stats.FutureRun.RunID != "ahead" || stats.LastRun == nil || stats.LastRun.RunID == "ahead" {
		t.Errorf("Stats: future run %+v, last run %+v, %v", stats.FutureRun, stats.LastRun, err)
	}
}
