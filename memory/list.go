package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// List returns the sessions that match the query, in its order. A page of what is due looks only at what is due. Any
// other page is read from the index of its order: it looks at sessions until the page is full and the count complete.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Page{}, err
	}
	defer s.mu.Unlock()
	page := s.page(q, clock())
	for i := range page.Sessions { // callers may change what they got
		page.Sessions[i].Tags = slices.Clone(page.Sessions[i].Tags)
	}
	return page, nil
}

func (s *Store) page(q sessioncleanup.Query, now time.Time) sessioncleanup.Page {
	if q.ID != "" {
		return q.Answer([]sessioncleanup.Session{s.sessions[q.ID]}, now)
	}
	action, isDue := map[sessioncleanup.Status]sessioncleanup.Action{
		sessioncleanup.StatusToDeactivate: sessioncleanup.ActionDeactivated, sessioncleanup.StatusToDelete: sessioncleanup.ActionDeleted,
		sessioncleanup.SelectToWarn: sessioncleanup.ActionNoticed,
	}[q.Status]
	if !isDue {
		return s.scan(q, now)
	}
	var all []sessioncleanup.Session
	for _, session := range s.due(action, q.Thresholds.At(now), place{}) {
		all = append(all, session)
	}
	return q.Answer(all, now)
}

// scan answers a query as Query.Answer does, from the index of its order.
func (s *Store) scan(q sessioncleanup.Query, now time.Time) sessioncleanup.Page {
	page := sessioncleanup.Page{Cutoffs: q.Thresholds.At(now)}
	full := q.Limit <= 0
	for p := range s.walk(q) {
		if full && page.Total >= q.CountUpTo {
			break
		}
		session := s.sessions[p.ID]
		if !q.Selects(session, page.Cutoffs) {
			continue
		}
		page.Total = min(page.Total+1, q.CountUpTo)
		switch {
		case full || q.After != nil && q.Compare(p, *q.After) <= 0:
		case len(page.Sessions) == q.Limit:
			next := q.Position(page.Sessions[q.Limit-1])
			page.Next, full = &next, true
		default:
			session.AsOf = now
			page.Sessions = append(page.Sessions, session)
		}
	}
	return page
}

// walk walks the sessions in the order of the query: all of them when they are counted, or else those of the page and
// later ones.
func (s *Store) walk(q sessioncleanup.Query) iter.Seq[sessioncleanup.Position] {
	x := &s.indexes[byActivity]
	switch q.Sort {
	case sessioncleanup.SortCreated:
		x = &s.indexes[byCreation]
	case sessioncleanup.SortName:
		x = &s.indexes[byName]
	}
	from := q.After
	if q.CountUpTo > 0 {
		from = nil
	}
	if q.Descending {
		return x.descend(from)
	}
	return x.ascend(from)
}

// Counts returns the figures of the sessions that match the filter. It looks at every session.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Counts{}, err
	}
	defer s.mu.Unlock()
	return q.Answer(maps.Values(s.sessions), clock()), nil
}
