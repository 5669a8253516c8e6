package memory

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Eight writers use sessions while two cleaners at once, neither aware of the other, change what is due.
func TestSessionInUseIsNeverCleanedUp(t *testing.T) {
	t.Parallel()
	const n = 4000
	s := New(Config{})
	wasActive := map[string]bool{}
	for i := range n {
		session := unused(fmt.Sprint(i), i%2 == 0, 60*day)
		session.OwnerID = fmt.Sprint(i % 7)
		put(t, s, session)
		wasActive[session.ID] = session.Active
	}
	used := make([][]sessioncleanup.Session, 8) // by writer: sessions as they were right after their use
	work := sync.WaitGroup{}
	for w := range used {
		work.Go(func() {
			for i := w; i < n; i += 2 * len(used) {
				if touch(t, s, sessioncleanup.Touch{IDs: []string{fmt.Sprint(i)}}) == 1 {
					used[w] = append(used[w], get(t, s, fmt.Sprint(i)))
				}
			}
		})
	}
	cut := cutoffs()
	for range 2 {
		work.Go(func() { sweep(t, s, cut) })
	}
	work.Go(func() {
		for range 50 {
			list(t, s, sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: "9"}, Sort: sessioncleanup.SortName, Limit: 10})
			if _, err := s.Counts(t.Context(), sessioncleanup.CountsQuery{Filter: sessioncleanup.Filter{OwnerID: "3"}, Thresholds: sessioncleanup.Policy{}.Thresholds()}); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	for _, session := range slices.Concat(used...) {
		if got := get(t, s, session.ID); !reflect.DeepEqual(got, session) {
			t.Errorf("after its use session %s was %+v, now it is %+v", session.ID, session, got)
		}
	}
	proveEvents(t, s, wasActive)
}

// sweep deletes and deactivates what is due, in small batches.
func sweep(t *testing.T, s *Store, c sessioncleanup.Cutoffs) {
	for _, action := range phases {
		b := batch(action, 10)
		b.Cutoffs = c
		for more := true; more; more = b.After != "" {
			out, err := s.Sweep(t.Context(), b)
			if err != nil {
				t.Errorf("%s: %v", action, err)
				return
			}
			b.After = out.Next
		}
	}
}

// proveEvents checks that there is an event for every change, and none without.
func proveEvents(t *testing.T, s *Store, wasActive map[string]bool) {
	t.Helper()
	logged := map[sessioncleanup.Action]map[string]int{}
	for _, e := range events(t, s, sessioncleanup.EventQuery{}) {
		if logged[e.Action] == nil {
			logged[e.Action] = map[string]int{}
		}
		for _, r := range e.Sessions {
			logged[e.Action][r.ID]++
		}
	}
	there := map[string]bool{}
	for _, session := range list(t, s, sessioncleanup.Query{Limit: all}).Sessions {
		there[session.ID] = true
		expect(t, "deactivations of "+session.ID, logged[sessioncleanup.ActionDeactivated][session.ID], number(wasActive[session.ID] && !session.Active))
	}
	for id := range wasActive {
		expect(t, "deletions of "+id, logged[sessioncleanup.ActionDeleted][id], number(!there[id]))
	}
	if len(logged[sessioncleanup.ActionDeleted]) == 0 || len(logged[sessioncleanup.ActionDeactivated]) == 0 {
		t.Error("the cleaners changed nothing: the test shows nothing")
	}
}

// An application that adds and removes sessions while lists are read page by page must not disturb those that stay.
func TestPagesKeepWhatStaysWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	stay := make([]sessioncleanup.Session, 1000)
	for i := range stay {
		stay[i] = unused(fmt.Sprintf("%06d", i), true, day+time.Duration(i)*time.Minute)
		stay[i].CreatedAt, stay[i].Name = stay[i].LastActivity, stay[i].ID
	}
	put(t, s, stay...)
	ctx, cancel := context.WithCancel(t.Context())
	work := sync.WaitGroup{}
	for w := range 4 {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%06d-%d", i%1000, w)
				passing := stay[i%1000]
				passing.ID, passing.Name = id, id
				if err := s.Put(passing); err != nil {
					t.Error(err)
				}
				if _, err := s.Remove(fmt.Sprintf("%06d-%d", (i+500)%1000, w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, by := range sessioncleanup.Sorts() {
		seen := map[string]int{}
		q := sessioncleanup.Query{Sort: by, Limit: 70}
		for more := true; more; more = q.After != nil {
			page := list(t, s, q)
			for _, session := range page.Sessions {
				seen[session.ID]++
			}
			q.After = page.Next
		}
		for _, session := range stay {
			if seen[session.ID] != 1 {
				t.Errorf("by %s: session %s is listed %d times, want once", by, session.ID, seen[session.ID])
			}
		}
	}
	cancel()
	work.Wait()
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
