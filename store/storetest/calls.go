package storetest

import (
	"encoding/json"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// Calls of the store that must succeed, each with what holds for every such call.

func (f *fixture) insert(sessions ...sessioncleanup.Session) {
	f.Helper()
	if err := f.Insert(f.ctx, slices.Clone(sessions)...); err != nil {
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
		f.Fatalf("List(%+v) returned %d sessions, more than its limit", q, len(page.Sessions))
	}
	return page
}

// pages reads a list to its end, in pages of the given size, and calls between after each page but the last. Positions
// go through JSON, as they do on their way through an HTTP client.
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

// byID selects one session.
func byID(id string) sessioncleanup.Filter { return sessioncleanup.Filter{ID: id} }

// find returns one session, or false when it is not there.
func (f *fixture) find(id string) (sessioncleanup.Session, bool) {
	f.Helper()
	sessions := f.page(sessioncleanup.Query{Filter: byID(id), Limit: 2}).Sessions
	if len(sessions) > 1 || len(sessions) == 1 && sessions[0].ID != id {
		f.Fatalf("List of ID %q returned %v", id, idsOf(sessions))
	}
	if len(sessions) == 0 {
		return sessioncleanup.Session{}, false
	}
	return sessions[0], true
}

// get returns one session that must be there.
func (f *fixture) get(id string) sessioncleanup.Session {
	f.Helper()
	s, ok := f.find(id)
	if !ok {
		f.Fatalf("session %s is gone", id)
	}
	return s
}

// all returns every session, in the order of their IDs.
func (f *fixture) all() []sessioncleanup.Session {
	f.Helper()
	sessions := f.page(sessioncleanup.Query{Limit: everything}).Sessions
	sortByID(sessions)
	return sessions
}

func (f *fixture) counts(q sessioncleanup.CountsQuery) sessioncleanup.Counts {
	f.Helper()
	c, err := f.Store.Counts(f.ctx, q)
	if err != nil {
		f.Fatalf("Counts(%+v): %v", q, err)
	}
	return c
}

func (f *fixture) update(t sessioncleanup.Target, c sessioncleanup.Change) sessioncleanup.Session {
	f.Helper()
	s, err := f.Store.Update(f.ctx, t, c)
	if err != nil {
		f.Fatalf("Update(%+v, %+v): %v", t, c, err)
	}
	return s
}

// remove deletes sessions.
func (f *fixture) remove(ids ...string) {
	f.Helper()
	for _, id := range ids {
		if _, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: id}, cause("remove")); err != nil {
			f.Fatalf("Delete %s: %v", id, err)
		}
	}
}

// touch requires that a touch writes this many sessions.
func (f *fixture) touch(t sessioncleanup.Touch, want int) {
	f.Helper()
	n, err := f.Store.Touch(f.ctx, t)
	if err != nil {
		f.Fatalf("Touch(%+v): %v", t, err)
	}
	if n != want {
		f.Errorf("Touch(%+v) wrote %d sessions, want %d", t, n, want)
	}
}

func (f *fixture) record(r sessioncleanup.Record) sessioncleanup.Event {
	f.Helper()
	e, err := f.Store.Record(f.ctx, r)
	if err != nil {
		f.Fatalf("Record(%+v): %v", r, err)
	}
	return e
}
