package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// model says what a store should hold and answer. It is as plain as can be: a slice, read from end to end, and the
// rules of sessioncleanup.Cutoffs.
type model struct {
	sessions []sessioncleanup.Session
}

// at is the place of a session in the slice, or -1.
func (m *model) at(id string) int {
	return slices.IndexFunc(m.sessions, func(s sessioncleanup.Session) bool { return s.ID == id })
}

func (m *model) remove(ids ...string) {
	m.sessions = slices.DeleteFunc(m.sessions, func(s sessioncleanup.Session) bool { return slices.Contains(ids, s.ID) })
}

// list gives all sessions that match the query, in its order, on one page.
func (m *model) list(q sessioncleanup.Query) []sessioncleanup.Session {
	var found []sessioncleanup.Session
	for _, s := range m.sessions {
		if matches(q, s) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b sessioncleanup.Session) int {
		order := cmp.Or(compare(q.Sort, a, b), strings.Compare(a.ID, b.ID))
		if q.Descending {
			return -order
		}
		return order
	})
	return found
}

func compare(by sessioncleanup.Sort, a, b sessioncleanup.Session) int {
	switch by {
	case sessioncleanup.SortName:
		return strings.Compare(a.Name, b.Name)
	case sessioncleanup.SortCreated:
		return a.CreatedAt.Compare(b.CreatedAt)
	default:
		return a.LastActivity.Compare(b.LastActivity)
	}
}

func matches(q sessioncleanup.Query, s sessioncleanup.Session) bool {
	return (q.ID == "" || q.ID == s.ID) &&
		(q.OwnerID == "" || q.OwnerID == s.OwnerID) &&
		(q.Status == "" || q.Status == q.Cutoffs.Status(s)) &&
		(q.Text == "" || contains(s.Name, q.Text) || contains(s.Code, q.Text) || contains(s.ID, q.Text))
}

// contains reports whether part stands in text, with ASCII letters in either case.
func contains(text, part string) bool {
	return strings.Contains(strings.Map(lower, text), strings.Map(lower, part))
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// counts gives the figures of a counts query.
func (m *model) counts(q sessioncleanup.CountsQuery) sessioncleanup.Counts {
	var c sessioncleanup.Counts
	for _, s := range m.sessions {
		if q.OwnerID != "" && q.OwnerID != s.OwnerID {
			continue
		}
		c.Total++
		add(&c.Active, s.Active)
		add(&c.Inactive, !s.Active)
		add(&c.Old, q.Cutoffs.Old(s))
		add(&c.Protected, !s.AutoCleanup)
		add(&c.DueForDeactivation, q.Cutoffs.DueForDeactivation(s))
		add(&c.DueForDeletion, q.Cutoffs.DueForDeletion(s))
		c.OldestOverdue = max(c.OldestOverdue, q.Cutoffs.Overdue(s))
	}
	return c
}

func add(count *int, holds bool) {
	if holds {
		*count++
	}
}

// change is what Store.Update makes of a session at now, and whether that is anything.
func change(s sessioncleanup.Session, c sessioncleanup.Change, now time.Time) (sessioncleanup.Session, bool) {
	before := s
	if c.ExpiresAt != nil {
		s.ExpiresAt = *c.ExpiresAt
	}
	if c.AutoCleanup != nil {
		s.AutoCleanup = *c.AutoCleanup
	}
	switch {
	case c.Active == nil:
	case *c.Active && !s.Active:
		s = reactivated(s, now)
	default:
		s.Active = *c.Active
	}
	return s, difference(before, s) != ""
}

func reactivated(s sessioncleanup.Session, now time.Time) sessioncleanup.Session {
	s.Active, s.LastActivity = true, now
	if !s.ExpiresAt.After(now) {
		s.ExpiresAt = time.Time{}
	}
	return s
}
