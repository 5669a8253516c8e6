package httpapi

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// prospect is the state of a session as people see it: what it is now and what happens to it next.
type prospect string

// The prospects of a session. Exactly one holds at a time.
const (
	isLive      prospect = "live"      // active, and not deactivated soon
	isClosing   prospect = "closing"   // active, and deactivated within ClosesSoon
	isClosed    prospect = "closed"    // inactive, and not deleted soon
	isDeleting  prospect = "deleting"  // inactive, and deleted within DeletesSoon
	isProtected prospect = "protected" // nothing automatic happens to it
)

// prospectOf is the session's prospect when it was read, and when a run deactivates or deletes it unless it is used or changed
// before then; zero for never.
func prospectOf(s sessioncleanup.Session) (prospect, time.Time) {
	soon := func(at time.Time, within time.Duration) bool { return !at.IsZero() && at.Sub(s.AsOf) <= within }
	switch {
	case !s.AutoCleanup:
		return isProtected, time.Time{}
	case s.Active && soon(s.DeactivateAt, sessioncleanup.ClosesSoon):
		return isClosing, s.DeactivateAt
	case s.Active:
		return isLive, s.DeactivateAt
	case soon(s.DeleteAt, sessioncleanup.DeletesSoon):
		return isDeleting, s.DeleteAt
	default:
		return isClosed, s.DeleteAt
	}
}
