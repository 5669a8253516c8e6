package httpapi

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	feedKept  = 256 // news that a feed keeps for those who are slow to fetch it
	feedLook  = 10  // events read at a time, as long as that reaches back to the last ones known
	feedMost  = 100 // events read when it does not
	feedNamed = 20  // sessions named in the news of one event; the count is that of all
)

// feed is what happens in one scope, for all who watch it: it reads the audit log for them, once per interval. A
// watcher fetches what is new when it is ready to send it, so that nothing piles up for one who is slow; who falls
// behind by more than is kept is told so.
type feed struct {
	watchers int // guarded by live.mu
	look     *shared[int64]

	mu     sync.Mutex
	primed bool
	ring   []news
	end    int64              // the number of news so far; that of ring[0] is end - len(ring)
	known  map[int64]struct{} // events of the last look
	oldest int64              // of them
}

// news is an event as it is sent.
type news struct {
	id   int64
	data []byte
}

// newsOf is what watchers learn of an event.
func newsOf(e *sessioncleanup.Event) (news, error) {
	out := eventOf(e)
	if len(out.Sessions) > feedNamed {
		out.Sessions = out.Sessions[:feedNamed]
	}
	data, err := json.Marshal(out)
	return news{id: e.ID, data: data}, err
}

// update reads the audit log unless somebody did within the interval, and says when it does so again.
func (f *feed) update(ctx context.Context, m *sessioncleanup.Manager) (time.Time, error) {
	_, until, err := f.look.get(ctx, "", func(ctx context.Context) (int64, error) {
		limit := feedLook
		for {
			events, err := m.Events(ctx, sessioncleanup.EventQuery{Limit: limit})
			if err != nil {
				return 0, err
			}
			if enough := f.take(events, limit); enough || limit == feedMost {
				return 0, nil
			}
			limit = feedMost
		}
	})
	return until, err
}

// take adds events, newest first, that were not known. It does nothing, and reports so, when there may be more behind
// them and more can be read.
func (f *feed) take(events []sessioncleanup.Event, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := make(map[int64]struct{}, len(events))
	var fresh []*sessioncleanup.Event
	for i := range events {
		id := events[i].ID
		known[id] = struct{}{}
		// Events may become visible out of order, so it is not enough to look behind the last one. Those before the
		// oldest known are seen again when the log forgets some.
		if _, old := f.known[id]; !old && id > f.oldest {
			fresh = append(fresh, &events[i])
		}
	}
	gap := f.primed && len(fresh) == limit
	if gap && limit < feedMost {
		return false
	}
	if gap { // those who watch cannot be told everything
		f.end += feedKept
		f.ring = nil
	}
	if f.primed {
		for _, e := range slices.Backward(fresh) {
			n, err := newsOf(e)
			if err != nil { // plain structs always marshal
				continue
			}
			f.ring = append(f.ring, n)
			f.end++
		}
		if drop := len(f.ring) - feedKept; drop > 0 {
			f.ring = slices.Clone(f.ring[drop:])
		}
	}
	f.primed, f.known = true, known
	if len(events) == limit {
		f.oldest = events[len(events)-1].ID
	}
	return true
}

// position is where the news that comes from now on begins.
func (f *feed) position() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

// since gives the news from a position on, and whether some before it was missed.
func (f *feed) since(position int64) (fresh []news, next int64, missed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.end - int64(len(f.ring))
	if position < first {
		missed, position = true, first
	}
	return slices.Clone(f.ring[position-first:]), f.end, missed
}
