package storetest

import (
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "events" proves how the audit log is read; record.go has what is put into it and taken out.
func eventChecks() []check {
	return []check{
		{"events", "come newest first, in pages, each once", eventPages},
		{"events", "are filtered by session, run and action, alone and together", eventFilters},
		{"events", "for an owner show no other owner's sessions", eventOwners},
		{"events", "outlive their sessions", eventsOutlive},
	}
}

// history makes events of every action and gives the sessions of three owners, in order.
func (f *fixture) history() []sessioncleanup.Session {
	f.Helper()
	var sessions []sessioncleanup.Session
	for n := range 6 {
		sessions = append(sessions, ownedBy([]string{f.owner(1), f.owner(2), ""}[n%3], f.dueForDeactivation(n)))
	}
	f.insert(sessions...)
	f.sweep(phases()[1], sessioncleanup.Batch{Cause: cause("sweep"), Cutoffs: f.cut, Limit: 10}, nil)
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionRun, Actor: "system", RunID: cause("sweep").RunID, Run: &sessioncleanup.RunSummary{Deactivated: 6},
	}})
	for i, s := range sessions {
		c := sessioncleanup.Change{Cause: cause("first"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: new(false)}
		if i%2 == 1 {
			c = sessioncleanup.Change{Cause: cause("second"), Action: sessioncleanup.ActionExpirySet, ExpiresAt: new(f.now.Add(day))}
		}
		f.update(sessioncleanup.Target{ID: s.ID}, c)
	}
	f.remove(sessions[5].ID)
	return sessions
}

func (f *fixture) record(r sessioncleanup.Record) sessioncleanup.Event {
	f.Helper()
	e, err := f.Store.Record(f.ctx, r)
	if err != nil {
		f.Fatalf("Record(%+v): %v", r, err)
	}
	return e
}

func eventPages(f *fixture) {
	f.history()
	all := f.events(sessioncleanup.EventQuery{})
	if len(all) < 9 {
		f.Fatalf("%d events, want at least 9", len(all))
	}
	seen := map[int64]bool{}
	for _, e := range all {
		if e.ID <= 0 || seen[e.ID] {
			f.Errorf("event ID %d is not above 0 or stands twice in %v", e.ID, eventIDs(all))
		}
		seen[e.ID] = true
		f.expectJustNow("time of an event", e.At, f.now)
	}
	for _, size := range []int{1, 4, len(all)} {
		var paged []int64
		q := sessioncleanup.EventQuery{Limit: size}
		for range maxSteps {
			page := f.events(q)
			paged = append(paged, eventIDs(page)...)
			if len(page) < size {
				break
			}
			q.Before = page[len(page)-1].ID
		}
		if !slices.Equal(paged, eventIDs(all)) {
			f.Errorf("events in pages of %d: %v, want %v", size, paged, eventIDs(all))
		}
	}
}

// eventFilters compares what the store selects with what a look at all events selects.
func eventFilters(f *fixture) {
	sessions := f.history()
	all := f.events(sessioncleanup.EventQuery{})
	runs, actionSets := []string{"", cause("first").RunID, cause("sweep").RunID, "run-unknown"}, [][]sessioncleanup.Action{
		nil, {sessioncleanup.ActionRun}, {sessioncleanup.ActionDeleted, sessioncleanup.ActionExpirySet}, {sessioncleanup.ActionReactivated},
	}
	for _, id := range []string{"", sessions[1].ID, sessions[5].ID, f.id(99), "nobody"} {
		for _, run := range runs {
			for _, actions := range actionSets {
				q := sessioncleanup.EventQuery{SessionID: id, RunID: run, Actions: actions}
				var want []int64
				for _, e := range all {
					if selects(q, e) {
						want = append(want, e.ID)
					}
				}
				if got := eventIDs(f.events(q)); !slices.Equal(got, want) {
					f.Errorf("Events(%+v): %v, want %v of %v", q, got, want, eventIDs(all))
				}
			}
		}
	}
	if limited := f.events(sessioncleanup.EventQuery{RunID: cause("first").RunID, Limit: 2}); len(limited) != 2 {
		f.Errorf("2 of the 3 events of a run: got %d", len(limited))
	}
}

func selects(q sessioncleanup.EventQuery, e sessioncleanup.Event) bool {
	holds := func(r sessioncleanup.SessionRef) bool { return r.ID == q.SessionID }
	return (q.SessionID == "" || slices.ContainsFunc(e.Sessions, holds)) &&
		(q.RunID == "" || e.RunID == q.RunID) &&
		(len(q.Actions) == 0 || slices.Contains(q.Actions, e.Action))
}

// eventOwners asks as the owners would. What is filtered out must leave no trace: not as an event without sessions, and
// not as the answer to a question about somebody else's session that shares an event with one's own.
func eventOwners(f *fixture) {
	sessions := f.history()
	all := flatten(f.events(sessioncleanup.EventQuery{}))
	for _, owner := range []string{f.owner(1), f.owner(2), f.owner(9), "nobody"} {
		var want []entry
		for _, e := range all {
			if e.Session.OwnerID == owner {
				want = append(want, e)
			}
		}
		f.expectEntries("of owner "+owner, flatten(f.events(sessioncleanup.EventQuery{OwnerID: owner})), want...)
		for _, s := range sessions {
			got := f.events(sessioncleanup.EventQuery{OwnerID: owner, SessionID: s.ID})
			if s.OwnerID != owner && len(got) > 0 {
				f.Errorf("owner %s sees %d events of session %s, which belongs to %q", owner, len(got), s.ID, s.OwnerID)
			}
			for _, e := range flatten(got) {
				if e.Session.OwnerID != owner {
					f.Errorf("owner %s sees session %q of owner %q", owner, e.Session.ID, e.Session.OwnerID)
				}
			}
			if s.OwnerID == owner && len(got) < 2 {
				f.Errorf("owner %s sees %d events of its session %s, want at least 2", owner, len(got), s.ID)
			}
		}
	}
	if runs := f.events(sessioncleanup.EventQuery{OwnerID: f.owner(1), Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}}); len(runs) > 0 {
		f.Errorf("an owner sees %d runs, which are no session's", len(runs))
	}
}

func eventsOutlive(f *fixture) {
	s := f.dueForDeletion(1)
	f.insert(s)
	c := cause("gone")
	f.sweep(phases()[0], sessioncleanup.Batch{Cause: c, Cutoffs: f.cut, Limit: 1}, nil)
	got := f.events(sessioncleanup.EventQuery{SessionID: s.ID})
	f.expectEntries("of a deleted session", flatten(got), entries(sessioncleanup.ActionDeleted, c, s)...)
	got = f.events(sessioncleanup.EventQuery{OwnerID: s.OwnerID})
	f.expectEntries(fmt.Sprint("of the owner ", s.OwnerID), flatten(got), entries(sessioncleanup.ActionDeleted, c, s)...)
}
