package sqlstore

import (
	"cmp"
	"database/sql"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Checked is the query of a list with its default order; an ErrInvalid for an order or a status that does not exist.
func Checked(q sessioncleanup.Query) (sessioncleanup.Query, error) {
	q.Sort = cmp.Or(q.Sort, sessioncleanup.SortLastActivity)
	if !slices.Contains(sessioncleanup.Sorts(), q.Sort) {
		return q, invalid.Errorf("sort is %q: want one of %q", q.Sort, sessioncleanup.Sorts())
	}
	if q.Status != "" && !slices.Contains(sessioncleanup.Selections(), q.Status) {
		return q, invalid.Errorf("status is %q: want one of %q", q.Status, sessioncleanup.Selections())
	}
	return q, nil
}

// RuleTags are the tags that have a rule.
func RuleTags(c sessioncleanup.Cutoffs) []string {
	tags := make([]string, len(c.Rules))
	for i, r := range c.Rules {
		tags[i] = r.Tag
	}
	return tags
}

// IDs are those of some sessions.
func IDs(refs []sessioncleanup.SessionRef) []string {
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	return ids
}

// Latest are the latest times at which a touch says that its sessions were used, by their ids.
func Latest(t sessioncleanup.Touch, now time.Time) map[string]time.Time {
	latest := map[string]time.Time{}
	for i, id := range t.IDs {
		if at := t.At(i, now); at.After(latest[id]) {
			latest[id] = at
		}
	}
	return latest
}

// AddFigures adds figures of sessions that have the same cutoffs: which, the first column says, of which group is the destination.
func AddFigures(counts *sessioncleanup.Counts, rows *sql.Rows, group any, cutoffs func() sessioncleanup.Cutoffs) error {
	var some sessioncleanup.Counts
	var idle, expired, gone time.Time // the longest due
	err := rows.Scan(group, &some.Total, &some.Active, &some.Old, &some.Protected, &some.DueForDeactivation, &some.DueForDeletion, &some.NeverDue,
		&some.InUse, &some.Recent, Time(&idle), Time(&expired), Time(&gone))
	if err != nil {
		return err
	}
	for _, add := range []struct {
		to *int
		n  int
	}{
		{&counts.Total, some.Total}, {&counts.Active, some.Active}, {&counts.Old, some.Old}, {&counts.Protected, some.Protected},
		{&counts.DueForDeactivation, some.DueForDeactivation}, {&counts.DueForDeletion, some.DueForDeletion}, {&counts.NeverDue, some.NeverDue},
		{&counts.InUse, some.InUse}, {&counts.Recent, some.Recent},
	} {
		*add.to += add.n
	}
	cut := cutoffs()
	for _, longest := range []struct{ at, cutoff time.Time }{{idle, cut.Inactive}, {expired, cut.Now}, {gone, cut.Delete}} {
		if !longest.at.IsZero() {
			counts.OldestOverdue = max(counts.OldestOverdue, longest.cutoff.Sub(longest.at))
		}
	}
	return nil
}
