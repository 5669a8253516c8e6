package sessioncleanup

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// The bounds of a page of the audit log.
const (
	pageSessions = 100                    // sessions named of each event
	pageBytes    = 1 << 20                // of the texts in all events
	pageTime     = 200 * time.Millisecond // for events that are not there, or far back in the log
	firstPart    = 16                     // events looked at first; then twice as many, or fewer when they have many sessions
	largestPart  = 128                    // events looked at in one call of the store
)

// EventPage is a page of the audit log, newest first.
type EventPage struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next_before,omitempty"` // for EventQuery.Before; 0 at the end of the log
	Newest int64   `json:"-"`                     // the ID of the newest event that was looked at; 0 when there was none
}

// EventPage is Events with a limit on the work and on the size of the answer, for use behind an API. An event names its
// first 100 sessions and counts the others. A page ends early, possibly without any event, when it holds about a
// megabyte, or when finding the events of one session or owner takes long. The log continues at Next.
func (m *Manager) EventPage(ctx context.Context, q EventQuery) (EventPage, error) {
	const operation = "list events"
	q, err := m.permitted(operation, q)
	if err != nil {
		return EventPage{}, err
	}
	page := EventPage{Events: []Event{}}
	part, size, started := q, 0, time.Now()
	part.Part, part.Limit = true, firstPart
	for {
		found, err := m.store.Events(ctx, part)
		if err != nil {
			return EventPage{}, fmt.Errorf("%s: %w", operation, err)
		}
		for _, e := range found {
			page.Newest, part.Before = max(page.Newest, e.ID), e.ID
			if len(e.Sessions) == 0 && q.ofSessions() {
				continue
			}
			page.Events = append(page.Events, e.named(pageSessions))
			size += page.Events[len(page.Events)-1].size()
			if len(page.Events) == q.Limit || size > pageBytes {
				page.Next = e.ID
				return page, nil
			}
		}
		if !part.Enough(found) {
			return page, nil
		}
		if time.Since(started) > pageTime {
			page.Next = part.Before
			return page, nil
		}
		if len(found) < part.Limit { // a store may read what it leaves out, in vain
			part.Limit = len(found)
		} else {
			part.Limit = min(2*part.Limit, largestPart)
		}
	}
}

// eachEvent walks the events that a query selects, newest first, page by page, until an error. A page takes no longer than
// the limit; the first one has q.Limit events.
func (m *Manager) eachEvent(ctx context.Context, q EventQuery, limit time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			events, err := within(ctx, limit, func(ctx context.Context) ([]Event, error) { return m.store.Events(ctx, q) })
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if len(events) < q.Limit {
				return
			}
			q.Before, q.Limit = events[len(events)-1].ID, MaxPage
		}
	}
}

// named is the event with at most the given number of sessions. It shares no memory with the others.
func (e Event) named(most int) Event {
	if more := len(e.Sessions) - most; more > 0 {
		e.Unnamed += more
		e.Sessions = slices.Clone(e.Sessions[:most])
	}
	return e
}

// size is the length of the event's texts in bytes, about.
func (e Event) size() int {
	size := 200 + len(e.Actor) + len(e.Reason) + len(e.RunID)
	if e.Run != nil {
		size += len(e.Run.Error)
	}
	for _, r := range e.Sessions {
		size += len(r.ID) + len(r.OwnerID) + len(r.Name)
	}
	return size
}
