package sessioncleanup_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// runEvents are the events of runs, oldest first.
func runEvents(t *testing.T, m *sessioncleanup.Manager) []sessioncleanup.Event {
	t.Helper()
	events, err := m.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
		events[i], events[j] = events[j], events[i]
	}
	return events
}

// startSchedulers runs n instances on one store and returns the function that stops and awaits them.
func startSchedulers(t *testing.T, db sessioncleanup.Store, n int, s sessioncleanup.Schedule) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range n {
		m := managerOver(t, db, sessioncleanup.Policy{})
		wg.Go(func() {
			if err := m.Run(ctx, s); !errors.Is(err, context.Canceled) {
				t.Errorf("Run ends with %v, want context.Canceled", err)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func TestThreeSchedulersDoEachDueRunOnce(t *testing.T) {
	t.Parallel()
	for name, jitter := range map[string]time.Duration{"in step": 0, "with jitter": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				m := managerOver(t, db, sessioncleanup.Policy{})
				stop := startSchedulers(t, db, 3, sessioncleanup.Interval{Every: time.Hour, Jitter: jitter})
				for i := range 7 * 24 {
					put(t, db, i, 1, 2*day, nil)
					time.Sleep(time.Hour)
				}
				stop()
				runs := runEvents(t, m)
				if n := len(runs); n < 165 || n > 169 {
					t.Errorf("%d runs in a week, want one an hour", n)
				}
				for i := 1; i < len(runs); i++ {
					gap := runs[i].Run.StartedAt.Sub(runs[i-1].Run.StartedAt)
					if gap < time.Hour || gap > time.Hour+jitter+time.Second {
						t.Errorf("runs %d and %d begin %v apart, want an hour", i-1, i, gap)
					}
				}
			})
		})
	}
}

// nightly is due at 3 o'clock in Paris.
type nightly struct{ zone *time.Location }

func (n nightly) Next(after time.Time) time.Time {
	after = after.In(n.zone)
	next := time.Date(after.Year(), after.Month(), after.Day(), 3, 0, 0, 0, n.zone)
	if !next.After(after) {
		next = time.Date(after.Year(), after.Month(), after.Day()+1, 3, 0, 0, 0, n.zone)
	}
	return next
}

func TestAScheduleByTheClockIsKeptAcrossDaylightSaving(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // a bubble's clock begins on 1 January 2000
		db := memory.New(memory.Config{})
		time.Sleep(80 * day)
		stop := startSchedulers(t, db, 2, nightly{paris})
		time.Sleep(15 * day) // past 26 March 2000
		stop()
		runs := runEvents(t, managerOver(t, db, sessioncleanup.Policy{EventsKeep: sessioncleanup.Never}))
		if len(runs) < 14 {
			t.Fatalf("%d runs are kept, want one for each of 15 nights", len(runs))
		}
		for _, run := range runs {
			at := run.Run.StartedAt.In(paris)
			if at.Hour() != 3 || at.Minute() != 0 {
				t.Errorf("a run began at %v, want 3 o'clock", at)
			}
		}
	})
}

// mortal is one process's view of a store: after its death none of its calls succeed.
type mortal struct {
	sessioncleanup.Store
	dead atomic.Bool
	onDo func() // called before each batch of a phase
}

func (m *mortal) Now(ctx context.Context) (time.Time, error) {
	if m.dead.Load() {
		return time.Time{}, sessioncleanup.ErrUnavailable
	}
	return m.Store.Now(ctx)
}

func (m *mortal) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if !prepares(b) {
		m.onDo()
	}
	if m.dead.Load() {
		return sessioncleanup.BatchResult{}, sessioncleanup.ErrUnavailable
	}
	return m.Store.Sweep(ctx, b)
}

func (m *mortal) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	if m.dead.Load() {
		return sessioncleanup.Event{}, sessioncleanup.ErrUnavailable
	}
	return m.Store.Record(ctx, r)
}

func (m *mortal) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if m.dead.Load() {
		return sessioncleanup.Lease{}, sessioncleanup.ErrUnavailable
	}
	return m.Store.Lease(ctx, r)
}

func TestAnotherInstanceTakesOverWhenOneDiesInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 300, 2*day, nil)
		began := time.Now().Add(time.Hour)
		first := &mortal{Store: db}
		batches := 0
		first.onDo = func() {
			if batches++; batches == 2 {
				first.dead.Store(true)
			}
		}
		stopFirst := startSchedulers(t, first, 1, sessioncleanup.Interval{Every: time.Hour})
		time.Sleep(time.Hour)
		synctest.Wait() // it is in the middle of its run
		stopSecond := startSchedulers(t, db, 1, sessioncleanup.Interval{Every: time.Hour})
		time.Sleep(2 * time.Minute)
		stopFirst()
		stopSecond()
		runs := runEvents(t, managerOver(t, db, sessioncleanup.Policy{}))
		if len(runs) != 2 || runs[1].Run.Phases.Total().Done != 200 || runs[1].Run.StartedAt.Sub(began) > 31*time.Second {
			t.Fatalf("runs %+v, want a second that did the remaining 200 within 30 s, the time that a lease lasts", runs)
		}
		if died := runs[0].Run; died.Phases.Total().Done != 100 || died.Error == "" || !died.StartedAt.Equal(began) {
			t.Errorf("the run that died is recorded as %+v, want its 100 sessions and that it did not end", died)
		}
	})
}

func TestTheSchedulerCatchesUpOnceAfterADowntime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		m := managerOver(t, db, sessioncleanup.Policy{})
		cleanup(t, m, sessioncleanup.Run{})
		time.Sleep(10*day + 30*time.Minute)
		stop := startSchedulers(t, db, 3, sessioncleanup.Interval{Every: day})
		time.Sleep(time.Hour)
		stop()
		if runs := runEvents(t, m); len(runs) != 2 {
			t.Errorf("%d runs after a downtime of 10 days, want the one before and one to catch up", len(runs))
		}
	})
}

func TestTheSchedulerBacksOffAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 10, 2*day, nil)
		f := &flaky{Store: db, fail: func(call int) error {
			if call <= 5 {
				return errors.New("out of order")
			}
			return nil
		}}
		stop := startSchedulers(t, f, 1, sessioncleanup.Interval{Every: day})
		time.Sleep(day + time.Hour)
		stop()
		m := managerOver(t, db, sessioncleanup.Policy{})
		runs := runEvents(t, m)
		if len(runs) != 6 || runs[5].Run.Error != "" || runs[5].Run.Phases.Total().Done != 10 {
			t.Fatalf("%d runs, want five that failed and one that did it", len(runs))
		}
		for i := 2; i < len(runs); i++ {
			if before, now := runs[i-1].At.Sub(runs[i-2].At), runs[i].At.Sub(runs[i-1].At); now <= before {
				t.Errorf("try %d came %v after the one before, which came after %v; want growing pauses", i, now, before)
			}
		}
	})
}

func TestTheSchedulerStopsWithinABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 500, 2*day, nil)
		ctx, cancel := context.WithCancel(t.Context())
		f := &flaky{Store: db, fail: func(int) error { cancel(); return nil }}
		if err := managerOver(t, f, sessioncleanup.Policy{}).Run(ctx, sessioncleanup.Interval{Every: day}); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context.Canceled", err)
		}
		if f.calls != 1 {
			t.Errorf("%d batches after the stop, want only the current one", f.calls)
		}
	})
}

func TestRunRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	m := managerOver(t, db, sessioncleanup.Policy{})
	for i, s := range []sessioncleanup.Schedule{
		nil, sessioncleanup.Interval{}, &sessioncleanup.Interval{}, sessioncleanup.Interval{Every: time.Millisecond}, sessioncleanup.Interval{Every: -1}, sessioncleanup.Interval{Every: time.Hour, Jitter: 2 * time.Hour},
	} {
		if err := m.Run(t.Context(), s); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("schedule %d: %v, want ErrInvalid", i, err)
		}
	}
	off := managerOver(t, db, sessioncleanup.Policy{Enabled: sessioncleanup.Off})
	if err := off.Run(t.Context(), sessioncleanup.Interval{Every: time.Hour}); !errors.Is(err, sessioncleanup.ErrDisabled) {
		t.Errorf("Run when disabled = %v, want ErrDisabled", err)
	}
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: strconv.Itoa(1)})
	if err := owner.Run(t.Context(), sessioncleanup.Interval{Every: time.Hour}); !errors.Is(err, sessioncleanup.ErrForbidden) {
		t.Errorf("Run as owner = %v, want ErrForbidden", err)
	}
}

func TestARunFromTheFutureDoesNotSilenceTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		_, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{
			Action: sessioncleanup.ActionRun, Actor: "system", Run: &sessioncleanup.RunSummary{StartedAt: time.Now().AddDate(10, 0, 0)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		stop := startSchedulers(t, db, 2, sessioncleanup.Interval{Every: day})
		time.Sleep(10*day - time.Hour)
		stop()
		if n := len(runEvents(t, managerOver(t, db, sessioncleanup.Policy{}))); n != 10 {
			t.Errorf("%d runs in ten days, want nine after the first day, beside the one of the future", n-1)
		}
	})
}

func TestAPartialRunIsNotTheScheduledOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 50, 40*day, inactive)
		stop := startSchedulers(t, db, 1, sessioncleanup.Interval{Every: day})
		time.Sleep(time.Minute)
		put(t, db, 100, 50, 40*day, inactive)
		for range 4 {
			time.Sleep(12 * time.Hour)
			cleanup(t, m, sessioncleanup.Run{DeleteAfter: sessioncleanup.Never})
		}
		stop()
		if stats, err := m.Stats(t.Context(), ""); err != nil || stats.Total != 0 {
			t.Errorf("%d sessions are left, %v; want the scheduled runs to have deleted all", stats.Total, err)
		}
	})
}

// past is a schedule that is always due.
type past struct{}

func (past) Next(after time.Time) time.Time { return after.Add(-time.Hour) }

// clocked counts how often the store is asked.
type clocked struct {
	sessioncleanup.Store
	asked atomic.Int64
}

func (c *clocked) Now(ctx context.Context) (time.Time, error) {
	c.asked.Add(1)
	return c.Store.Now(ctx)
}

func TestNoScheduleMakesTheSchedulerSpin(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sessioncleanup.Schedule{"always due": past{}, "a pointer": &sessioncleanup.Interval{Every: time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			db := &clocked{Store: memory.New(memory.Config{})}
			stop := startSchedulers(t, db, 1, s)
			time.Sleep(time.Minute)
			stop()
			if n := db.asked.Load(); n > 500 {
				t.Errorf("%s: the store was asked %d times in a minute, want a few times a second at most", name, n)
			}
		})
	}
}

func TestARunSaysFromWhomItTookOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		if _, err := db.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "run-of-a-frozen-process", TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		m, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			t.Errorf("within the other's time a run ends with %v, want ErrLeaseHeld", err)
		}
		time.Sleep(2 * time.Minute)
		for range 2 { // the second one finds the lease released
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(log.String(), "took_over_from=run-of-a-frozen-process"); n != 1 {
			t.Errorf("%d lines say from whom a run took over, want one:\n%s", n, &log)
		}
	})
}
