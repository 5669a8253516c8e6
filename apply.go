package sessioncleanup

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// This file holds the effect of a change, a run or a touch on a session, and the holder of a lease. They are stated once in Go. A backend
// that decides in SQL says the same there, and the conformance suite (store/storetest) compares the two.

// Apply returns the session as the action of a run leaves it at now. A deletion leaves the zero Session.
func (a Action) Apply(s Session, now time.Time) Session {
	switch a {
	case ActionDeleted:
		return Session{}
	case ActionDeactivated, ActionDated:
		s.Active, s.DeactivatedAt = false, now
	case ActionCorrected:
		s.LastActivity = now
	}
	return s
}

// Apply returns the session after the change, made at now, the store's clock. Times are cut to milliseconds. When the
// result is Equal to s, the change writes nothing.
//
// Reactivating an inactive session counts as activity. It also removes an expiry that has passed, so that the next run
// does not deactivate the session again. An expiry that the same change sets stays as given.
func (c Change) Apply(s Session, now time.Time) Session {
	now = now.UTC().Truncate(time.Millisecond)
	switch {
	case c.Active.Or(s.Active) == s.Active:
	case c.Active == On:
		s = s.reactivated(now)
	default:
		s.Active, s.DeactivatedAt = false, now
	}
	s.AutoCleanup = c.AutoCleanup.Or(s.AutoCleanup)
	if c.ExpiresAt != nil {
		s.ExpiresAt = c.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	if c.Keep != 0 && !s.Active {
		s.ExpiresAt = later(s.ExpiresAt, now.Add(c.Keep))
	}
	s.Tags = c.Tags.Apply(s.Tags)
	return s
}

// Apply returns the session after it was used at the given time, by the store's clock, and whether the store has to
// write it. The session must be one of t.IDs. A touch never moves the last activity backward.
//
// byRun says that a run deactivated the session, for idleness or expiry: the audit log has its deactivation by a run at
// exactly DeactivatedAt. A touch reactivates only such a session, and only for activity after its deactivation. A
// session that a person or the application deactivated stays inactive.
func (t Touch) Apply(s Session, at time.Time, byRun bool) (Session, bool) {
	at = at.UTC().Truncate(time.Millisecond)
	switch {
	case t.OwnerID != "" && s.OwnerID != t.OwnerID:
		return s, false
	case t.Reactivate != nil && byRun && !s.Active && s.AutoCleanup && at.After(s.DeactivatedAt):
		return s.reactivated(at), true
	case at.Sub(s.LastActivity) < max(t.Interval, 0):
		return s, false
	default:
		s.LastActivity = at
		return s, true
	}
}

// reactivated is the session made active again at a time that counts as activity.
func (s Session) reactivated(at time.Time) Session {
	s.Active, s.LastActivity, s.DeactivatedAt = true, later(s.LastActivity, at), time.Time{}
	if s.expired(at) {
		s.ExpiresAt = time.Time{}
	}
	return s
}

// Restored returns the session as the archive restores it at now, the store's clock: as it was, but used just now, so
// that the next run leaves it alone. For the same reason an active one loses an expiry that has passed. Times are cut
// to milliseconds.
func (s Session) Restored(now time.Time) Session {
	s.LastActivity = now.UTC().Truncate(time.Millisecond)
	if s.Active && s.expired(s.LastActivity) {
		s.ExpiresAt = time.Time{}
	}
	return s
}

// Observe returns the session as the library keeps it after the application wrote its own row at now, the store's
// clock: was is the session before the write, s after it. A session that became inactive gets DeactivatedAt. One that
// became active counts as used at now, unless the application set its last activity.
func (s Session) Observe(was Session, now time.Time) Session {
	now = now.UTC().Truncate(time.Millisecond)
	switch {
	case was.Active && !s.Active && s.DeactivatedAt.Equal(was.DeactivatedAt):
		s.DeactivatedAt = now
	case !was.Active && s.Active:
		s.DeactivatedAt = time.Time{}
		if s.LastActivity.Equal(was.LastActivity) {
			s.LastActivity = later(s.LastActivity, now)
		}
	}
	return s
}

// Apply returns the lease after a request at now, the store's clock. The receiver is the lease as stored, or the zero
// Lease when nobody ever took it. It returns a LeaseHeldError when another holder has the lease, and an ErrInvalid when
// the request is wrong.
//
// A repeated request by the holder renews the lease and keeps the epoch, even after the lease expired, unless another
// holder took it in between. A request to release another holder's lease changes nothing.
func (l Lease) Apply(r LeaseRequest, now time.Time) (Lease, error) {
	if r.Name == "" || r.Holder == "" || r.TTL < 0 || r.TTL > maxLeaseTTL {
		return Lease{}, invalid.Errorf("lease %q for %q with TTL %v: want a name, a holder and a TTL between 0 and %v", r.Name, r.Holder, r.TTL, maxLeaseTTL)
	}
	l.Name, l.Replaced = r.Name, ""
	mine := l.Holder == r.Holder
	switch {
	case r.TTL == 0 && mine:
		l.Holder, l.ExpiresAt, l.TTL = "", time.Time{}, 0
		return l, nil
	case r.TTL == 0:
		return l, nil
	case !mine && l.held(now):
		return Lease{}, &LeaseHeldError{Name: l.Name, Holder: l.Holder, Until: l.ExpiresAt, Remaining: l.ExpiresAt.Sub(now)}
	case !mine:
		l.Holder, l.Replaced = r.Holder, l.Holder
		l.Epoch++
	}
	l.ExpiresAt, l.TTL = now.UTC().Add(r.TTL), r.TTL.Truncate(time.Millisecond)
	return l, nil
}

// held reports whether the lease is held at now. One that lasts for longer than its TTL was taken when the store's
// clock was ahead, and is not waited for.
func (l Lease) held(now time.Time) bool {
	return l.Holder != "" && now.Before(l.ExpiresAt) && !l.ExpiresAt.After(now.Add(min(l.TTL, maxLeaseTTL)+time.Second))
}

// Guards reports whether the stored lease, the receiver, is at now still the one that the batch was given. It returns
// true for a batch without a lease.
func (l Lease) Guards(batch Lease, now time.Time) bool {
	return batch.Name == "" || l.Holder == batch.Holder && l.Epoch == batch.Epoch && now.Before(l.ExpiresAt)
}
