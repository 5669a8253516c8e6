package sessioncleanup

import "time"

// Session is one row of the host's table of sessions, as the library sees it.
type Session struct {
	// ID identifies the session. It is always a string here, whatever the type of the host's column.
	ID string `json:"id"`
	// OwnerID says whom the session belongs to; empty when it belongs to nobody or the host keeps no owner.
	OwnerID string `json:"owner_id,omitempty"`
	// OwnerName is the owner's display name, when the host's schema tells where to find it.
	OwnerName string `json:"owner_name,omitempty"`
	// Name and Code are what people call the session; either may be empty.
	Name string `json:"name,omitempty"`
	Code string `json:"code,omitempty"`

	// Active is true until the session is deactivated.
	Active bool `json:"active"`
	// AutoCleanup is false for a session that nothing automatic may ever change.
	AutoCleanup bool `json:"auto_cleanup"`

	// CreatedAt and UpdatedAt come from the host's columns; zero where the host has none.
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// LastActivity is when the session was last used, to within Policy.TouchInterval.
	LastActivity time.Time `json:"last_activity"`
	// ExpiresAt ends the session at a fixed time, used or not; zero means that it has no such time.
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	// ActivityCount is the number of rows that the activity sources hold for the session.
	ActivityCount int64 `json:"activity_count"`
	// Status is what the policy says of the session; see Cutoffs.Status. A Manager fills it, a Store does not.
	Status Status `json:"status,omitempty"`
}

// Status says what the policy makes of a session at one moment.
type Status string

// The statuses of a session. Exactly one holds at a time.
const (
	StatusActive       Status = "active"        // in use, nothing is due
	StatusToDeactivate Status = "to_deactivate" // active, and due for deactivation
	StatusInactive     Status = "inactive"      // deactivated, not yet due for deletion
	StatusToDelete     Status = "to_delete"     // inactive, and due for deletion
	StatusProtected    Status = "protected"     // AutoCleanup is off: nothing automatic happens to it
)

// Statuses lists every status, in the order of a session's life.
func Statuses() []Status {
	return []Status{StatusActive, StatusToDeactivate, StatusInactive, StatusToDelete, StatusProtected}
}

// Cutoffs are the moments that one run, or one question, measures sessions against. Policy.CutoffsAt computes
// them once from the store's own clock; everything after that is a comparison, so a long run does not shift.
//
// Together with its methods this type is the one statement of the lifecycle's rules in Go. A backend that
// decides in SQL says the same there, and the conformance suite (store/storetest) compares the two.
type Cutoffs struct {
	// Now is the store's clock when the run began.
	Now time.Time `json:"now"`
	// Inactive makes active sessions due that were last used before it. Zero: deactivation is off, and
	// expired sessions are not due either.
	Inactive time.Time `json:"inactive,omitzero"`
	// Delete makes inactive sessions due that were last used, and expired, before it. Zero: deletion is off.
	Delete time.Time `json:"delete,omitzero"`
}

// DueForDeactivation reports whether a run with these cutoffs deactivates the session: it is active, may be
// cleaned up, and was either last used before Inactive or expires no later than Now.
func (c Cutoffs) DueForDeactivation(s Session) bool {
	if c.Inactive.IsZero() || !s.Active || !s.AutoCleanup {
		return false
	}
	return s.LastActivity.Before(c.Inactive) || expired(s, c.Now)
}

// DueForDeletion reports whether a run with these cutoffs deletes the session: it is inactive, may be cleaned
// up, and both its last activity and its expiry, if it has one, lie before Delete.
func (c Cutoffs) DueForDeletion(s Session) bool {
	return !s.Active && s.AutoCleanup && c.gone(LastSign(s))
}

// Old reports whether the session was last used before Delete, whatever its state.
func (c Cutoffs) Old(s Session) bool { return c.gone(s.LastActivity) }

// Status is what these cutoffs make of the session. Protection comes before everything else.
func (c Cutoffs) Status(s Session) Status {
	switch {
	case !s.AutoCleanup:
		return StatusProtected
	case c.DueForDeactivation(s):
		return StatusToDeactivate
	case c.DueForDeletion(s):
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
	case c.DueForDeactivation(s):
		late := c.Inactive.Sub(s.LastActivity)
		if expired(s, c.Now) {
			late = max(late, c.Now.Sub(s.ExpiresAt))
		}
		return late
	case c.DueForDeletion(s):
		return c.Delete.Sub(LastSign(s))
	default:
		return 0
	}
}

func (c Cutoffs) gone(t time.Time) bool { return !c.Delete.IsZero() && t.Before(c.Delete) }

func expired(s Session, now time.Time) bool { return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now) }

// LastSign is the later of a session's last activity and its expiry: the moment from which its deletion is
// counted. An expiry in the future keeps an inactive session until DeleteAfter past that expiry.
func LastSign(s Session) time.Time {
	if s.ExpiresAt.After(s.LastActivity) {
		return s.ExpiresAt
	}
	return s.LastActivity
}
