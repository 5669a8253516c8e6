package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

var errPinned = errors.New("session is pinned")

// pinning is a store that cannot delete sessions whose name is "pinned".
func pinning() *Store {
	return New(Config{BeforeDelete: func(_ context.Context, s sessioncleanup.Session) error {
		if s.Name == "pinned" {
			return errPinned
		}
		return nil
	}})
}

// phases are the two kinds of batches.
func phases(s *Store) map[string]func(context.Context, sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return map[string]func(context.Context, sessioncleanup.Batch) (sessioncleanup.Outcome, error){
		"deactivate": s.DeactivateDue, "delete": s.DeleteDue,
	}
}

func TestBatchesTakeIdleSessionsBeforeExpiredOnes(t *testing.T) {
	t.Parallel()
	want := map[string][]string{"deactivate": {"a0", "a1", "a3", "a2"}, "delete": {"i0", "i1", "i3", "i2"}}
	for name := range want {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{})
				for i, since := range []time.Duration{100, 50, 40, 99} {
					active, inactive := unused(fmt.Sprint("a", i), true, since*day), unused(fmt.Sprint("i", i), false, since*day)
					if i > 1 {
						active.LastActivity, active.ExpiresAt = time.Now().UTC(), time.Now().UTC().Add(-since*time.Hour)
						inactive.ExpiresAt = inactive.LastActivity.Add(day)
					}
					put(t, s, active, inactive)
				}
				var got []string
				b := sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 1}
				for more := true; more; more = b.After != "" {
					out, err := phases(s)[name](t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, out.IDs...)
					b.After = out.Next
				}
				expect(t, "order", got, want[name])
				log := events(t, s, sessioncleanup.EventQuery{RunID: "run"})
				expect(t, "events", len(log), len(got))
				expect(t, "time of an event", log[0].At, time.Now().UTC())
			})
		})
	}
}

func TestCursorPassesSessionsThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pinning()
		for i := range 10 {
			session := unused(fmt.Sprint(i), false, time.Duration(100-i)*day)
			if i > 4 {
				session.ExpiresAt = session.LastActivity.Add(day)
			}
			if i%2 == 0 {
				session.Name = "pinned"
			}
			put(t, s, session)
		}
		before := idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions)
		b := sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 3}
		_, err := s.DeleteDue(t.Context(), b)
		bad, ok := errors.AsType[*sessioncleanup.BatchError](err)
		if !ok || !errors.Is(err, errPinned) {
			t.Fatalf("error is %v, want a BatchError with the hook's", err)
		}
		expect(t, "sessions of the failed batch", bad.IDs, []string{"0", "1", "2"})
		expect(t, "sessions after the failed batch", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), before)

		var failed, deleted []string
		b.Limit = 1
		for more := true; more; more = b.After != "" {
			out, err := s.DeleteDue(t.Context(), b)
			if bad, ok := errors.AsType[*sessioncleanup.BatchError](err); ok {
				failed = append(failed, bad.IDs...)
				out.Next = bad.Next
			} else if err != nil {
				t.Fatal(err)
			}
			deleted = append(deleted, out.IDs...)
			b.After = out.Next
		}
		expect(t, "failed", failed, []string{"0", "2", "4", "6", "8"})
		expect(t, "deleted", deleted, []string{"1", "3", "5", "7", "9"})
	})
}

func TestRunReportsPinnedSessionsAndDeletesTheOthers(t *testing.T) {
	t.Parallel()
	s := pinning()
	for i := range 500 {
		session := unused(fmt.Sprint(i), false, 40*day)
		if i == 7 || i == 450 {
			session.Name = "pinned"
		}
		put(t, s, session, unused(fmt.Sprint("used", i), true, 0))
	}
	m, err := sessioncleanup.New(s, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "deleted, failed", []int{result.Deleted, result.Failed}, []int{498, 2})
	for _, f := range result.Failures {
		if !strings.Contains(f.Error, errPinned.Error()) {
			t.Errorf("failure of %s is %q, want what the hook said", f.SessionID, f.Error)
		}
	}
}

func TestSessionUsedDuringHookIsKeptByRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *Store
		s = New(Config{BeforeDelete: func(ctx context.Context, session sessioncleanup.Session) error {
			switch session.ID {
			case "touched":
				_, err := s.Touch(ctx, sessioncleanup.Touch{IDs: []string{session.ID}})
				return err
			case "removed":
				_, err := s.Remove(session.ID)
				return err
			}
			return nil
		}})
		put(t, s, unused("touched", false, 40*day), unused("gone", false, 40*day), unused("removed", false, 40*day))
		out, err := s.DeleteDue(t.Context(), sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "deleted", out.IDs, []string{"gone"})
		expect(t, "left", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), []string{"touched"})
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), []sessioncleanup.Event{{
			ID: 1, At: time.Now().UTC(), Action: sessioncleanup.ActionDeleted, Sessions: []sessioncleanup.SessionRef{{ID: "gone"}},
			Actor: "system", Reason: "test", RunID: "run",
		}})
	})
}

func TestContextThatEndsDuringHookIsNoSessionsFault(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]error{"hook that notices": context.Canceled, "hook that does not": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			s := New(Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error {
				cancel()
				return told
			}})
			put(t, s, unused("1", false, 40*day))
			_, err := s.DeleteDue(ctx, sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 10})
			if _, blamed := errors.AsType[*sessioncleanup.BatchError](err); blamed || !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want context.Canceled alone", err)
			}
			expect(t, "left", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), []string{"1"})
		})
	}
}

func TestDeleteByHandAsksTheHook(t *testing.T) {
	t.Parallel()
	s := pinning()
	pinned, free := unused("1", true, 0), unused("2", true, 0)
	pinned.Name = "pinned"
	put(t, s, pinned, free)
	if _, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "1"}, system); !errors.Is(err, errPinned) {
		t.Errorf("pinned session: error is %v, want the hook's", err)
	}
	if got, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, system); err != nil || got != free {
		t.Errorf("deleting gave %+v, %v; want the session as it was", got, err)
	}
	expect(t, "left", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), []string{"1"})
	if _, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, system); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("deleting again: error is %v, want ErrNotFound", err)
	}
}

func TestBatchRefusesWhatNoBatchGave(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for name, step := range phases(s) {
		for _, b := range []sessioncleanup.Batch{
			{Limit: 0}, {Limit: -1}, {Limit: 1, After: "somewhere"}, {Limit: 1, After: "idle:x:1"},
			{Limit: 1, After: "idle:1:"}, {Limit: 1, After: "later:1:1"},
		} {
			b.Cutoffs = cutoffs()
			if _, err := step(t.Context(), b); !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Errorf("%s with limit %d after %q: error is %v, want ErrInvalid", name, b.Limit, b.After, err)
			}
		}
	}
}

func TestCursorHoldsAnyID(t *testing.T) {
	t.Parallel()
	s := pinning()
	ids := []string{":", "a:b", "expired:1:2", "é\x00", " "}
	slices.Sort(ids)
	for _, id := range ids {
		session := unused(id, false, 0)
		session.Name, session.LastActivity = "pinned", time.Unix(-5, 0)
		put(t, s, session)
	}
	b := sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 1}
	for _, id := range ids {
		_, err := s.DeleteDue(t.Context(), b)
		bad, ok := errors.AsType[*sessioncleanup.BatchError](err)
		if !ok || len(bad.IDs) != 1 || bad.IDs[0] != id {
			t.Fatalf("after %q: error is %v, want a BatchError of %q", b.After, err, id)
		}
		b.After = bad.Next
	}
	if b.After != "" {
		t.Errorf("after the last one the cursor is %q, want none", b.After)
	}
}
