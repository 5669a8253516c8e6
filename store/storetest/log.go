package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// entry is what an event says about one session. The suite compares entries, because a store may write a batch as one
// event or as several.
type entry struct {
	Action  sessioncleanup.Action
	Session sessioncleanup.SessionRef
	Cause   sessioncleanup.Cause
}

// String makes a readable difference of two logs.
func (e entry) String() string {
	return fmt.Sprintf("%s session %q %q of owner %q by %s because %q in run %q",
		e.Action, e.Session.ID, e.Session.Name, e.Session.OwnerID, e.Cause.Actor, e.Cause.Reason, e.Cause.RunID)
}

// entries are what the log should hold about a change to these sessions.
func entries(action sessioncleanup.Action, c sessioncleanup.Cause, sessions ...sessioncleanup.Session) []entry {
	var all []entry
	for _, s := range sessions {
		all = append(all, entry{action, s.Ref(), c})
	}
	return all
}

// flatten takes events apart; one without sessions is an entry without a session.
func flatten(events []sessioncleanup.Event) []entry {
	var all []entry
	for _, e := range events {
		c := sessioncleanup.Cause{Actor: e.Actor, Reason: e.Reason, RunID: e.RunID}
		for _, s := range e.Sessions {
			all = append(all, entry{e.Action, s, c})
		}
		if len(e.Sessions) == 0 {
			all = append(all, entry{Action: e.Action, Cause: c})
		}
	}
	return all
}

func sentences(all []entry) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.String()
	}
	return out
}

// events returns what the query asks for, by default without a limit, and requires newest first.
func (f *fixture) events(q sessioncleanup.EventQuery) []sessioncleanup.Event {
	f.Helper()
	if q.Limit == 0 {
		q.Limit = everything
	}
	events := must(f.Store.Events(f.ctx, q))(f, "Events(%+v)", q)
	if len(events) > q.Limit {
		f.Errorf("Events(%+v) returned %d events, more than its limit", q, len(events))
	}
	if !slices.IsSortedFunc(events, func(a, b sessioncleanup.Event) int { return int(b.ID - a.ID) }) {
		f.Errorf("Events(%+v) are not newest first: %v", q, eventIDs(events))
	}
	return events
}

func eventIDs(events []sessioncleanup.Event) []int64 {
	ids := make([]int64, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

// mark is the ID of the newest event, 0 when there is none.
func (f *fixture) mark() int64 {
	f.Helper()
	if events := f.events(sessioncleanup.EventQuery{Limit: 1}); len(events) > 0 {
		return events[0].ID
	}
	return 0
}

// deactivations are when sessions were deactivated since a mark, by the log.
func (f *fixture) deactivations(since int64) map[string]time.Time {
	f.Helper()
	at := map[string]time.Time{}
	for _, e := range f.events(sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionDeactivated}}) {
		for _, r := range e.Sessions {
			if _, later := at[r.ID]; e.ID > since && !later {
				at[r.ID] = e.At
			}
		}
	}
	return at
}

// expectLog compares what was logged since a mark with what should be, in any order, and returns the new mark.
func (f *fixture) expectLog(what string, since int64, want ...entry) int64 {
	f.Helper()
	events := f.events(sessioncleanup.EventQuery{Limit: len(want) + 10})
	events = slices.DeleteFunc(events, func(e sessioncleanup.Event) bool { return e.ID <= since })
	f.expectEntries(what, flatten(events), want...)
	if len(events) > 0 {
		return events[0].ID
	}
	return since
}

// expectEntries compares entries whose order does not matter.
func (f *fixture) expectEntries(what string, got []entry, want ...entry) {
	f.Helper()
	if diff := unordered(sentences(want), sentences(got)); diff != "" {
		f.Errorf("%s: log entries: %s", what, diff)
	}
}
