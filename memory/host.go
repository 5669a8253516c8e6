package memory

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Put adds sessions with exactly these values, or replaces those that have the same ID, as the host's own INSERT and
// UPDATE would: there are no events of it. A zero LastActivity means now; Status is not kept. All are put or none: an
// ErrInvalid says which session has no ID. When an ID stands twice, the last one counts.
func (s *Store) Put(sessions ...sessioncleanup.Session) error {
	for i, session := range sessions {
		if session.ID == "" {
			return invalidf("session %d of %d has no ID: want one", i+1, len(sessions))
		}
	}
	if err := s.lockOpen(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := clock()
	for _, session := range sessions {
		e := s.sessions.get(session.ID)
		if e == nil {
			e = newEntry(session.ID)
			s.sessions.put(e)
		}
		s.store(e, kept(session, now))
	}
	return nil
}

// kept is a session as it is stored.
func kept(s sessioncleanup.Session, now time.Time) sessioncleanup.Session {
	s.Status = ""
	s.CreatedAt, s.UpdatedAt, s.ExpiresAt = utc(s.CreatedAt), utc(s.UpdatedAt), utc(s.ExpiresAt)
	if s.LastActivity = utc(s.LastActivity); s.LastActivity.IsZero() {
		s.LastActivity = now
	}
	return s
}

// utc is a time without its zone and monotonic reading, so that equal times are equal values.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// Remove takes sessions away, as the host's own DELETE would: without events, and without Config.BeforeDelete. It
// gives the number of those that were there.
func (s *Store) Remove(ids ...string) (int, error) {
	if err := s.lockOpen(); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	removed := 0
	for _, id := range ids {
		if e := s.sessions.get(id); e != nil {
			s.drop(e)
			removed++
		}
	}
	return removed, nil
}

// drop forgets a session.
func (s *Store) drop(e *entry) {
	s.unindex(e)
	s.sessions.delete(e)
}

// AddActivity notes that the session got n more rows of activity just now: it raises ActivityCount by n, and sets the
// last activity to now unless it is later. It leaves an inactive session inactive; Store.Touch can reactivate it.
// ErrNotFound when there is no such session, ErrInvalid when n is negative.
func (s *Store) AddActivity(id string, n int64) error {
	if n < 0 {
		return invalidf("activity of session %q is %d: want 0 or more", id, n)
	}
	if err := s.lockOpen(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e := s.sessions.get(id)
	if e == nil {
		return sessioncleanup.ErrNotFound
	}
	e.stored.ActivityCount += n
	if now := momentOf(clock()); now > e.activity {
		s.touch(e, now)
	}
	return nil
}
