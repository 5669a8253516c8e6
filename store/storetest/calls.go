package storetest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Calls of the store that must succeed, each with what holds for every such call.

func (f *fixture) insert(sessions ...sessioncleanup.Session) {
	f.Helper()
	f.must(f.Insert(f.ctx, slices.Clone(sessions)...), "Harness.Insert of %v", idsOf(sessions))
}

func (f *fixture) page(q sessioncleanup.Query) sessioncleanup.Page {
	f.Helper()
	page := must(f.Store.List(f.ctx, q))(f, "List(%+v)", q)
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
		sent := must(json.Marshal(page.Next))(f, "position %+v as JSON", page.Next)
		q.After = new(sessioncleanup.Position)
		f.must(json.Unmarshal(sent, q.After), "position %s from JSON", sent)
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
	return must(f.Store.Counts(f.ctx, q))(f, "Counts(%+v)", q)
}

func (f *fixture) update(t sessioncleanup.Target, c sessioncleanup.Change) sessioncleanup.Session {
	f.Helper()
	return must(f.Store.Update(f.ctx, t, c))(f, "Update(%+v, %+v)", t, c)
}

// remove deletes sessions.
func (f *fixture) remove(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.must(failure(f.Store.Delete(f.ctx, sessioncleanup.Target{ID: id}, cause("remove"))), "Delete %s", id)
	}
}

// touch requires that a touch writes this many sessions.
func (f *fixture) touch(t sessioncleanup.Touch, want int) {
	f.Helper()
	n := must(f.Store.Touch(f.ctx, t))(f, "Touch(%+v)", t)
	if n != want {
		f.Errorf("Touch(%+v) wrote %d sessions, want %d", t, n, want)
	}
}

func (f *fixture) record(r sessioncleanup.Record) sessioncleanup.Event {
	f.Helper()
	return must(f.Store.Record(f.ctx, r))(f, "Record(%+v)", r)
}

// lease takes, renews or releases a lease.
func (f *fixture) lease(name, holder string, ttl time.Duration) sessioncleanup.Lease {
	f.Helper()
	return must(f.Store.Lease(f.ctx, sessioncleanup.LeaseRequest{Name: name, Holder: holder, TTL: ttl}))(f, "Lease")
}
