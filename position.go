package sessioncleanup

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// Sort is the order of a list.
type Sort string

// The orders of a list; ties are broken by ID. Sessions without the value come as if it were the smallest.
const (
	SortLastActivity Sort = "last_activity" // longest unused first
	SortCreated      Sort = "created"       // oldest first
	SortName         Sort = "name"          // by name, compared byte by byte
)

// Sorts lists every order.
func Sorts() []Sort { return []Sort{SortLastActivity, SortCreated, SortName} }

// Position is a place in a list: the sort key and the ID of the last session seen. Stores make it and read it; for
// others it is opaque. The key of a time is in RFC 3339, UTC, with nanoseconds; it is empty for a time that is not known.
type Position struct {
	Key string `json:"k"`
	ID  string `json:"i"`
}

// timeKey has a fixed width, so that keys sort as times do.
const timeKey = "2006-01-02T15:04:05.000000000Z"

// Position returns the session's place in the order of the query, for stores that sort in Go.
func (q Query) Position(s Session) Position {
	switch q.Sort {
	case SortName:
		return Position{s.Name, s.ID}
	case SortCreated:
		return Position{keyOf(s.CreatedAt), s.ID}
	default:
		return Position{keyOf(s.LastActivity), s.ID}
	}
}

func keyOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeKey)
}

// isTimeKey reports whether a key is one that keyOf makes of a time that databases have.
func isTimeKey(key string) bool {
	if key == "" {
		return true
	}
	t, err := time.Parse(timeKey, key)
	return err == nil && t.Year() > 0
}

// Compare orders two positions in the order of the query. It returns -1, 0 or 1, as cmp.Compare does.
func (q Query) Compare(a, b Position) int {
	order := cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
	if q.Descending {
		return -order
	}
	return order
}

// Answer returns the page that the query asks for, out of all sessions of a store, at now, the store's clock. It
// defines what Store.List returns. A store that holds few sessions in memory can call it.
func (q Query) Answer(all []Session, now time.Time) Page {
	page := Page{Cutoffs: q.Thresholds.At(now)}
	var found []Session
	for _, s := range all {
		if q.Selects(s, page.Cutoffs) {
			found = append(found, s)
		}
	}
	page.Total = min(len(found), q.CountUpTo)
	slices.SortFunc(found, func(a, b Session) int { return q.Compare(q.Position(a), q.Position(b)) })
	if q.After != nil {
		found = slices.DeleteFunc(found, func(s Session) bool { return q.Compare(q.Position(s), *q.After) <= 0 })
	}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		if q.Limit > 0 {
			next := q.Position(found[q.Limit-1])
			page.Next = &next
		}
	}
	for i := range found {
		found[i].AsOf = now.UTC()
	}
	page.Sessions = found
	return page
}

// Answer counts the sessions of a store at now, the store's clock. It defines what Store.Counts returns.
func (q CountsQuery) Answer(all iter.Seq[Session], now time.Time) Counts {
	counts := Counts{Cutoffs: q.Thresholds.At(now)}
	for s := range all {
		if !q.Matches(s) {
			continue
		}
		counts.Total++
		addIf(&counts.Active, s.Active)
		addIf(&counts.Inactive, !s.Active)
		addIf(&counts.Old, counts.Cutoffs.Old(s))
		addIf(&counts.Protected, !s.AutoCleanup)
		addIf(&counts.DueForDeactivation, counts.Cutoffs.Due(ActionDeactivated, s))
		addIf(&counts.DueForDeletion, counts.Cutoffs.Due(ActionDeleted, s))
		addIf(&counts.NeverDue, counts.Cutoffs.NeverDue(s))
		addIf(&counts.InUse, counts.Cutoffs.usedAfter(counts.Cutoffs.Inactive, s))
		addIf(&counts.Recent, counts.Cutoffs.usedAfter(counts.Cutoffs.Recent(), s))
		counts.OldestOverdue = max(counts.OldestOverdue, counts.Cutoffs.Overdue(s))
	}
	return counts
}

func addIf(count *int, holds bool) {
	if holds {
		*count++
	}
}

// Selects reports whether the query selects the session, on any page.
func (q Query) Selects(s Session, c Cutoffs) bool {
	return q.Matches(s) && c.selects(q.Status, s)
}
