package memory

import (
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
	return New(Config{Refuse: func(s sessioncleanup.Session) error {
		if s.Name == "pinned" {
			return errPinned
		}
		return nil
	}})
}

// phases are the actions of a run's phases.
var phases = []sessioncleanup.Action{sessioncleanup.ActionDeleted, sessioncleanup.ActionDeactivated}

func TestBatchesBeginWithTheSessionsUnusedForLongest(t *testing.T) {
	t.Parallel()
	for _, action := range phases {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{})
				now := time.Now().UTC()
				ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
				active := action == sessioncleanup.ActionDeactivated
				add := func(id string, used, expires time.Time) {
					session := unused(id, active, now.Sub(used))
					session.ExpiresAt = expires
					put(t, s, session)
				}
				var want []string
				if active { // those that are idle, then those that only expired
					add("idle 100", ago(100), ago(1))
					add("idle 50", ago(50), time.Time{})
					add("expired 200", now, ago(200))
					add("expired 150", now, ago(150))
					add("expires now", now, now)
					add("expires soon", now, now.Add(time.Millisecond))
					want = []string{"idle 100", "idle 50", "expired 200", "expired 150", "expires now"}
				} else { // by the latest of last activity, expiry and deactivation
					closed := unused("closed 35", false, 100*day)
					closed.DeactivatedAt = ago(35)
					recently := unused("closed 3", false, 100*day)
					recently.DeactivatedAt = ago(3)
					unknown := unused("unknown", false, 100*day)
					unknown.DeactivatedAt = time.Time{}
					put(t, s, closed, recently, unknown)
					add("used 100", ago(100), ago(200))
					add("expired 40", ago(110), ago(40))
					add("used 50", ago(50), time.Time{})
					add("expired 20", ago(120), ago(20))
					want = []string{"used 100", "used 50", "expired 40", "closed 35"}
				}
				var got []string
				b := batch(action, 1)
				for more := true; more; more = b.After != "" {
					out, err := s.Sweep(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, out.IDs...)
					b.After = out.Next
				}
				expect(t, "order", got, want)
				log := events(t, s, sessioncleanup.EventQuery{RunID: "run"})
				expect(t, "events", len(log), len(got))
				expect(t, "time of an event", log[0].At, now)
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
		b := batch(sessioncleanup.ActionDeleted, 3)
		_, err := s.Sweep(t.Context(), b)
		bad, ok := errors.AsType[*sessioncleanup.BatchError](err)
		if !ok || !errors.Is(err, errPinned) {
			t.Fatalf("error is %v, want a BatchError with that of Refuse", err)
		}
		expect(t, "sessions of the failed batch", bad.IDs, []string{"0", "1", "2"})
		expect(t, "sessions after the failed batch", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), before)

		var failed, deleted []string
		b.Limit = 1
		for more := true; more; more = b.After != "" {
			out, err := s.Sweep(t.Context(), b)
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
	expect(t, "deleted, failed", []int{result.Deleted(), result.Phases.Total().Failed}, []int{498, 2})
	for _, f := range result.Failures {
		if !strings.Contains(f.Error, errPinned.Error()) {
			t.Errorf("failure of %s is %q, want the error of Refuse", f.SessionID, f.Error)
		}
	}
}

func TestManualDeletionCanBeRefused(t *testing.T) {
	t.Parallel()
	s := pinning()
	pinned, free := unused("1", true, 0), unused("2", true, 0)
	pinned.Name = "pinned"
	put(t, s, pinned, free)
	if _, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "1"}, system); !errors.Is(err, errPinned) {
		t.Errorf("pinned session: error is %v, want that of Refuse", err)
	}
	if got, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, system); err != nil || !got.Equal(free) {
		t.Errorf("deleting returned %+v, %v; want the session as it was", got, err)
	}
	expect(t, "left", idsOf(list(t, s, sessioncleanup.Query{Limit: all}).Sessions), []string{"1"})
	if _, err := s.Delete(t.Context(), sessioncleanup.Target{ID: "2"}, system); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("deleting again: error is %v, want ErrNotFound", err)
	}
}

func TestInactiveSinceAnUnknownTimeIsDatedWithoutAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		for _, id := range []string{"a", "b c", "d", "e"} {
			session := unused(id, false, 60*day)
			session.DeactivatedAt = time.Time{}
			session.AutoCleanup = id != "d"
			put(t, s, session)
		}
		put(t, s, unused("known", false, 60*day), unused("active", true, 60*day))
		b := batch(sessioncleanup.ActionDated, 2)
		first := sweepOnce(t, s, b)
		expect(t, "first batch", first.IDs, []string{"a", "b c"})
		b.After = first.Next
		rest := sweepOnce(t, s, b)
		expect(t, "second batch", rest, sessioncleanup.BatchResult{IDs: []string{"e"}})
		for id, want := range map[string]time.Time{"a": time.Now(), "b c": time.Now(), "d": {}, "known": time.Now().Add(-60 * day), "active": {}} {
			if got := get(t, s, id).DeactivatedAt; !got.Equal(want) {
				t.Errorf("DeactivatedAt of %q is %v, want %v", id, got, want)
			}
		}
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
		expect(t, "deleted after they were dated", sweepOnce(t, s, batch(sessioncleanup.ActionDeleted, 10)).IDs, []string{"known"})
	})
}

func TestSweepRefusesBadLimitsAndCursors(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for _, action := range phases {
		for _, wrong := range []sessioncleanup.Batch{
			{Limit: 0}, {Limit: -1}, {Limit: 1, After: "somewhere"}, {Limit: 1, After: "x y z"}, {Limit: 1, After: "3 k "}, {Limit: 1, After: "99 k i"},
		} {
			b := batch(action, wrong.Limit)
			b.After = wrong.After
			if _, err := s.Sweep(t.Context(), b); !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Errorf("%s with limit %d after %q: error is %v, want ErrInvalid", action, b.Limit, b.After, err)
			}
		}
	}
}

func TestSweepChangesOnlyWhatTheFilterSelects(t *testing.T) {
	t.Parallel()
	for _, action := range phases {
		s := New(Config{Refuse: func(session sessioncleanup.Session) error {
			if session.OwnerID != "ann" {
				t.Errorf("Refuse is called for session %s of %s", session.ID, session.OwnerID)
			}
			return nil
		}})
		for i := range 20 {
			session := unused(fmt.Sprintf("%02d", i), action == sessioncleanup.ActionDeactivated, 60*day)
			session.OwnerID = []string{"ann", "bob"}[i%2]
			put(t, s, session)
		}
		b := batch(action, 3)
		b.Filter = sessioncleanup.Filter{OwnerID: "ann", Text: "1"}
		var got []string
		for more := true; more; more = b.After != "" {
			out, err := s.Sweep(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			got, b.After = append(got, out.IDs...), out.Next
		}
		expect(t, string(action), got, []string{"10", "12", "14", "16", "18"})
	}
}

func TestCursorHoldsAnyID(t *testing.T) {
	t.Parallel()
	s := pinning()
	ids := []string{":", "a b", "4 1 2", "é\x00", " ", "\xff"}
	slices.Sort(ids)
	for _, id := range ids {
		session := unused(id, false, 0)
		session.Name, session.LastActivity, session.DeactivatedAt = "pinned", time.Unix(-5, 0), time.Unix(-5, 0)
		put(t, s, session)
	}
	b := batch(sessioncleanup.ActionDeleted, 1)
	for _, id := range ids {
		_, err := s.Sweep(t.Context(), b)
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
