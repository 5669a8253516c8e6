package sessioncleanup_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestTheHistoryTellsRunsThatFailedFromThoseThatWereStopped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(cancel func()) error // what the batch after the first one meets
		want sessioncleanup.Day
	}{
		"stopped": {func(cancel func()) error { cancel(); return context.Canceled }, sessioncleanup.Day{Runs: 1, Deactivated: 100}},
		"failed":  {func(func()) error { return errors.New("the disk is full") }, sessioncleanup.Day{Runs: 1, Failed: 1, Deactivated: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := memory.New(memory.Config{})
			put(t, db, 0, 300, 2*day, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m := managerOver(t, &ending{Store: db, end: func() error { return tc.end(cancel) }}, sessioncleanup.Policy{})
			if _, err := m.Cleanup(ctx, sessioncleanup.Run{}); err == nil {
				t.Fatal("Cleanup succeeds")
			}
			a, err := m.Analytics(t.Context())
			if err != nil || len(a.History) != 1 {
				t.Fatalf("history: %+v, %v; want one day", a.History, err)
			}
			tc.want.Day = a.History[0].Day
			if diff := cmp.Diff(tc.want, a.History[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// ending is a store that ends the run after the first batch that changes something.
type ending struct {
	*memory.Store
	end  func() error
	last bool
}

func (e *ending) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if e.last {
		return sessioncleanup.BatchResult{}, e.end()
	}
	res, err := e.Store.Sweep(ctx, b)
	e.last = len(res.IDs) > 0
	return res, err
}
