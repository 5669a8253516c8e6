package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	day = 24 * time.Hour
	// firstID is added to the numbers of sessions, so that their ids have the same count of digits and sort
	// alike as numbers and as texts.
	firstID = 1000
	// tick is the finest difference in time that every backend keeps.
	tick = time.Millisecond
	// everything is a page or a count that no check fills.
	everything = 5000
	// maxSteps bounds what should end by itself: pages of a list, batches of a sweep.
	maxSteps = 2000
)

// fixture is what a check works with: the harness, the clock as it stood when the check began, and the guide's
// cutoffs at that moment. Its helpers end the check when the store fails where it should not.
type fixture struct {
	tester
	Harness
	ctx context.Context
	now time.Time
	cut sessioncleanup.Cutoffs
}

func newFixture(t tester, h Harness) *fixture {
	t.Helper()
	f := &fixture{tester: t, Harness: h, ctx: t.Context()}
	f.cut = sessioncleanup.Policy{}.CutoffsAt(f.clock())
	f.now = f.cut.Now
	return f
}

// clock reads the store's clock.
func (f *fixture) clock() time.Time {
	f.Helper()
	now, err := f.Store.Now(f.ctx)
	if err != nil {
		f.Fatalf("Now: %v", err)
	}
	return now
}

func (f *fixture) id(n int) string    { return f.ID(firstID + n) }
func (f *fixture) owner(n int) string { return f.Owner(n) }

// cause is who changes things in the checks.
func cause(reason string) sessioncleanup.Cause {
	return sessioncleanup.Cause{Actor: "admin:suite", Reason: reason, RunID: "run-" + reason}
}

// session is a plain session of the first owner that may be cleaned up and was last used at the given time.
func (f *fixture) session(n int, active bool, lastActivity time.Time) sessioncleanup.Session {
	return sessioncleanup.Session{
		ID: f.id(n), OwnerID: f.owner(1), Name: fmt.Sprintf("session %d", n), Code: fmt.Sprintf("C%d", n),
		Active: active, AutoCleanup: true,
		CreatedAt: f.now.Add(-100 * day), UpdatedAt: f.now.Add(-100 * day), LastActivity: lastActivity,
	}
}

// dueForDeactivation and dueForDeletion are sessions with one status at f.cut, fresh and idle those with none due.
func (f *fixture) dueForDeactivation(n int) sessioncleanup.Session {
	return f.session(n, true, f.now.Add(-2*day))
}

func (f *fixture) dueForDeletion(n int) sessioncleanup.Session {
	return f.session(n, false, f.now.Add(-40*day))
}

func (f *fixture) fresh(n int) sessioncleanup.Session {
	return f.session(n, true, f.now.Add(-2*time.Hour))
}

func (f *fixture) idle(n int) sessioncleanup.Session {
	return f.session(n, false, f.now.Add(-3*day))
}

// many makes sessions with the numbers from first to last.
func many(first, last int, build func(n int) sessioncleanup.Session) []sessioncleanup.Session {
	var sessions []sessioncleanup.Session
	for n := first; n <= last; n++ {
		sessions = append(sessions, build(n))
	}
	return sessions
}

func (f *fixture) insert(sessions ...sessioncleanup.Session) {
	f.Helper()
	if err := f.Insert(f.ctx, sessions...); err != nil {
		f.Fatalf("Harness.Insert of %v: %v", idsOf(sessions), err)
	}
}

func (f *fixture) page(q sessioncleanup.Query) sessioncleanup.Page {
	f.Helper()
	page, err := f.Store.List(f.ctx, q)
	if err != nil {
		f.Fatalf("List(%+v): %v", q, err)
	}
	if len(page.Sessions) > q.Limit {
		f.Fatalf("List(%+v) gave %d sessions, more than its limit", q, len(page.Sessions))
	}
	return page
}

// pages reads a list to its end, in pages of the given size, and calls between after each page but the last.
// Positions go through JSON, as they do on their way through an HTTP client.
func (f *fixture) pages(q sessioncleanup.Query, size int, between func()) []sessioncleanup.Session {
	f.Helper()
	var all []sessioncleanup.Session
	q.Limit = size
	for range maxSteps {
		page := f.page(q)
		all = append(all, page.Sessions...)
		if page.Next == nil {
			return all
		}
		if between != nil {
			between()
		}
		sent, err := json.Marshal(page.Next)
		if err != nil {
			f.Fatalf("position %+v as JSON: %v", page.Next, err)
		}
		q.After = new(sessioncleanup.Position)
		if err := json.Unmarshal(sent, q.After); err != nil {
			f.Fatalf("position %s from JSON: %v", sent, err)
		}
	}
	f.Fatalf("List(%+v) in pages of %d does not end", q, size)
	return nil
}

// find gives one session, or false when it is not there.
func (f *fixture) find(id string) (sessioncleanup.Session, bool) {
	f.Helper()
	sessions := f.page(sessioncleanup.Query{ID: id, Limit: 2}).Sessions
	if len(sessions) > 1 || len(sessions) == 1 && sessions[0].ID != id {
		f.Fatalf("List of ID %q gave %v", id, idsOf(sessions))
	}
	if len(sessions) == 0 {
		return sessioncleanup.Session{}, false
	}
	return sessions[0], true
}

// get gives one session that must be there.
func (f *fixture) get(id string) sessioncleanup.Session {
	f.Helper()
	s, ok := f.find(id)
	if !ok {
		f.Fatalf("session %s is gone", id)
	}
	return s
}

// all gives every session, in the order of their IDs.
func (f *fixture) all() []sessioncleanup.Session {
	f.Helper()
	sessions := f.page(sessioncleanup.Query{Limit: everything}).Sessions
	sortByID(sessions)
	return sessions
}

func sortByID(sessions []sessioncleanup.Session) {
	slices.SortFunc(sessions, func(a, b sessioncleanup.Session) int { return strings.Compare(a.ID, b.ID) })
}

// expectSessions compares everything in the store with what should be there.
func (f *fixture) expectSessions(what string, want ...sessioncleanup.Session) {
	f.Helper()
	want = slices.Clone(want)
	sortByID(want)
	if diff := differences(want, f.all()); diff != "" {
		f.Errorf("%s: %s", what, diff)
	}
}

// expectIDs compares IDs whose order does not matter.
func (f *fixture) expectIDs(what string, got []string, want ...string) {
	f.Helper()
	if diff := unordered(want, got); diff != "" {
		f.Errorf("%s: %s", what, diff)
	}
}

// expectJustNow requires that a time was set to the store's now between before and this moment.
func (f *fixture) expectJustNow(what string, got, before time.Time) {
	f.Helper()
	after := f.clock()
	if got.Before(before.Add(-tick)) || got.After(after.Add(tick)) {
		f.Errorf("%s is %s, want the store's now, from %s to %s", what, stamp(got), stamp(before), stamp(after))
	}
}
