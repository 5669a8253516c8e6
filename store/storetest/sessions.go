package storetest

import (
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// firstID is added to the numbers of sessions, so that their ids have the same count of digits and sort alike as numbers
// and as texts.
const firstID = 1000

// kept is a last activity that keeps its session.
var kept = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

func (f *fixture) id(n int) string    { return f.ID(firstID + n) }
func (f *fixture) owner(n int) string { return f.Owner(n) }

// cause is who changes things in the checks, as part of a run.
func cause(reason string) sessioncleanup.Cause {
	return sessioncleanup.Cause{Actor: "admin:suite", Reason: reason, RunID: "run-" + reason}
}

// person is the cause of a change outside of runs.
func person(reason string) sessioncleanup.Cause {
	return sessioncleanup.Cause{Actor: "owner:suite", Reason: reason}
}

// activity is the cause of reactivation by a touch, which belongs to no run.
func activity() *sessioncleanup.Cause {
	return &sessioncleanup.Cause{Actor: "system", Reason: "activity"}
}

// session is a plain session of the first owner that may be cleaned up and was last used at the given time; an inactive
// one was deactivated then, too.
func (f *fixture) session(n int, active bool, lastActivity time.Time) sessioncleanup.Session {
	s := sessioncleanup.Session{
		ID: f.id(n), OwnerID: f.owner(1), Name: fmt.Sprintf("session %d", n), Code: fmt.Sprintf("C%d", n),
		Active: active, AutoCleanup: true,
		CreatedAt: f.now.Add(-100 * day), UpdatedAt: f.now.Add(-100 * day), LastActivity: lastActivity,
	}
	if !active {
		s.DeactivatedAt = lastActivity
	}
	return s
}

// dueForDeactivation and dueForDeletion are due at f.cut; fresh and idle are an active and an inactive session that are
// not.
func (f *fixture) dueForDeactivation(n int) sessioncleanup.Session {
	return f.session(n, true, f.now.Add(-2*day))
}

func (f *fixture) dueForDeletion(n int) sessioncleanup.Session {
	return f.session(n, false, f.now.Add(-40*day))
}

func (f *fixture) fresh(n int) sessioncleanup.Session {
	return f.session(n, true, f.now.Add(-2*time.Hour))
}

func (f *fixture) idle(n int) sessioncleanup.Session {
	return f.session(n, false, f.now.Add(-3*day))
}

// undated is an inactive session without a deactivation time.
func (f *fixture) undated(n int) sessioncleanup.Session {
	return deactivatedAt(time.Time{}, f.dueForDeletion(n))
}

func deactivatedAt(at time.Time, s sessioncleanup.Session) sessioncleanup.Session {
	s.DeactivatedAt = at
	return s
}

func expiring(s sessioncleanup.Session, at time.Time) sessioncleanup.Session {
	s.ExpiresAt = at
	return s
}

func protected(s sessioncleanup.Session) sessioncleanup.Session {
	s.AutoCleanup = false
	return s
}

func ownedBy(owner string, s sessioncleanup.Session) sessioncleanup.Session {
	s.OwnerID = owner
	return s
}

func named(name string, s sessioncleanup.Session) sessioncleanup.Session {
	s.Name = name
	return s
}

// many makes sessions with the numbers from first to last.
func many(first, last int, build func(n int) sessioncleanup.Session) []sessioncleanup.Session {
	var sessions []sessioncleanup.Session
	for n := first; n <= last; n++ {
		sessions = append(sessions, build(n))
	}
	return sessions
}

// policies are the default policy, milder and harsher ones, and those with phases off, the harshest last.
func policies() []sessioncleanup.Policy {
	const never = sessioncleanup.Never
	return []sessioncleanup.Policy{
		{InactiveAfter: never, DeleteAfter: never},
		{InactiveAfter: 48 * time.Hour, DeleteAfter: 60 * day},
		{InactiveAfter: never},
		{DeleteAfter: never},
		{},
		{InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * day},
	}
}

// filters select sessions of random data: one, some, none, and all, which comes last.
func (f *fixture) filters() []sessioncleanup.Filter {
	return []sessioncleanup.Filter{
		byID(f.id(7)),
		{ID: f.id(7), OwnerID: f.owner(9)},
		{Text: "no such text"},
		{OwnerID: f.owner(9)},
		{OwnerID: f.owner(2), Text: "BETA"},
		{OwnerID: f.owner(1), Text: "e"},
		{Text: "%"},
		{Text: "a"},
		{OwnerID: f.owner(3)},
		{OwnerID: f.owner(1)},
		{},
	}
}
