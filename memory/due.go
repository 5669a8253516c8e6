package memory

import (
	"context"
	"iter"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// due is what is due for one of the two actions: the sessions in idle before one key, and those in expiring before
// another.
type due struct {
	idle           *tree[moment] // by last activity
	idleBefore     moment
	expiring       *tree[moment] // by expiry
	expiringBefore moment
	overlap        bool // a session may stand in both trees
}

// dueForDeactivation finds what Cutoffs.DueForDeactivation says.
func (x *indexes) dueForDeactivation(c sessioncleanup.Cutoffs) due {
	if c.Inactive.IsZero() {
		return due{idle: &tree[moment]{}, expiring: &tree[moment]{}}
	}
	return due{
		idle: &x.due[activeIdle], idleBefore: momentOf(c.Inactive),
		expiring: &x.due[activeExpiring], expiringBefore: momentOf(c.Now) + 1,
		overlap: true,
	}
}

// dueForDeletion finds what Cutoffs.DueForDeletion says. Nothing is before the key of a zero time.
func (x *indexes) dueForDeletion(c sessioncleanup.Cutoffs) due {
	before := momentOf(c.Delete)
	return due{
		idle: &x.due[inactiveIdle], idleBefore: before,
		expiring: &x.due[inactiveExpired], expiringBefore: before,
	}
}

// count is O(log n) for what is idle. Expired sessions that may be idle as well are looked at one by one; a run
// deactivates them all, so they do not pile up.
func (d due) count() int {
	n := d.idle.rank(d.idleBefore)
	if !d.overlap {
		return n + d.expiring.rank(d.expiringBefore)
	}
	for range d.expired(nil) {
		n++
	}
	return n
}

// idled walks the idle sessions behind a place.
func (d due) idled(after *item[moment]) iter.Seq[item[moment]] {
	return until(d.idle.ascend(after), d.idleBefore)
}

// idledReverse walks the idle sessions before a place, backwards.
func (d due) idledReverse(before *item[moment]) iter.Seq[item[moment]] {
	if end := at(d.idleBefore, ""); before == nil || before.compare(end) > 0 {
		before = &end
	}
	return d.idle.descend(before)
}

// expired walks the expired sessions behind a place that are not idle as well.
func (d due) expired(after *item[moment]) iter.Seq[item[moment]] {
	return func(yield func(item[moment]) bool) {
		for it := range until(d.expiring.ascend(after), d.expiringBefore) {
			if d.overlap && it.entry.activity < d.idleBefore {
				continue
			}
			if !yield(it) {
				return
			}
		}
	}
}

func until(items iter.Seq[item[moment]], before moment) iter.Seq[item[moment]] {
	return func(yield func(item[moment]) bool) {
		for it := range items {
			if it.key >= before || !yield(it) {
				return
			}
		}
	}
}

// oldest is for how long the session that is due the longest has been due: it comes first in one of the trees.
func (d due) oldest(c sessioncleanup.Cutoffs) time.Duration {
	var oldest time.Duration
	for _, t := range []*tree[moment]{d.idle, d.expiring} {
		if e := t.first(); e != nil {
			oldest = max(oldest, c.Overdue(e.session()))
		}
	}
	return oldest
}

// Counts gives the figures of all sessions, or of one owner's. It takes O(log n), and a step for every session that
// expired and was not deactivated yet.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	c := q.Cutoffs
	if err := s.lockFresh(ctx, cutoffKey(c)); err != nil {
		return sessioncleanup.Counts{}, err
	}
	defer s.mu.Unlock()
	x := s.of(q.OwnerID)
	deactivation, deletion := x.dueForDeactivation(c), x.dueForDeletion(c)
	return sessioncleanup.Counts{
		Total:              x.activity.size,
		Active:             x.active,
		Inactive:           x.activity.size - x.active,
		Old:                x.activity.rank(momentOf(c.Delete)),
		Protected:          x.protected,
		DueForDeactivation: deactivation.count(),
		DueForDeletion:     deletion.count(),
		OldestOverdue:      max(deactivation.oldest(c), deletion.oldest(c)),
	}, nil
}

// cutoffKey is the key up to which the indexes must be right for what the cutoffs say.
func cutoffKey(c sessioncleanup.Cutoffs) moment { return max(momentOf(c.Inactive), momentOf(c.Delete)) }
