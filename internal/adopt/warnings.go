package adopt

import "fmt"

// NeverDue is the warning for active sessions that can never become due; empty when there are none.
func NeverDue(sessions int, untracked bool, lastActivity string) string {
	switch {
	case sessions == 0:
		return ""
	case untracked:
		return fmt.Sprintf("%d active sessions can never become due: they have no expiry, and nothing shows when they are used", sessions)
	default:
		return fmt.Sprintf("%d active sessions can never become due: they have no expiry, and their %s is unknown, infinite or from year 9000 on", sessions, lastActivity)
	}
}

// NotFollowed says that the rows of an activity table do not count, because it was made after the adoption.
func NotFollowed(table string) string {
	return fmt.Sprintf("rows of table %s refer to sessions, and do not count as activity yet", table)
}
