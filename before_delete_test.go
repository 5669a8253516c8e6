package sessioncleanup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// asking makes a Manager over an empty memory store with a BeforeDelete.
func asking(t *testing.T, hook func(context.Context, []sessioncleanup.Session) error) (*sessioncleanup.Manager, *memory.Store) {
	t.Helper()
	db := memory.New(memory.Config{})
	return askingOver(t, db, hook), db
}

func askingOver(t *testing.T, db sessioncleanup.Store, hook func(context.Context, []sessioncleanup.Session) error) *sessioncleanup.Manager {
	t.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{BeforeDelete: hook})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBeforeDeleteIsCalledOnceForEachSessionThatARunDeletes(t *testing.T) {
	t.Parallel()
	calls, largest := map[string]int{}, 0
	m, db := asking(t, func(_ context.Context, sessions []sessioncleanup.Session) error {
		largest = max(largest, len(sessions))
		for _, s := range sessions {
			if calls[s.ID]++; s.Status != sessioncleanup.StatusToDelete || s.OwnerID == "" {
				return fmt.Errorf("session %+v is given", s)
			}
		}
		return nil
	})
	put(t, db, 0, 2500, 40*day, inactive)
	put(t, db, 3000, 3, 2*day, nil)
	put(t, db, 4000, 2, 40*day, protected)
	result := cleanup(t, m, sessioncleanup.Run{Force: true})
	if result.Deleted() != 2500 || result.Deactivated() != 3 || len(result.Failures)+len(result.Skipped) > 0 {
		t.Errorf("run: %+v, want 2500 deleted and 3 deactivated", result.Phases)
	}
	if largest > m.Policy().BatchSize || len(calls) != 2500 {
		t.Errorf("calls are for %d sessions, up to %d at once; want 2500, at most Policy.BatchSize at once", len(calls), largest)
	}
	for id, n := range calls {
		if n != 1 {
			t.Errorf("the hook is called %d times for session %s", n, id)
		}
	}
	if counts := eventCounts(t, m, result.RunID); counts[sessioncleanup.ActionDeleted] != 2500 {
		t.Errorf("events have %d deleted sessions, want 2500", counts[sessioncleanup.ActionDeleted])
	}
}

func TestADryRunDoesNotCallBeforeDelete(t *testing.T) {
	t.Parallel()
	m, db := asking(t, func(context.Context, []sessioncleanup.Session) error { return errors.New("called") })
	put(t, db, 0, 3, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{DryRun: true}); result.Deleted() != 3 || len(result.Failures) > 0 {
		t.Errorf("dry run: %+v, want 3 to delete", result)
	}
}

func TestBeforeDeleteKeepsSessions(t *testing.T) {
	t.Parallel()
	busy := errors.New("a file is in use")
	for name, c := range map[string]struct {
		hook func([]sessioncleanup.Session) error
		kept []string
		want string
	}{
		"all, with an error":         {func([]sessioncleanup.Session) error { return busy }, []string{"0", "1", "2", "3"}, "kept by the application: a file is in use"},
		"all, with a panic":          {func([]sessioncleanup.Session) error { panic("out of range") }, []string{"0", "1", "2", "3"}, "kept by the application: panic: out of range"},
		"some, with a reason":        {func([]sessioncleanup.Session) error { return keep(busy, "1", "3", "77") }, []string{"1", "3"}, "kept by the application: a file is in use"},
		"some, wrapped":              {func([]sessioncleanup.Session) error { return fmt.Errorf("files: %w", keep(busy, "2")) }, []string{"2"}, "kept by the application: a file is in use"},
		"none that it was not given": {func([]sessioncleanup.Session) error { return keep(busy, "77") }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, db := asking(t, func(_ context.Context, sessions []sessioncleanup.Session) error { return c.hook(sessions) })
			put(t, db, 0, 4, 40*day, inactive)
			put(t, db, 10, 20, time.Hour, nil)
			result := cleanup(t, m, sessioncleanup.Run{})
			var kept []string
			for _, f := range result.Failures {
				kept = append(kept, f.SessionID)
				if f.Error != c.want || f.Action != sessioncleanup.ActionDeleted {
					t.Errorf("failure %+v, want %q", f, c.want)
				}
			}
			slices.Sort(kept)
			if diff := cmp.Diff(c.kept, kept); diff != "" {
				t.Errorf("sessions kept (-want +got):\n%s", diff)
			}
			deleted := result.Phases.Of(sessioncleanup.ActionDeleted)
			if deleted.Done != 4-len(c.kept) || deleted.Failed != len(c.kept) || deleted.Skipped != 0 {
				t.Errorf("deletion is %+v, want %d done and %d failed", deleted, 4-len(c.kept), len(c.kept))
			}
			for _, id := range c.kept {
				if _, err := m.Get(t.Context(), id); err != nil {
					t.Errorf("session %s: %v", id, err)
				}
			}
		})
	}
}

func keep(reason error, ids ...string) error {
	e := &sessioncleanup.KeepError{Reasons: map[string]error{}}
	for _, id := range ids {
		e.Reasons[id] = reason
	}
	return e
}

func TestADeletionByAPersonAsksBeforeDelete(t *testing.T) {
	t.Parallel()
	busy := errors.New("a file is in use")
	var asked []string
	m, db := asking(t, func(_ context.Context, sessions []sessioncleanup.Session) error {
		for _, s := range sessions {
			asked = append(asked, s.ID)
		}
		return keep(busy, "1")
	})
	put(t, db, 0, 6, time.Hour, nil)
	owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "0"})
	never := func(sessioncleanup.Session) bool { return false }
	for _, c := range []struct {
		m    *sessioncleanup.Manager
		id   string
		want error
		asks bool
	}{
		{m, "1", sessioncleanup.ErrKept, true},
		{m, "2", nil, true},
		{owner, "3", nil, true},
		{owner, "4", sessioncleanup.ErrNotFound, false}, // of another owner
		{m, "77", sessioncleanup.ErrNotFound, false},
		{m.If(never), "5", sessioncleanup.ErrChanged, false},
	} {
		asked = nil
		s, err := c.m.Delete(t.Context(), c.id)
		if !errors.Is(err, c.want) || err == nil && s.ID != c.id {
			t.Errorf("Delete(%s): %+v, %v; want %v", c.id, s, err, c.want)
		}
		if (len(asked) > 0) != c.asks {
			t.Errorf("Delete(%s) asks about %q", c.id, asked)
		}
		if errors.Is(err, sessioncleanup.ErrKept) && !errors.Is(err, busy) {
			t.Errorf("Delete(%s): %v, want the hook's reason in it", c.id, err)
		}
	}
}

// TestASessionUsedDuringBeforeDeleteSurvives: nothing is locked while the hook runs, and the condition is checked afterwards.
func TestASessionUsedDuringBeforeDeleteSurvives(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	m := askingOver(t, db, func(ctx context.Context, sessions []sessioncleanup.Session) error {
		_, err := db.Touch(ctx, sessioncleanup.Touch{IDs: []string{"1"}})
		return err
	})
	put(t, db, 0, 3, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted() != 2 || len(result.Failures)+len(result.Skipped) > 0 {
		t.Errorf("run: %+v, want 2 deleted and nothing failed", result)
	}
	if _, err := m.Get(t.Context(), "1"); err != nil {
		t.Errorf("session 1: %v", err)
	}
}

// refusing is a store that cannot delete a session, nor any batch with it.
type refusing struct {
	sessioncleanup.Store
	id string
}

func (r refusing) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if b.Action == sessioncleanup.ActionDeleted && slices.Contains(b.Only, r.id) {
		return sessioncleanup.BatchResult{}, &sessioncleanup.BatchError{IDs: b.Only, Err: errors.New("referred to")}
	}
	return r.Store.Sweep(ctx, b)
}

func TestASessionThatTheDatabaseRefusesDoesNotKeepTheOthersThatBeforeDeleteLeft(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	m := askingOver(t, refusing{db, "5"}, func(context.Context, []sessioncleanup.Session) error { return nil })
	put(t, db, 0, 9, 40*day, inactive)
	result := cleanup(t, m, sessioncleanup.Run{})
	if result.Deleted() != 8 || len(result.Failures) != 1 || result.Failures[0].SessionID != "5" {
		t.Errorf("run: %+v, failures %+v; want 8 deleted and session 5 failed", result.Phases, result.Failures)
	}
}

func TestBeforeDeleteThatDoesNotReturnKeepsItsSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		forever := make(chan struct{})
		var ended atomic.Bool
		m, err := sessioncleanup.New(db, sessioncleanup.Config{
			BeforeDeleteTimeout: 5 * time.Minute, // many times the lease's
			BeforeDelete: func(ctx context.Context, _ []sessioncleanup.Session) error {
				<-ctx.Done()
				ended.Store(true)
				<-forever
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, 0, 2, 40*day, inactive)
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
		synctest.Wait() // the function sees the end of its context, too
		if err != nil || !ended.Load() || len(result.Failures) != 2 || !strings.Contains(result.Failures[0].Error, "did not return within 5m0s") {
			t.Errorf("run: %+v, %v; want 2 failures that say so", result, err)
		}
		close(forever)
	})
}

func TestARunThatIsStoppedDoesNotWaitForBeforeDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		ctx, cancel := context.WithCancel(t.Context())
		m, db := asking(t, func(ctx context.Context, _ []sessioncleanup.Session) error {
			once.Do(cancel)
			<-ctx.Done()
			return ctx.Err()
		})
		put(t, db, 0, 2, 40*day, inactive)
		result, err := m.Cleanup(ctx, sessioncleanup.Run{})
		if !errors.Is(err, context.Canceled) || len(result.Failures) > 0 || result.Deleted() > 0 {
			t.Errorf("run: %+v, %v; want it interrupted, with nothing failed", result, err)
		}
	})
}

// along is a store in which a session is deleted along with "parent": at first "child", and "second" when that is added.
type along struct {
	sessioncleanup.Store
	others []string
}

func (a *along) Delete(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if t.ID == "parent" {
		if err := t.CheckAlong(a.others); err != nil {
			return sessioncleanup.Session{}, err
		}
		t.Along = nil
		for _, id := range a.others {
			if _, err := a.Store.Delete(ctx, sessioncleanup.Target{ID: id}, c); err != nil {
				return sessioncleanup.Session{}, err
			}
		}
	}
	return a.Store.Delete(ctx, t, c)
}

func TestBeforeDeleteIsAskedAboutSessionsThatAreDeletedAlong(t *testing.T) {
	t.Parallel()
	var asked []string
	var during func()
	db := memory.New(memory.Config{})
	store := &along{db, []string{"child"}}
	m := askingOver(t, store, func(_ context.Context, sessions []sessioncleanup.Session) error {
		asked = nil
		for _, s := range sessions {
			asked = append(asked, s.ID)
		}
		if during != nil {
			during()
		}
		return nil
	})
	for _, id := range []string{"parent", "child", "second"} {
		if err := db.Put(sessioncleanup.Session{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Delete(t.Context(), "parent"); !errors.Is(err, sessioncleanup.ErrCascade) || asked != nil {
		t.Errorf("Delete: %v after asking about %q; want ErrCascade and no question", err, asked)
	}
	during = func() { store.others = []string{"child", "second"} }
	if _, err := m.DeleteCascade(t.Context(), "parent"); !errors.Is(err, sessioncleanup.ErrChanged) {
		t.Errorf("DeleteCascade with another session since the question: %v, want ErrChanged", err)
	}
	if _, err := m.DeleteCascade(t.Context(), "parent"); err != nil || !cmp.Equal(asked, []string{"parent", "child", "second"}) {
		t.Errorf("DeleteCascade: %v after asking about %q; want all three", err, asked)
	}
}

func TestAnErasureAsksBeforeDelete(t *testing.T) {
	t.Parallel()
	busy := true
	m, db := asking(t, func(context.Context, []sessioncleanup.Session) error {
		if busy {
			return errors.New("a file is in use")
		}
		return nil
	})
	put(t, db, 0, 6, time.Hour, nil)
	if _, err := m.Erase(t.Context(), "1", sessioncleanup.EraseOptions{}); !errors.Is(err, sessioncleanup.ErrKept) {
		t.Errorf("Erase of an owner whose files are in use: %v, want ErrKept", err)
	}
	busy = false
	if done, err := m.Erase(t.Context(), "1", sessioncleanup.EraseOptions{}); err != nil || done.Sessions != 2 {
		t.Errorf("Erase: %+v, %v; want 2 sessions erased", done, err)
	}
}
