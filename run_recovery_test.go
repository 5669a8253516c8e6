package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestARunThatCouldNotBeRecordedIsRecordedByTheNextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		result, err := managerOver(t, forgetful{db}, sessioncleanup.Policy{}).Cleanup(t.Context(), sessioncleanup.Run{Reason: "lost"})
		if err == nil {
			t.Fatal("the run was recorded: the test shows nothing")
		}
		m := managerOver(t, db, sessioncleanup.Policy{})
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			t.Errorf("the next run: %v, want it to wait for the lease, by which it finds the one before", err)
		}
		for range 2 { // recorded once
			time.Sleep(time.Minute)
			cleanup(t, m, sessioncleanup.Run{})
		}
		runs := runEvents(t, m)
		if len(runs) != 3 || runs[0].RunID != result.RunID {
			t.Fatalf("runs %+v, want the one that was not recorded and two more", runs)
		}
		if run := runs[0]; run.Run.Phases.Of(sessioncleanup.ActionDeactivated).Done != 250 || run.Run.Error == "" || run.Reason != "lost" || run.Actor == "" {
			t.Errorf("recorded as %+v, %+v; want its 250 sessions, and that it did not end", run, *run.Run)
		}
	})
}

// frozen is a store whose process stops before its second batch, for a while.
type frozen struct {
	sessioncleanup.Store
	batches int
	during  func()
}

func (f *frozen) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if !prepares(b) {
		if f.batches++; f.batches == 2 {
			f.during()
		}
	}
	return f.Store.Sweep(ctx, b)
}

func TestAFrozenRunThatAnotherRecordedDoesNotRecordItselfAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		m := managerOver(t, db, sessioncleanup.Policy{})
		_, err := managerOver(t, &frozen{Store: db, during: func() {
			time.Sleep(time.Minute)
			cleanup(t, m, sessioncleanup.Run{})
		}}, sessioncleanup.Policy{}).Cleanup(t.Context(), sessioncleanup.Run{})
		if !errors.Is(err, sessioncleanup.ErrLeaseLost) {
			t.Errorf("the run that was frozen: %v, want ErrLeaseLost", err)
		}
		runs, done := runEvents(t, m), 0
		for _, run := range runs {
			done += run.Run.Phases.Total().Done
		}
		if len(runs) != 2 || done != 250 {
			t.Errorf("%d runs are recorded with %d sessions, want 2 with 250", len(runs), done)
		}
	})
}

func TestRetriesOfABatchKeepTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		locked := fmt.Errorf("%w: locked by somebody", sessioncleanup.ErrUnavailable)
		m := managerOver(t, &flaky{Store: db, fail: func(call int) error {
			if call == 1 || call > 7 {
				return nil
			}
			time.Sleep(10 * time.Second) // the retries take a minute, twice as long as the lease lasts
			return locked
		}}, sessioncleanup.Policy{})
		if result := cleanup(t, m, sessioncleanup.Run{}); result.Deactivated() != 250 {
			t.Errorf("%d deactivated, want all 250 when the lock is gone", result.Deactivated())
		}
	})
}

// mute is a store that never answers once it is silent.
type mute struct {
	sessioncleanup.Store
	silent bool
}

func (m *mute) wait(ctx context.Context) error {
	if m.silent {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (m *mute) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := m.Store.Sweep(ctx, b)
	m.silent = m.silent || len(out.IDs) > 0
	if waited := m.wait(ctx); waited != nil {
		return sessioncleanup.BatchResult{}, waited
	}
	return out, err
}

func (m *mute) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	return nil, m.wait(ctx)
}

func (m *mute) Record(ctx context.Context, _ sessioncleanup.Record) (sessioncleanup.Event, error) {
	return sessioncleanup.Event{}, m.wait(ctx)
}

func (m *mute) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if err := m.wait(ctx); err != nil {
		return sessioncleanup.Lease{}, err
	}
	return m.Store.Lease(ctx, r)
}

func TestAStoppedRunEndsWithinSecondsWhateverTheDatabaseDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		_, err := managerOver(t, &mute{Store: db}, sessioncleanup.Policy{}).Cleanup(ctx, sessioncleanup.Run{})
		if took := time.Since(start); err == nil || took > 5*time.Second {
			t.Errorf("Cleanup = %v after %v, want an error within 4 s of the end of its context", err, took)
		}
	})
}
