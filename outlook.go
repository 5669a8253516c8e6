package sessioncleanup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// An Outlook lists sessions that are deactivated within ClosesSoon, and sessions that are deleted within DeletesSoon.
const (
	ClosesSoon  = 12 * time.Hour
	DeletesSoon = 7 * 24 * time.Hour
)

const (
	outlookCounts = 1000 // how far an Outlook counts
	outlookReads  = 100  // sessions among which it looks for the first
	outlookNames  = 5    // sessions that it names of each kind
)

// Outlook is what happens soon to the sessions of one owner or of all, unless they are used or changed before then.
type Outlook struct {
	At       time.Time // the store's clock
	Closing  Upcoming  // deactivated within ClosesSoon
	Deleting Upcoming  // deleted within DeletesSoon
}

// Upcoming lists the sessions of an Outlook to which one thing will happen.
type Upcoming struct {
	Count    int       // exact up to 1000
	More     bool      // there are more than Count
	Sessions []Session // the first five: exactly, unless there are more than a hundred
}

// Outlook returns what happens soon to one owner's sessions or, with an empty owner, to all sessions that the caller
// may see.
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
	return wrapped(operation, out, err)
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
		first := a.DeleteAt.Compare(b.DeleteAt)
		if status == StatusToDeactivate {
			first = a.DeactivateAt.Compare(b.DeactivateAt)
		}
		return cmp.Or(first, cmp.Compare(a.ID, b.ID))
	})
	up.Sessions = up.Sessions[:min(len(up.Sessions), outlookNames)]
	return up, nil
}
