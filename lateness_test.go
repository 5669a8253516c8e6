package sessioncleanup_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// halted is a store whose batches do not end while it is held.
type halted struct {
	sessioncleanup.Store
	held atomic.Bool
}

func (s *halted) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	for s.held.Load() {
		select {
		case <-ctx.Done():
			return sessioncleanup.BatchResult{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return s.Store.Sweep(ctx, b)
}

func TestAScheduledRunThatDoesNotHappenIsOverdueUntilItDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &halted{Store: memory.New(memory.Config{})}
		m := managerOver(t, db, sessioncleanup.Policy{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = m.Run(ctx, sessioncleanup.Interval{Every: time.Hour})
		}()
		expect := func(after time.Duration, overdue bool, why string) {
			t.Helper()
			time.Sleep(after)
			if late := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}).Overdue(); late > 0 != overdue {
				t.Errorf("%s: overdue for %v, want overdue: %t", why, late, overdue)
			}
		}
		expect(59*time.Minute, false, "before the first run")
		db.held.Store(true)
		expect(5*time.Minute, false, "a run that is late by less than 5 minutes")
		expect(3*time.Minute, true, "a run that does nothing")
		db.held.Store(false)
		expect(5*time.Minute, false, "after the run")
		expect(2*time.Hour, false, "while runs happen")
		db.held.Store(true)
		expect(2*time.Hour, true, "a run that is stuck")
		cancel()
		<-ended
		expect(0, false, "without a schedule")
	})
}
