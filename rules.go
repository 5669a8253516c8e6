package sessioncleanup

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// This file holds the rules of the lifecycle: what is due, what a change or a touch makes of a session, who holds a
// lease. They are stated once in Go. A backend that decides in SQL says the same there, and the conformance suite
// (store/storetest) compares the two on random data.

// Thresholds say how long a session must have been unused to be due, TouchInterval included; see Policy.Thresholds.
type Thresholds struct {
	// Now pins the moment at which sessions are measured, as a run does. Zero: the store's clock when it answers.
	Now time.Time
	// Inactive and Delete are Policy.InactiveAfter and Policy.DeleteAfter, each with Policy.TouchInterval added. Zero
	// turns the phase off.
	Inactive time.Duration
	Delete   time.Duration
}

// At computes the cutoffs at Thresholds.Now or, when that is zero, at now, the store's clock. Times are cut to
// milliseconds, the finest that every backend keeps, always toward the past: nothing becomes due early.
func (t Thresholds) At(now time.Time) Cutoffs {
	if !t.Now.IsZero() {
		now = t.Now
	}
	c := Cutoffs{Now: now.UTC().Truncate(time.Millisecond)}
	if t.Inactive > 0 {
		c.Inactive = c.Now.Add(-t.Inactive).Truncate(time.Millisecond)
	}
	if t.Delete > 0 {
		c.Delete = c.Now.Add(-t.Delete).Truncate(time.Millisecond)
	}
	return c
}

// Cutoffs are the moments against which one run, or one question, measures sessions. They are computed once, from the
// store's own clock; everything after that is a comparison, so a long run does not shift.
type Cutoffs struct {
	// Now is the store's clock when the run began.
	Now time.Time `json:"now"`
	// Inactive makes active sessions due that were last used before it. Zero: deactivation is off, and expired sessions
	// are not due either.
	Inactive time.Time `json:"inactive,omitzero"`
	// Delete makes inactive sessions due that were last used, and expired, before it. Zero: deletion is off.
	Delete time.Time `json:"delete,omitzero"`
}

// Due reports whether a run with these cutoffs does the action to the session. It is false for actions that are no
// phase of a run.
func (c Cutoffs) Due(a Action, s Session) bool {
	switch a {
	case ActionDeactivated:
		return c.dueForDeactivation(s)
	case ActionDeleted:
		return c.dueForDeletion(s)
	default:
		return false
	}
}

// dueForDeactivation: the session is active, may be cleaned up, and was either last used before Inactive or expires no
// later than Now.
func (c Cutoffs) dueForDeactivation(s Session) bool {
	return s.Active && s.AutoCleanup && !c.Inactive.IsZero() && (s.LastActivity.Before(c.Inactive) || s.expired(c.Now))
}

// dueForDeletion: the session is inactive, may be cleaned up, and KeptSince lies before Delete.
func (c Cutoffs) dueForDeletion(s Session) bool {
	return !s.Active && s.AutoCleanup && !c.Delete.IsZero() && s.KeptSince().Before(c.Delete)
}

// Old reports whether the session was last used before Delete, whatever its state.
func (c Cutoffs) Old(s Session) bool { return !c.Delete.IsZero() && s.LastActivity.Before(c.Delete) }

// Status is the session's status at these cutoffs. Protection comes before everything else.
func (c Cutoffs) Status(s Session) Status {
	switch {
	case !s.AutoCleanup:
		return StatusProtected
	case c.dueForDeactivation(s):
		return StatusToDeactivate
	case c.dueForDeletion(s):
		return StatusToDelete
	case s.Active:
		return StatusActive
	default:
		return StatusInactive
	}
}

// Overdue is for how long the session has been due; zero when it is not.
func (c Cutoffs) Overdue(s Session) time.Duration {
	switch {
	case c.dueForDeactivation(s):
		late := c.Inactive.Sub(s.LastActivity)
		if s.expired(c.Now) {
			late = max(late, c.Now.Sub(s.ExpiresAt))
		}
		return late
	case c.dueForDeletion(s):
		return c.Delete.Sub(s.KeptSince())
	default:
		return 0
	}
}

// DeactivateAt is the moment from which a run deactivates the session if nobody uses or changes it until then. Zero
// when it is inactive, or nothing automatic ever deactivates it.
func (c Cutoffs) DeactivateAt(s Session) time.Time {
	if !s.Active || !s.AutoCleanup || c.Inactive.IsZero() {
		return time.Time{}
	}
	at := s.LastActivity.Add(c.Now.Sub(c.Inactive))
	if !s.ExpiresAt.IsZero() && s.ExpiresAt.Before(at) {
		return s.ExpiresAt
	}
	return at
}

// DeleteAt is the moment from which a run deletes the session if nobody uses or changes it until then; a run has to
// deactivate an active session before. Zero when nothing automatic ever deletes it.
func (c Cutoffs) DeleteAt(s Session) time.Time {
	if !s.AutoCleanup || c.Delete.IsZero() || s.Active && c.Inactive.IsZero() {
		return time.Time{}
	}
	return later(s.KeptSince().Add(c.Now.Sub(c.Delete)), c.DeactivateAt(s))
}

// Measure fills in AsOf and the fields that follow from the policy.
func (c Cutoffs) Measure(s Session) Session {
	s.AsOf, s.Status, s.DeactivateAt, s.DeleteAt = c.Now, c.Status(s), c.DeactivateAt(s), c.DeleteAt(s)
	return s
}

func (s Session) expired(now time.Time) bool { return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now) }

// KeptSince is the moment from which the deletion of an inactive session is counted: the later of its last activity and
// its expiry. An expiry in the future keeps the session until DeleteAfter past that expiry.
func (s Session) KeptSince() time.Time { return later(s.LastActivity, s.ExpiresAt) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Apply is the session after the change, made at now, the store's clock. Times are cut to milliseconds. The change
// writes nothing when the result is Equal to s.
//
// Reactivating an inactive session counts as activity, and removes an expiry that has passed so that the next run does
// not deactivate the session again. An expiry that the same change sets stays as given.
func (c Change) Apply(s Session, now time.Time) Session {
	if c.Active != nil && *c.Active && !s.Active {
		s = s.reactivated(now)
	}
	if c.Active != nil {
		s.Active = *c.Active
	}
	if c.AutoCleanup != nil {
		s.AutoCleanup = *c.AutoCleanup
	}
	if c.ExpiresAt != nil {
		s.ExpiresAt = c.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	return s
}

// Apply is the session after the touch, at now, the store's clock, and whether the touch writes it. The session must be
// one of t.IDs. A touch never moves the last activity backward.
func (t Touch) Apply(s Session, now time.Time) (Session, bool) {
	now = now.UTC().Truncate(time.Millisecond)
	switch {
	case t.OwnerID != "" && s.OwnerID != t.OwnerID:
		return s, false
	case t.Reactivate != nil && !s.Active && s.AutoCleanup:
		return s.reactivated(now), true
	case now.Sub(s.LastActivity) < max(t.Interval, 0):
		return s, false
	default:
		s.LastActivity = now
		return s, true
	}
}

func (s Session) reactivated(now time.Time) Session {
	now = now.UTC().Truncate(time.Millisecond)
	s.Active, s.LastActivity = true, later(s.LastActivity, now)
	if s.expired(now) {
		s.ExpiresAt = time.Time{}
	}
	return s
}

// Apply is the lease after a request at now, the store's clock. The receiver is the lease as stored; the zero Lease is
// one that was never taken. A LeaseHeldError says that somebody else holds it, an ErrInvalid that the request is wrong.
//
// A holder that asks again renews its lease and keeps the epoch, even after the lease expired, as long as nobody else
// took it in between. Releasing somebody else's lease changes nothing.
func (l Lease) Apply(r LeaseRequest, now time.Time) (Lease, error) {
	if r.Name == "" || r.Holder == "" || r.TTL < 0 {
		return Lease{}, invalid.Errorf("lease %q for %q with TTL %v: want a name, a holder and a TTL of 0 or more", r.Name, r.Holder, r.TTL)
	}
	l.Name = r.Name
	mine := l.Holder == r.Holder
	switch {
	case r.TTL == 0 && mine:
		l.Holder, l.ExpiresAt = "", time.Time{}
		return l, nil
	case r.TTL == 0:
		return l, nil
	case !mine && l.Holder != "" && now.Before(l.ExpiresAt):
		return Lease{}, &LeaseHeldError{Name: l.Name, Holder: l.Holder, Until: l.ExpiresAt, Remaining: l.ExpiresAt.Sub(now)}
	case !mine:
		l.Holder = r.Holder
		l.Epoch++
	}
	l.ExpiresAt = now.UTC().Add(r.TTL)
	return l, nil
}

// Guards reports whether the lease as stored, the receiver, still is what a batch was given, at now. A batch without a
// lease needs none.
func (l Lease) Guards(batch Lease, now time.Time) bool {
	return batch.Name == "" || l.Holder == batch.Holder && l.Epoch == batch.Epoch && now.Before(l.ExpiresAt)
}
