package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "events" proves how the audit log is read; check_record.go has how events are added and removed.
func eventChecks() []check {
	return []check{
		{"events", "come newest first, in pages, each once", eventPages},
		{"events", "are selected as EventQuery.Select does, by session, owner, run and action, alone and together", eventSelection},
		{"events", "of a part are those looked at, and end when they have many sessions", eventParts},
		{"events", "keep 200 characters of names and reasons", eventTexts},
		{"events", "outlive their sessions", eventsOutlive},
	}
}

// history makes events of several actions, runs and owners, among them of a run and of sessions that are gone.
func (f *fixture) history() []sessioncleanup.Session {
	f.Helper()
	sessions := many(0, 5, func(n int) sessioncleanup.Session {
		return ownedBy([]string{f.owner(1), f.owner(2), ""}[n%3], f.dueForDeactivation(n))
	})
	f.insert(sessions...)
	f.sweep(deactivation, f.batchOf("sweep", 10), nil)
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionRun, Actor: "system", RunID: cause("sweep").RunID, Run: &sessioncleanup.RunSummary{
			Phases: sessioncleanup.Phases{{Action: sessioncleanup.ActionDeactivated, Due: 6, Done: 6}},
		},
	}})
	for i, s := range sessions {
		c := sessioncleanup.Change{Cause: cause("first"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off}
		if i%2 == 1 {
			c = sessioncleanup.Change{Cause: cause("second"), Action: sessioncleanup.ActionExpirySet, ExpiresAt: new(f.now.Add(day))}
		}
		f.update(sessioncleanup.Target{ID: s.ID}, c)
	}
	f.remove(sessions[5].ID)
	old := many(6, 8, f.dueForDeletion)
	old[0].OwnerID = f.owner(2)
	f.insert(old...)
	f.sweep(deletion, f.batchOf("sweep", 10), nil)
	return append(sessions, old...)
}

func eventPages(f *fixture) {
	f.history()
	all := f.events(sessioncleanup.EventQuery{})
	if len(all) < 9 {
		f.Fatalf("%d events, want at least 9", len(all))
	}
	for i, e := range all {
		if e.ID <= 0 || i > 0 && e.ID == all[i-1].ID {
			f.Errorf("event ID %d is not above 0, or is duplicated", e.ID)
		}
		if e.At.Location() != time.UTC {
			f.Errorf("time of an event is in %s, want UTC", e.At.Location())
		}
		f.expectClock("time of an event", e.At, f.now)
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
		if diff := inOrder(eventIDs(all), paged); diff != "" {
			f.Errorf("events in pages of %d: %s", size, diff)
		}
	}
}

// eventSelection asks every question there is. The parts that a question leaves out must leave no trace: an owner sees
// neither another owner's sessions nor that they share an event with one of its own, nor runs.
func eventSelection(f *fixture) {
	sessions := f.history()
	all := f.events(sessioncleanup.EventQuery{})
	for _, owner := range []string{"", f.owner(1), f.owner(2), f.owner(9), "nobody"} {
		for _, session := range []string{"", sessions[0].ID, sessions[1].ID, sessions[5].ID, sessions[6].ID, f.id(99), "nobody"} {
			for _, run := range []string{"", cause("first").RunID, cause("sweep").RunID, "run-unknown"} {
				for _, actions := range [][]sessioncleanup.Action{
					nil, {sessioncleanup.ActionRun}, {sessioncleanup.ActionDeleted, sessioncleanup.ActionExpirySet}, {sessioncleanup.ActionReactivated},
				} {
					q := sessioncleanup.EventQuery{OwnerID: owner, SessionID: session, RunID: run, Actions: actions, Limit: everything}
					f.expectEvents(q, all)
					q.Limit, q.Before = 2, all[len(all)/3].ID
					f.expectEvents(q, all)
					q.Limit, q.After, q.Part = 3, all[len(all)-2].ID, true
					f.expectEvents(q, all)
				}
			}
		}
	}
}

// expectEvents compares an answer with the selection from all events.
func (f *fixture) expectEvents(q sessioncleanup.EventQuery, all []sessioncleanup.Event) {
	f.Helper()
	var want []sessioncleanup.Event
	for _, e := range all {
		if part, ok := q.Select(e); ok && !q.Enough(want) {
			want = append(want, part)
		}
	}
	got := f.events(q)
	for i := range min(len(got), len(want)) { // in which order an event has its sessions is up to the store
		for _, e := range []*sessioncleanup.Event{&got[i], &want[i]} {
			slices.SortFunc(e.Sessions, func(a, b sessioncleanup.SessionRef) int { return strings.Compare(a.ID, b.ID) })
		}
	}
	if diff := firstDifference(struct{ Events []sessioncleanup.Event }{want}, struct{ Events []sessioncleanup.Event }{got}); diff != "" {
		f.Errorf("Events(%+v): %s", q, diff)
	}
}

func eventsOutlive(f *fixture) {
	s := f.dueForDeletion(1)
	f.insert(s)
	b := f.batchOf("gone", 1)
	f.sweep(deletion, b, nil)
	for _, q := range []sessioncleanup.EventQuery{{SessionID: s.ID}, {OwnerID: s.OwnerID}} {
		what := fmt.Sprintf("of session %q, owner %q", q.SessionID, q.OwnerID)
		f.expectEntries(what, flatten(f.events(q)), entries(sessioncleanup.ActionDeleted, b.Cause, s)...)
	}
}

// eventParts reads the log in parts: together they are the whole log, whatever they are asked for.
func eventParts(f *fixture) {
	f.history()
	f.insert(many(100, 100+1200, f.dueForDeactivation)...)
	f.sweep(deactivation, f.batchOf("large", 600), nil)
	f.sweep(deactivation, f.batchOf("larger", 600), nil)
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionScheduled, Actor: "system"}})
	all := f.events(sessioncleanup.EventQuery{})
	for _, owner := range []string{"", f.owner(1), "nobody"} {
		var ids []int64
		q := sessioncleanup.EventQuery{OwnerID: owner, Part: true, Limit: len(all)}
		for range maxSteps {
			part := f.events(q)
			ids = append(ids, eventIDs(part)...)
			for i, e := range part {
				if whole := all[len(ids)-len(part)+i]; owner == "" && (len(e.Sessions)+e.Unnamed != len(whole.Sessions) || len(e.Sessions) < min(100, len(whole.Sessions))) {
					f.Errorf("event %d of a part has %d sessions and %d unnamed, want %d, at least 100 of them named", e.ID, len(e.Sessions), e.Unnamed, len(whole.Sessions))
				}
			}
			if !q.Enough(part) {
				break
			}
			q.Before = part[len(part)-1].ID
		}
		if diff := inOrder(eventIDs(all), ids); diff != "" {
			f.Errorf("events in parts for owner %q: %s", owner, diff)
		}
	}
	first, sessions := f.events(sessioncleanup.EventQuery{Part: true, Limit: len(all)}), 0
	for _, e := range first {
		sessions += len(e.Sessions)
	}
	if last := len(first) - 1; sessions-len(first[last].Sessions) >= 1000 {
		f.Errorf("the first part goes on after %d sessions, want an end after 1000", sessions-len(first[last].Sessions))
	}
}

func eventTexts(f *fixture) {
	const long = "é 😀 a long text, "
	s := f.dueForDeactivation(0)
	s.Name = strings.Repeat(long, 20)
	f.insert(s)
	c := cause("first")
	c.Reason = strings.Repeat(long, 30)
	f.update(sessioncleanup.Target{ID: s.ID}, sessioncleanup.Change{Cause: c, Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off})
	for _, e := range f.events(sessioncleanup.EventQuery{SessionID: s.ID}) {
		name, reason := []rune(e.Sessions[0].Name), []rune(e.Reason)
		if string(name) != string([]rune(s.Name)[:sessioncleanup.MaxEventText]) || string(reason) != string([]rune(c.Reason)[:sessioncleanup.MaxEventText]) {
			f.Errorf("an event keeps %d characters of a name and %d of a reason, want the first %d", len(name), len(reason), sessioncleanup.MaxEventText)
		}
	}
}
