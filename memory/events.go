package memory

import (
	"context"
	"slices"
	"sort"

	"github.com/sessioncleanup/sessioncleanup"
)

// eventLog is the audit log. An event in it is never changed, nor is a place in the slice written twice, so that it
// can be searched without the store's lock.
type eventLog struct {
	events []*sessioncleanup.Event // by ID
	lastID int64
}

// add writes an event of a change.
func (l *eventLog) add(e sessioncleanup.Event, cause sessioncleanup.Cause) {
	e.Actor, e.Reason, e.RunID = cause.Actor, cause.Reason, cause.RunID
	l.append(&e)
}

// append gives the event its ID and, when it has none, its time.
func (l *eventLog) append(e *sessioncleanup.Event) {
	l.lastID++
	e.ID = l.lastID
	if e.At = utc(e.At); e.At.IsZero() {
		e.At = clock()
	}
	l.events = append(l.events, e)
}

// Record adds one event and forgets old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	e := copied(&r.Event)
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Event{}, err
	}
	defer s.mu.Unlock()
	old := func(e *sessioncleanup.Event) bool { return e.At.Before(r.ForgetBefore) }
	if slices.ContainsFunc(s.log.events, old) {
		s.log.events = slices.DeleteFunc(slices.Clone(s.log.events), old)
	}
	s.log.append(&e)
	return copied(&e), nil
}

// Events gives the audit log, newest first. It looks at events one by one until it has enough of them.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalidf("limit of the events is %d: want at least 1", q.Limit)
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	log := s.log.events
	s.mu.Unlock()

	end := len(log)
	if q.Before > 0 {
		end = sort.Search(len(log), func(i int) bool { return log[i].ID >= q.Before })
	}
	var found []sessioncleanup.Event
	for _, e := range slices.Backward(log[:end]) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e, ok := selected(e, q); ok {
			found = append(found, e)
		}
		if len(found) == q.Limit {
			break
		}
	}
	return found, nil
}

// selected gives the part of an event that a query asks for.
func selected(e *sessioncleanup.Event, q sessioncleanup.EventQuery) (sessioncleanup.Event, bool) {
	if q.RunID != "" && e.RunID != q.RunID || len(q.Actions) > 0 && !slices.Contains(q.Actions, e.Action) {
		return sessioncleanup.Event{}, false
	}
	if q.OwnerID == "" && q.SessionID == "" {
		return copied(e), true
	}
	part := *e
	part.Sessions = nil
	for _, r := range e.Sessions {
		if (q.OwnerID == "" || r.OwnerID == q.OwnerID) && (q.SessionID == "" || r.ID == q.SessionID) {
			part.Sessions = append(part.Sessions, r)
		}
	}
	if len(part.Sessions) == 0 {
		return sessioncleanup.Event{}, false
	}
	return copied(&part), true
}

// copied is an event that shares nothing with another.
func copied(e *sessioncleanup.Event) sessioncleanup.Event {
	c := *e
	c.Sessions = slices.Clone(e.Sessions)
	if e.Run != nil {
		c.Run = new(*e.Run)
	}
	return c
}
