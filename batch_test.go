package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestCleanupIsolatesSessionsThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	pinned := map[string]bool{"3": true, "250": true, "251": true, "799": true}
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{
		Refuse: func(s sessioncleanup.Session) error {
			if pinned[s.ID] {
				return fmt.Errorf("session %s is still referred to", s.ID)
			}
			return nil
		},
	})
	put(t, db, 0, 800, 40*day, inactive)
	put(t, db, 1000, 10, 2*day, nil)

	result := cleanup(t, m, sessioncleanup.Run{Force: true})
	if result.Deleted() != 796 || result.Deactivated() != 10 || result.Phases.Total().Failed != 4 || len(result.Failures) != 4 {
		t.Fatalf("run: %+v, want 796 deleted, 10 deactivated, 4 failed", result)
	}
	for _, f := range result.Failures {
		if !pinned[f.SessionID] || f.Action != sessioncleanup.ActionDeleted || f.Error == "" {
			t.Errorf("failure %+v, want one of the pinned sessions with a reason", f)
		}
	}
	if got := eventCounts(t, m, result.RunID)[sessioncleanup.ActionDeleted]; got != 796 {
		t.Errorf("events tell of %d deletions, want 796", got)
	}
}

func TestCleanupKeepsOnlySomeFailures(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{
		Refuse: func(s sessioncleanup.Session) error {
			return errors.New("referred to by order " + s.ID)
		},
	})
	put(t, db, 0, 300, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{Force: true}); result.Phases.Total().Failed != 300 || len(result.Failures) != 100 || result.Deleted() != 0 {
		t.Errorf("run: %d deleted, %d failed, %d told; want 0, 300, 100", result.Deleted(), result.Phases.Total().Failed, len(result.Failures))
	}
}

// flaky is a store whose batches of a phase fail as told, before or after they were committed.
type flaky struct {
	sessioncleanup.Store
	fail  func(call int) error
	after bool
	calls int
}

func (f *flaky) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if prepares(b) {
		return f.Store.Sweep(ctx, b)
	}
	f.calls++
	err := f.fail(f.calls)
	if err != nil && !f.after {
		return sessioncleanup.BatchResult{}, err
	}
	out, storeErr := f.Store.Sweep(ctx, b)
	if err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	return out, storeErr
}

func TestCleanupRetriesWhileTheDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before the commit": false, "after the commit": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				put(t, db, 0, 250, 2*day, nil)
				m := managerOver(t, &flaky{Store: db, after: after, fail: func(call int) error {
					if call == 2 || call == 3 {
						return fmt.Errorf("%w: connection reset", sessioncleanup.ErrUnavailable)
					}
					return nil
				}}, sessioncleanup.Policy{})
				result := cleanup(t, m, sessioncleanup.Run{})
				if result.Deactivated() != 250 {
					t.Errorf("run with retries counts %d deactivated, want 250", result.Deactivated())
				}
				if got := eventCounts(t, m, result.RunID)[sessioncleanup.ActionDeactivated]; got != 250 {
					t.Errorf("events tell of %d, want 250", got)
				}
			})
		})
	}
}

func TestCleanupGivesUpOnADatabaseThatStaysUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		m := managerOver(t, &flaky{Store: db, fail: func(call int) error {
			if call > 1 {
				return sessioncleanup.ErrUnavailable
			}
			return nil
		}}, sessioncleanup.Policy{})
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		if !errors.Is(err, sessioncleanup.ErrUnavailable) || result.Deactivated() != 100 {
			t.Errorf("Cleanup = %+v, %v; want the first batch of 100 and ErrUnavailable", result, err)
		}
	})
}

func TestARunThatLostItsLeaseChangesNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 300, 2*day, nil)
		stolen := false
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(sessioncleanup.Progress) {
			if stolen {
				return
			}
			stolen = true
			time.Sleep(31 * time.Second) // past the lease, as a stopped process would be
			if _, err := db.Lease(t.Context(), sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "thief", TTL: time.Hour}); err != nil {
				t.Errorf("taking over an expired lease: %v", err)
			}
		}})
		if !errors.Is(err, sessioncleanup.ErrLeaseLost) || result.Deactivated() != 100 {
			t.Errorf("Cleanup = %+v, %v; want the first batch of 100 and ErrLeaseLost", result, err)
		}
	})
}

func TestRateSpreadsARunOverTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{Rate: 10}, memory.Config{})
		put(t, db, 0, 1000, 2*day, nil)
		result := cleanup(t, m, sessioncleanup.Run{})
		// 100 batches of 10, a second apart: longer than the lease lasts unless it is renewed on the way.
		if result.Deactivated() != 1000 || result.Duration < 99*time.Second || result.Duration > 101*time.Second {
			t.Errorf("1,000 sessions at 10 per second: %d in %v, want 1,000 in about 99 s", result.Deactivated(), result.Duration)
		}
	})
}

func TestATinyRateIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{Rate: 1e-11}, memory.Config{})
		put(t, db, 0, 3, 2*day, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*day)
		defer cancel()
		if result, err := m.Cleanup(ctx, sessioncleanup.Run{}); !errors.Is(err, context.DeadlineExceeded) || result.Deactivated() != 1 {
			t.Errorf("Cleanup = %d deactivated, %v; want one in two days", result.Deactivated(), err)
		}
	})
}

// slow is a store whose batches take some time, and more per session.
type slow struct {
	sessioncleanup.Store
	perBatch, perSession time.Duration
	limits               []int
	onBatch              func(context.Context)
}

func (s *slow) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if prepares(b) {
		return s.Store.Sweep(ctx, b)
	}
	s.limits = append(s.limits, b.Limit)
	out, err := s.Store.Sweep(ctx, b)
	time.Sleep(s.perBatch + time.Duration(len(out.IDs))*s.perSession)
	if s.onBatch != nil {
		s.onBatch(ctx)
	}
	return out, err
}

// busy is a store that others write to until some time.
type busy struct {
	sessioncleanup.Store
	until time.Time
	held  time.Duration // by each batch, its locks
	bad   bool          // each of them fails
}

func (s *busy) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if prepares(b) {
		return s.Store.Sweep(ctx, b)
	}
	out, err := s.Store.Sweep(ctx, b)
	out.Held = s.held
	if time.Now().Before(s.until) {
		out.Pause = b.PauseAfter(s.held)
	}
	time.Sleep(s.held)
	if s.bad {
		return sessioncleanup.BatchResult{Held: out.Held, Pause: out.Pause}, &sessioncleanup.BatchError{IDs: []string{"x"}, Next: out.Next, Err: errors.New("no")}
	}
	return out, err
}

func TestARunPausesAsTheStoreAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy  sessioncleanup.Policy
		held    time.Duration // by each of 20 batches
		bad     bool
		busyFor time.Duration
		stop    time.Duration
		want    time.Duration
	}{
		"for a twentieth of the time":         {policy: sessioncleanup.Policy{BusyShare: 0.05}, held: 10 * time.Millisecond, want: 3810 * time.Millisecond}, // no pause after the last
		"for half of the time":                {policy: sessioncleanup.Policy{BusyShare: 0.5}, held: 10 * time.Millisecond, want: 390 * time.Millisecond},
		"not at all":                          {policy: sessioncleanup.Policy{BusyShare: 1}, held: 10 * time.Millisecond, want: 200 * time.Millisecond},
		"no longer than they write":           {policy: sessioncleanup.Policy{BusyShare: 0.05}, held: 10 * time.Millisecond, busyFor: time.Second, want: 1150 * time.Millisecond},
		"until it is stopped in a pause":      {policy: sessioncleanup.Policy{BusyShare: 0.0001}, held: 10 * time.Millisecond, stop: time.Second, want: time.Second},
		"for ten seconds at most":             {policy: sessioncleanup.Policy{BusyShare: 0.0001}, held: 10 * time.Millisecond, want: 19*10*time.Second + 200*time.Millisecond},
		"after batches that fail, too":        {policy: sessioncleanup.Policy{BusyShare: 0.05}, held: 10 * time.Millisecond, bad: true, want: 3810 * time.Millisecond},
		"and keeps its rate":                  {policy: sessioncleanup.Policy{Rate: 100, BusyShare: 0.05}, held: 10 * time.Millisecond, want: 19*time.Second + 10*time.Millisecond},
		"and its rate counts the work itself": {policy: sessioncleanup.Policy{Rate: 100, BusyShare: 1}, held: 500 * time.Millisecond, want: 19500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				put(t, db, 0, 2000, 2*day, nil)
				s := &busy{Store: db, until: time.Now().Add(time.Hour), held: c.held, bad: c.bad}
				if c.busyFor > 0 {
					s.until = time.Now().Add(c.busyFor)
				}
				c.policy.BatchSize, c.policy.BatchBudget = 100, time.Second
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.stop > 0 {
					time.AfterFunc(c.stop, cancel)
				}
				started := time.Now()
				result, err := managerOver(t, s, c.policy).Cleanup(ctx, sessioncleanup.Run{})
				if took := time.Since(started); took != c.want {
					t.Errorf("the run took %v, want %v", took, c.want)
				}
				if done := result.Deactivated() + 100*result.Phases.Total().Failed; c.stop == 0 && (err != nil || done != 2000) {
					t.Errorf("%d sessions were done (%v), want 2000", done, err)
				}
			})
		})
	}
}

func TestBatchesFollowTheTimeBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 3000, 2*day, nil)
		s := &slow{Store: db, perSession: time.Millisecond} // 50 sessions fill the budget of 50 ms
		cleanup(t, managerOver(t, s, sessioncleanup.Policy{}), sessioncleanup.Run{})
		for i, limit := range s.limits {
			if i > 2 && (limit < 20 || limit > 60) {
				t.Errorf("batch %d has up to %d sessions, want about 50: %v", i, limit, s.limits)
				break
			}
		}
		fast := &slow{Store: db}
		put(t, db, 0, 3000, 2*day, nil)
		cleanup(t, managerOver(t, fast, sessioncleanup.Policy{BatchSize: 700}), sessioncleanup.Run{})
		if want := []int{100, 200, 400, 700, 700}; len(fast.limits) < 5 || !cmp.Equal(fast.limits[:5], want) {
			t.Errorf("fast batches have up to %v sessions, want %v", fast.limits, want)
		}
	})
}

// TestBatchesShrinkOnlyWhileThatHelps: the budget is 50 ms.
func TestBatchesShrinkOnlyWhileThatHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		perBatch, perSession time.Duration
		first, size          int // of batches: the first, and those after some
	}{
		"a commit takes longer than the budget":     {perBatch: 80 * time.Millisecond, first: 100, size: 50},
		"one session takes longer than the budget":  {perSession: 60 * time.Millisecond, first: 100, size: 1},
		"batches are small, and a commit is slow":   {perBatch: 80 * time.Millisecond, first: 10, size: 5},
		"batches are small, and a session is slow":  {perSession: 30 * time.Millisecond, first: 10, size: 1},
		"sessions take the time, a commit the rest": {perBatch: 30 * time.Millisecond, perSession: 5 * time.Millisecond, first: 100, size: 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := memory.New(memory.Config{})
				put(t, db, 0, 1000, 2*day, nil)
				s := &slow{Store: db, perBatch: c.perBatch, perSession: c.perSession}
				cleanup(t, managerOver(t, s, sessioncleanup.Policy{BatchSize: c.first}), sessioncleanup.Run{})
				if s.limits[0] != c.first || s.limits[8] != c.size {
					t.Errorf("batches have up to %v sessions, want %d, and %d after some", s.limits[:9], c.first, c.size)
				}
			})
		})
	}
}

// dating is a store that tells of the batches that date sessions.
type dating struct {
	sessioncleanup.Store
	tell func(b sessioncleanup.Batch, out sessioncleanup.BatchResult)
}

func (s dating) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := s.Store.Sweep(ctx, b)
	if b.Action == sessioncleanup.ActionDated {
		s.tell(b, out)
	}
	return out, err
}

func TestSessionsAreDatedWithinTheTimeBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 3000, 2*day, undated)
		var limits []int
		s := dating{db, func(b sessioncleanup.Batch, out sessioncleanup.BatchResult) {
			limits = append(limits, b.Limit)
			time.Sleep(time.Duration(len(out.IDs)) * time.Millisecond)
		}}
		cleanup(t, managerOver(t, s, sessioncleanup.Policy{}), sessioncleanup.Run{})
		if len(limits) < 10 || limits[9] > 60 {
			t.Errorf("batches have up to %v sessions, want about 50 after some", limits)
		}
	})
}

func TestTheCurrentBatchOutlivesTheRunsContext(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 500, 2*day, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s := &slow{Store: db, onBatch: func(batch context.Context) {
		cancel()
		if batch.Err() != nil {
			t.Error("the current batch was canceled")
		}
	}}
	if _, err := managerOver(t, s, sessioncleanup.Policy{}).Cleanup(ctx, sessioncleanup.Run{}); !errors.Is(err, context.Canceled) || len(s.limits) != 1 {
		t.Errorf("Cleanup = %v after %d batches, want context.Canceled after one", err, len(s.limits))
	}
}

// prepares reports whether a batch comes before the phases of a run.
func prepares(b sessioncleanup.Batch) bool {
	return b.Action == sessioncleanup.ActionDated || b.Action == sessioncleanup.ActionCorrected
}
