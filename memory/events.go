package memory

import (
	"context"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// log adds the event of a change, with its time in milliseconds: a deactivation has the time that the session keeps.
func (s *Store) log(at time.Time, a sessioncleanup.Action, c sessioncleanup.Cause, sessions ...sessioncleanup.SessionRef) {
	s.append(sessioncleanup.Event{At: at.Truncate(time.Millisecond), Action: a, Sessions: sessions, Actor: c.Actor, Reason: c.Reason, RunID: c.RunID})
}

// deactivatedByRun reports whether the log has the session's deactivation by a run, at exactly DeactivatedAt.
func (s *Store) deactivatedByRun(session sessioncleanup.Session) bool {
	if session.Active || session.DeactivatedAt.IsZero() {
		return false
	}
	for _, e := range slices.Backward(s.events) {
		if e.At.Equal(session.DeactivatedAt) && e.Action == sessioncleanup.ActionDeactivated && e.RunID != "" &&
			slices.ContainsFunc(e.Sessions, func(r sessioncleanup.SessionRef) bool { return r.ID == session.ID }) {
			return true
		}
	}
	return false
}

// append adds an event to the audit log, with its ID and, when it has none, its time.
func (s *Store) append(e sessioncleanup.Event) sessioncleanup.Event {
	s.lastID++
	e = e.Shortened()
	e.ID = s.lastID
	if e.At = utc(e.At); e.At.IsZero() {
		e.At = clock()
	}
	s.events = append(s.events, e)
	s.proofs[e.ID] = newSalt()
	return e
}

// Record adds one event and removes old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Event{}, err
	}
	defer s.mu.Unlock()
	s.forget(r.ForgetBefore)
	return copied(s.append(copied(r.Event))), nil
}

// copied is an event that shares nothing with another.
func copied(e sessioncleanup.Event) sessioncleanup.Event {
	e, _ = sessioncleanup.EventQuery{}.Select(e)
	return e
}

// Events returns the audit log, newest first. It looks at events one by one until it has enough of them.
func (s *Store) Events(ctx context.Context, q sessioncleanup.EventQuery) ([]sessioncleanup.Event, error) {
	if q.Limit <= 0 {
		return nil, invalid.Errorf("limit of the events is %d: want at least 1", q.Limit)
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []sessioncleanup.Event
	for _, e := range slices.Backward(s.events) {
		if q.Enough(found) || e.ID <= q.After {
			break
		}
		if part, ok := q.Select(e); ok {
			found = append(found, part)
		}
	}
	return found, nil
}
