package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

var errLocked = errors.New("lock not available")

// locking is a store whose batches are Locked when the hook of the memory store says so.
type locking struct{ sessioncleanup.Store }

func (l locking) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := l.Store.Sweep(ctx, b)
	if bad, ok := errors.AsType[*sessioncleanup.BatchError](err); ok {
		bad.Locked = errors.Is(err, errLocked)
	}
	return out, err
}

// hook is a memory store's, with an error for each of some sessions.
func hook(refuse func(sessioncleanup.Session) error) memory.Config {
	return memory.Config{Refuse: func(s sessioncleanup.Session) error { return refuse(s) }}
}

func TestALockedSessionIsLeftForTheNextRunAndNamed(t *testing.T) {
	t.Parallel()
	locked := map[string]bool{"3": true, "77": true, "299": true}
	db := memory.New(hook(func(s sessioncleanup.Session) error {
		switch {
		case locked[s.ID]:
			return errLocked
		case s.ID == "50":
			return errors.New("still referred to")
		}
		return nil
	}))
	put(t, db, 0, 300, 40*day, inactive)
	put(t, db, 1000, 20, 2*day, nil)
	m := managerOver(t, locking{db}, sessioncleanup.Policy{})
	result := cleanup(t, m, sessioncleanup.Run{Force: true})
	want := sessioncleanup.Phases{
		{Action: sessioncleanup.ActionDeleted, Due: 300, Done: 296, Skipped: 3, Failed: 1},
		{Action: sessioncleanup.ActionDeactivated, Due: 20, Done: 20},
	}
	if diff := cmp.Diff(want, result.Phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	for _, s := range result.Skipped {
		if !locked[s.SessionID] || s.Action != sessioncleanup.ActionDeleted || !strings.Contains(s.Reason, "locked by another transaction") {
			t.Errorf("skipped %+v, want one of the locked sessions and why", s)
		}
	}
	if len(result.Skipped) != 3 || len(result.Failures) != 1 || result.Failures[0].SessionID != "50" {
		t.Errorf("skipped %+v, failures %+v; want three and session 50", result.Skipped, result.Failures)
	}
	clear(locked)
	if next := cleanup(t, m, sessioncleanup.Run{}); next.Deleted() != 3 {
		t.Errorf("the next run deletes %d, want the three that were locked", next.Deleted())
	}
}

func TestManyLockedSessionsDoNotEndAPhase(t *testing.T) {
	t.Parallel()
	db := memory.New(hook(func(s sessioncleanup.Session) error {
		if len(s.ID) == 3 { // 100 to 299: those unused for longest
			return errLocked
		}
		return nil
	}))
	put(t, db, 100, 200, 60*day, inactive)
	put(t, db, 1000, 50, 40*day, inactive)
	result := cleanup(t, managerOver(t, locking{db}, sessioncleanup.Policy{}), sessioncleanup.Run{Force: true})
	if result.Deleted() != 50 || result.Phases.Total().Skipped != 200 || result.Phases.Total().Failed != 0 || len(result.Skipped) != 100 {
		t.Errorf("run: %+v with %d named, want 50 deleted, 200 skipped of which 100 are named, none failed", result.Phases, len(result.Skipped))
	}
}

// keeping is a store that skips one session, because of what its deletion would delete.
type keeping struct {
	sessioncleanup.Store
	kept, reason string
}

func (k keeping) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := reluctant{k.Store, k.kept}.Sweep(ctx, b)
	if b.Action == sessioncleanup.ActionDeleted {
		out.Skipped = []sessioncleanup.Skipped{{SessionID: k.kept, Action: b.Action, Reason: k.reason}}
	}
	return out, err
}

func TestTheStoresReasonForSkippingASessionIsReported(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 10, 40*day, inactive)
	store := keeping{db, "7", `session "12", which is protected, would be deleted along with it`}
	result := cleanup(t, managerOver(t, store, sessioncleanup.Policy{}), sessioncleanup.Run{})
	want := []sessioncleanup.Skipped{{SessionID: "7", Action: sessioncleanup.ActionDeleted, Reason: store.reason}}
	if diff := cmp.Diff(want, result.Skipped); diff != "" || result.Deleted() != 9 || result.Phases.Total().Skipped != 1 {
		t.Errorf("%d deleted; skipped (-want +got):\n%s", result.Deleted(), diff)
	}
}

func TestAPhaseEndsWhenItsFirst100SessionsFailAlikeAndTheNextIsDone(t *testing.T) {
	t.Parallel()
	refused := errors.New("permission denied for table orders")
	for name, c := range map[string]struct {
		refuse func(n int, s sessioncleanup.Session) error // n: calls for distinct sessions so far
		done   int
		failed int
		ends   bool
	}{
		"all alike":       {func(int, sessioncleanup.Session) error { return refused }, 0, 100, true},
		"each for itself": {func(_ int, s sessioncleanup.Session) error { return fmt.Errorf("referred to by order %s", s.ID) }, 0, 250, false},
		"but the 50th": {func(n int, _ sessioncleanup.Session) error {
			if n == 50 {
				return nil
			}
			return refused
		}, 1, 249, false},
		"the 50th for another reason": {func(n int, _ sessioncleanup.Session) error {
			if n == 50 {
				return errors.New("still referred to")
			}
			return refused
		}, 0, 250, false},
		"after the first": {func(n int, _ sessioncleanup.Session) error {
			if n == 1 {
				return nil
			}
			return refused
		}, 1, 249, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]int{}
			m, db := newManager(t, sessioncleanup.Policy{}, hook(func(s sessioncleanup.Session) error {
				if seen[s.ID] == 0 {
					seen[s.ID] = len(seen) + 1
				}
				return c.refuse(seen[s.ID], s)
			}))
			put(t, db, 0, 250, 40*day, inactive)
			put(t, db, 1000, 20, 2*day, nil)
			result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
			if (err != nil) != c.ends {
				t.Errorf("error is %v, want the phase to end: %v", err, c.ends)
			}
			if c.ends && (!errors.Is(err, refused) || !strings.Contains(err.Error(), "no session could be deleted")) {
				t.Errorf("error is %v, want it to say what failed and why", err)
			}
			deleted := result.Phases.Of(sessioncleanup.ActionDeleted)
			if deleted.Done != c.done || deleted.Failed != c.failed || result.Deactivated() != 20 {
				t.Errorf("run: %+v, want %d deleted, %d failed, and 20 deactivated", result.Phases, c.done, c.failed)
			}
			last, _, err := m.LastRun(t.Context())
			if err != nil || (last.Run.Error != "") != c.ends {
				t.Errorf("the run is recorded as %+v, %v; want an error: %v", last.Run, err, c.ends)
			}
		})
	}
}

// coded is a store whose failures have other texts each, and one code.
type coded struct{ sessioncleanup.Store }

func (c coded) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := c.Store.Sweep(ctx, b)
	if bad, ok := errors.AsType[*sessioncleanup.BatchError](err); ok {
		bad.Code = "23503 orders_session_fkey"
	}
	return out, err
}

func TestFailuresWithTheSameCodeAreAlike(t *testing.T) {
	t.Parallel()
	db := memory.New(hook(func(s sessioncleanup.Session) error { return errors.New("referred to by order " + s.ID) }))
	put(t, db, 0, 250, 40*day, inactive)
	result, err := managerOver(t, coded{db}, sessioncleanup.Policy{}).Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err == nil || result.Phases.Total().Failed != 100 {
		t.Errorf("%d failed, %v; want the phase to end after 100", result.Phases.Total().Failed, err)
	}
}

// untracked is a store of which nothing shows when its sessions are used.
type untracked struct {
	sessioncleanup.Store
	batches []sessioncleanup.Batch
}

func (u *untracked) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	status := q.Status
	q.Status = ""
	page, err := u.Store.List(ctx, q)
	page.Cutoffs.Untracked = true
	if status != "" {
		all, listErr := u.Store.List(ctx, sessioncleanup.Query{Filter: q.Filter, Limit: 1000})
		page.Total, err = 0, errors.Join(err, listErr)
		for _, s := range all.Sessions {
			if page.Cutoffs.Status(s) == status {
				page.Total++
			}
		}
	}
	return page, err
}

func (u *untracked) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	u.batches = append(u.batches, b)
	return u.Store.Sweep(ctx, b)
}

func TestUntrackedSessionsAreCleanedUpOnlyWhenTheyExpire(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	put(t, db, 0, 30, 100*day, nil)
	put(t, db, 100, 30, 100*day, inactive)
	put(t, db, 200, 3, 100*day, func(s *sessioncleanup.Session) { s.ExpiresAt = s.LastActivity })
	put(t, db, 300, 2, 100*day, func(s *sessioncleanup.Session) { inactive(s); s.ExpiresAt = s.LastActivity })
	store := &untracked{Store: db}
	m := managerOver(t, store, sessioncleanup.Policy{})
	result := cleanup(t, m, sessioncleanup.Run{})
	if !result.Cutoffs.Untracked || result.Deleted() != 2 || result.Deactivated() != 3 {
		t.Errorf("run: %+v, want it to say so, and to have cleaned up only what expired: 2 deleted, 3 deactivated", result)
	}
	for _, b := range store.batches {
		if !prepares(b) && !b.Cutoffs.Untracked {
			t.Errorf("batch %+v is not told that the sessions are untracked", b)
		}
	}
	s, err := m.Get(t.Context(), "1")
	if err != nil || s.Status != sessioncleanup.StatusActive || !s.DeactivateAt.IsZero() || !s.DeleteAt.IsZero() {
		t.Errorf("Get = %+v, %v; want it active, and never cleaned up", s, err)
	}
}
