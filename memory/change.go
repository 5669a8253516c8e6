package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Update applies a change to one session, with its event, and gives the session as it is afterwards.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	defer s.mu.Unlock()
	e := s.find(t)
	if e == nil {
		return sessioncleanup.Session{}, sessioncleanup.ErrNotFound
	}
	session := e.session()
	changed := session
	if c.Active != nil && *c.Active != changed.Active {
		changed.Active = *c.Active
		if changed.Active {
			reactivate(&changed, clock())
		}
	}
	if c.AutoCleanup != nil {
		changed.AutoCleanup = *c.AutoCleanup
	}
	if c.ExpiresAt != nil {
		changed.ExpiresAt = utc(*c.ExpiresAt)
	}
	if changed == session {
		return changed, nil
	}
	s.store(e, changed)
	s.log.add(sessioncleanup.Event{Action: c.Action, Sessions: []sessioncleanup.SessionRef{ref(e)}}, c.Cause)
	return changed, nil
}

// reactivate makes a session active as if it had just been used, without an expiry that has passed.
func reactivate(s *sessioncleanup.Session, now time.Time) {
	s.Active = true
	s.LastActivity = now
	if !s.ExpiresAt.After(now) {
		s.ExpiresAt = time.Time{}
	}
}

// Delete removes one session, with its event, and gives it as it was. What Config.BeforeDelete says is its error.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	e := s.find(t)
	if e != nil && s.beforeDelete != nil {
		session := e.session()
		s.mu.Unlock()
		if err := s.beforeDelete(ctx, session); err != nil {
			return sessioncleanup.Session{}, fmt.Errorf("before deleting: %w", err)
		}
		if err := s.lock(ctx); err != nil {
			return sessioncleanup.Session{}, err
		}
		e = s.find(t)
	}
	defer s.mu.Unlock()
	if e == nil {
		return sessioncleanup.Session{}, sessioncleanup.ErrNotFound
	}
	session := e.session()
	s.drop(e)
	s.log.add(sessioncleanup.Event{Action: sessioncleanup.ActionDeleted, Sessions: []sessioncleanup.SessionRef{ref(e)}}, cause)
	return session, nil
}

// Touch sets the last activity of sessions to now and gives the number of those written. A last activity in the
// future stays, and a protected session is not reactivated: that would be automatic.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := clock()
	at, call := momentOf(now), s.nextTouch()
	written := 0
	var reactivated []sessioncleanup.SessionRef
	for _, id := range t.IDs {
		e := s.find(sessioncleanup.Target{ID: id, OwnerID: t.OwnerID})
		if e == nil || e.touched == call {
			continue
		}
		e.touched = call
		switch {
		case t.Reactivate != nil && !e.stored.Active && e.stored.AutoCleanup:
			session := e.session()
			reactivate(&session, now)
			s.store(e, session)
			reactivated = append(reactivated, ref(e))
			written++
		case at >= e.activity && at.since(e.activity) >= max(t.Interval, 0):
			s.touch(e, at)
			written++
		}
	}
	if len(reactivated) > 0 {
		s.log.add(sessioncleanup.Event{Action: sessioncleanup.ActionReactivated, Sessions: reactivated}, *t.Reactivate)
	}
	return written, nil
}

// nextTouch numbers the calls of Touch, by which an ID that stands twice in one is told. Numbers come back after four
// billion calls, so what they marked is cleared then.
func (s *Store) nextTouch() uint32 {
	if s.touches++; s.touches == 0 {
		for e := range s.sessions.all() {
			e.touched = 0
		}
		s.touches = 1
	}
	return s.touches
}
