package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Update applies a change to one session, with its event, and returns the session as it is afterwards.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	defer s.mu.Unlock()
	session, err := s.find(t)
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	if err := s.schema.CheckTags(c.Tags); err != nil {
		return sessioncleanup.Session{}, err
	}
	changed := c.Apply(session, session.AsOf)
	if !changed.Equal(session) {
		s.replace(session, changed)
		s.log(session.AsOf, c.Action, c.Cause, changed.Ref())
		changed.Tags = slices.Clone(changed.Tags)
	}
	return changed, nil
}

// Delete removes one session, with its event, and returns it as it was. An error of Config.Refuse is its error.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Session{}, err
	}
	defer s.mu.Unlock()
	session, err := s.find(t)
	if err == nil {
		err = t.CheckAlong(nil)
	}
	if err == nil && s.refuse != nil {
		err = s.refuse(session)
	}
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	if t.Archive != nil {
		s.keep(session, session.AsOf, cause)
	}
	s.replace(session, sessioncleanup.Session{})
	s.log(session.AsOf, sessioncleanup.ActionDeleted, cause, session.Ref())
	return session, nil
}

// find returns the session that a target names, as of now.
func (s *Store) find(t sessioncleanup.Target) (sessioncleanup.Session, error) {
	session, ok := s.sessions[t.ID]
	if !ok {
		return sessioncleanup.Session{}, sessioncleanup.ErrNotFound
	}
	session.AsOf, session.Tags = clock(), slices.Clone(session.Tags)
	return session, t.Check(session)
}

// Touch applies a touch to each of its sessions and returns the number of those written.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now, written := clock(), 0
	var reactivated []sessioncleanup.SessionRef
	for id, at := range latest(t, now) {
		session, ok := s.sessions[id]
		if !ok {
			continue
		}
		touched, write := t.Apply(session, at, t.Reactivate != nil && s.deactivatedByRun(session))
		if !write {
			continue
		}
		written++
		s.replace(session, touched)
		if touched.Active && !session.Active {
			reactivated = append(reactivated, touched.Ref())
		}
	}
	if len(reactivated) > 0 {
		slices.SortFunc(reactivated, func(a, b sessioncleanup.SessionRef) int { return strings.Compare(a.ID, b.ID) })
		s.log(now, sessioncleanup.ActionReactivated, *t.Reactivate, reactivated...)
	}
	return written, nil
}

// latest is when each session of a touch was last used.
func latest(t sessioncleanup.Touch, now time.Time) map[string]time.Time {
	used := make(map[string]time.Time, len(t.IDs))
	for i, id := range t.IDs {
		if at := t.At(i, now); at.After(used[id]) {
			used[id] = at
		}
	}
	return used
}
