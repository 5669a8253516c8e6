package sessioncleanup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Prospect is the state of a session as people see it: what it is now and what happens to it next.
type Prospect string

// The prospects of a session. Exactly one holds at a time; Session.Prospect says which, and when it ends.
const (
	ProspectLive      Prospect = "live"      // active, and not deactivated soon
	ProspectClosing   Prospect = "closing"   // active, and deactivated within ClosesSoon
	ProspectClosed    Prospect = "closed"    // inactive, and not deleted soon
	ProspectDeleting  Prospect = "deleting"  // inactive, and deleted within DeletesSoon
	ProspectProtected Prospect = "protected" // nothing automatic happens to it
)

// How near the deactivation or the deletion of a session is when its Prospect says so.
const (
	ClosesSoon  = 12 * time.Hour
	DeletesSoon = 7 * 24 * time.Hour
)

// Prospects lists every prospect, in the order of a session's life.
func Prospects() []Prospect {
	return []Prospect{ProspectLive, ProspectClosing, ProspectClosed, ProspectDeleting, ProspectProtected}
}

// Prospect is the session's prospect when it was read, and when a run deactivates or deletes it unless it is used or changed
// before then; zero for never. A Manager must have returned the session.
func (s Session) Prospect() (Prospect, time.Time) {
	soon := func(at time.Time, within time.Duration) bool { return !at.IsZero() && at.Sub(s.AsOf) <= within }
	switch {
	case !s.AutoCleanup:
		return ProspectProtected, time.Time{}
	case s.Active && soon(s.DeactivateAt, ClosesSoon):
		return ProspectClosing, s.DeactivateAt
	case s.Active:
		return ProspectLive, s.DeactivateAt
	case soon(s.DeleteAt, DeletesSoon):
		return ProspectDeleting, s.DeleteAt
	default:
		return ProspectClosed, s.DeleteAt
	}
}

const (
	outlookCounts = 1000 // how far an Outlook counts
	outlookReads  = 100  // sessions among which it looks for the first
	outlookNames  = 5    // sessions that it names of each kind
)

// Outlook is what happens soon to the sessions of an owner, or to all, unless they are used or changed before then.
type Outlook struct {
	At       time.Time // the store's clock
	Closing  Upcoming  // deactivated within ClosesSoon
	Deleting Upcoming  // deleted within DeletesSoon
}

// Upcoming are the sessions of one kind in an Outlook.
type Upcoming struct {
	Count    int       // exact up to 1000
	More     bool      // there are more than Count
	Sessions []Session // the first five: exactly, unless there are more than a hundred
}

// Outlook looks ahead for one owner's sessions, or all with an empty owner; for an owner that is all of its own.
func (m *Manager) Outlook(ctx context.Context, owner string) (Outlook, error) {
	const operation = "look ahead"
	owner, err := m.scope(operation, owner)
	if err != nil {
		return Outlook{}, err
	}
	now, err := m.Now(ctx)
	if err != nil {
		return Outlook{}, fmt.Errorf("%s: %w", operation, err)
	}
	out := Outlook{At: now}
	if m.policy.deactivates() {
		out.Closing, err = m.upcoming(ctx, owner, StatusToDeactivate, now, ClosesSoon)
	}
	if err == nil && m.policy.deletes() {
		out.Deleting, err = m.upcoming(ctx, owner, StatusToDelete, now, DeletesSoon)
	}
	if err != nil {
		return Outlook{}, fmt.Errorf("%s: %w", operation, err)
	}
	return out, nil
}

// upcoming are the sessions that will have the status after a while: those that have it when they are measured then.
func (m *Manager) upcoming(ctx context.Context, owner string, status Status, now time.Time, within time.Duration) (Upcoming, error) {
	then := m.policy.Thresholds()
	then.Now = now.Add(within)
	page, err := m.store.List(ctx, Query{
		Filter: Filter{OwnerID: owner}, Status: status, Thresholds: then, Sort: SortLastActivity, Limit: outlookReads, CountUpTo: outlookCounts + 1,
	})
	if err != nil {
		return Upcoming{}, err
	}
	up := Upcoming{Count: min(page.Total, outlookCounts), More: page.Total > outlookCounts}
	present := m.policy.CutoffsAt(now)
	present.Untracked = page.Cutoffs.Untracked
	for _, s := range page.Sessions {
		up.Sessions = append(up.Sessions, present.Measure(s))
	}
	slices.SortStableFunc(up.Sessions, func(a, b Session) int {
		_, at := a.Prospect()
		_, bt := b.Prospect()
		return cmp.Or(at.Compare(bt), cmp.Compare(a.ID, b.ID))
	})
	up.Sessions = up.Sessions[:min(len(up.Sessions), outlookNames)]
	return up, nil
}
