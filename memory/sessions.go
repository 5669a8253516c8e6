package memory

import (
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// The orders in which sessions are indexed: those of lists, which hold all sessions, and those in which runs find what
// is due.
const (
	byActivity = iota
	byCreation
	byName
	idle     // active, not protected: by last activity
	expiring // active, not protected: by expiry, if they have one
	kept     // inactive since a known time, not protected: by KeptSince
	undated  // inactive since an unknown time, not protected: by ID
	orders
)

// positions returns the session's position in each order. The ID is empty where the session is not indexed: a zero
// session is in no order.
func positions(s sessioncleanup.Session) (p [orders]sessioncleanup.Position) {
	p[byActivity] = position(sessioncleanup.SortLastActivity, s)
	p[byCreation] = position(sessioncleanup.SortCreated, s)
	p[byName] = position(sessioncleanup.SortName, s)
	switch {
	case !s.AutoCleanup:
	case !s.Active && s.DeactivatedAt.IsZero():
		p[undated] = sessioncleanup.Position{ID: s.ID}
	case !s.Active:
		p[kept] = timePosition(s.KeptSince(), s.ID)
	default:
		p[idle] = p[byActivity]
		if !s.ExpiresAt.IsZero() {
			p[expiring] = timePosition(s.ExpiresAt, s.ID)
		}
	}
	return p
}

func position(by sessioncleanup.Sort, s sessioncleanup.Session) sessioncleanup.Position {
	return sessioncleanup.Query{Sort: by}.Position(s)
}

func timePosition(t time.Time, id string) sessioncleanup.Position {
	return position(sessioncleanup.SortLastActivity, sessioncleanup.Session{ID: id, LastActivity: t})
}

// replace stores a session instead of an older version of itself. With a zero session before it adds one, with a zero
// session after it removes one.
func (s *Store) replace(before, after sessioncleanup.Session) {
	was, is := positions(before), positions(after)
	for i := range s.indexes {
		if was[i] == is[i] {
			continue
		}
		if was[i].ID != "" {
			s.indexes[i].remove(was[i])
		}
		if is[i].ID != "" {
			s.indexes[i].insert(is[i])
		}
	}
	if after.ID == "" {
		delete(s.sessions, before.ID)
	} else {
		s.sessions[after.ID] = after
	}
}

// Put adds sessions with exactly these values, or replaces those with the same ID, without events, as the application's
// own INSERT and UPDATE would. It sets tags, too, except those of Config.TagColumns. A zero LastActivity means now.
// AsOf and the fields that follow from a policy are not stored. A session that becomes inactive or active gets
// DeactivatedAt or counts as used now, as Session.Observe says. It stores all sessions or none: an ErrInvalid says
// which one has no ID or a wrong tag. When several have the same ID, the last one counts.
func (s *Store) Put(sessions ...sessioncleanup.Session) error {
	for i, session := range sessions {
		if session.ID == "" {
			return invalid.Errorf("session %d of %d has no ID: want one", i+1, len(sessions))
		}
		if err := (sessioncleanup.TagChange{Add: session.Tags}).Validate(); err != nil {
			return fmt.Errorf("session %q: %w", session.ID, err)
		}
	}
	if err := s.lockOpen(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := clock().Truncate(time.Millisecond)
	for _, session := range sessions {
		was, there := s.sessions[session.ID]
		session.Tags = append(tagsOf(s.schema, was.Tags, true), tagsOf(s.schema, session.Tags, false)...)
		is := stored(session, now)
		is.Warning = s.notices[session.ID].Warning
		if there {
			is = is.Observe(was, now)
		}
		s.replace(was, is)
	}
	return nil
}

// stored is a session as it is stored.
func stored(s sessioncleanup.Session, now time.Time) sessioncleanup.Session {
	s.Warning = sessioncleanup.Warning{}
	s.Tags = sessioncleanup.TagChange{}.Apply(s.Tags)
	s.AsOf, s.Status, s.DeactivateAt, s.DeleteAt = time.Time{}, "", time.Time{}, time.Time{}
	s.CreatedAt, s.UpdatedAt, s.ExpiresAt, s.DeactivatedAt = utc(s.CreatedAt), utc(s.UpdatedAt), utc(s.ExpiresAt), utc(s.DeactivatedAt)
	s.Name, s.Code, s.OwnerName = shorten.Text(s.Name, sessioncleanup.MaxName), shorten.Text(s.Code, sessioncleanup.MaxName), shorten.Text(s.OwnerName, sessioncleanup.MaxName)
	if s.LastActivity = utc(s.LastActivity); s.LastActivity.IsZero() {
		s.LastActivity = now
	}
	return s
}

// utc is a time without its zone and monotonic reading.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }

// Remove removes sessions without events and without Config.Refuse, as the application's own DELETE would. It
// returns the number of sessions that existed.
func (s *Store) Remove(ids ...string) (int, error) {
	if err := s.lockOpen(); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	removed := 0
	for _, id := range ids {
		if session, ok := s.sessions[id]; ok {
			s.replace(session, sessioncleanup.Session{})
			removed++
		}
	}
	return removed, nil
}

// AddActivity records that the session got n more rows of activity just now: it raises ActivityCount by n, and sets the
// last activity to now unless it is later. An inactive session stays inactive; Store.Touch can reactivate it. It fails
// with ErrNotFound when there is no such session, and with ErrInvalid when n is negative.
func (s *Store) AddActivity(id string, n int64) error {
	if n < 0 {
		return invalid.Errorf("activity of session %q is %d: want 0 or more", id, n)
	}
	if err := s.lockOpen(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	session, ok := s.sessions[id]
	if !ok {
		return sessioncleanup.ErrNotFound
	}
	used, _ := sessioncleanup.Touch{}.Apply(session, clock(), false)
	used.ActivityCount += n
	s.replace(session, used)
	return nil
}
