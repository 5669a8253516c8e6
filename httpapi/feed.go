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
	feedKept  = 256     // news that a feed keeps, for slow watchers and for those that reconnect
	feedLook  = 10      // events read at a time, if these reach back to a known one
	feedMost  = 100     // events read otherwise
	feedNamed = 20      // sessions named in the news of one event; session_count is that of all
	newsBytes = 4 << 10 // of the news of one event, if necessary with fewer sessions
)

// feed reads the audit log of one scope for all watchers of it, once per interval. A watcher fetches news when it is
// ready to send them, so that nothing accumulates for a slow one. A watcher that falls behind by more than feedKept is
// told so.
type feed struct {
	watchers int // guarded by live.mu
	look     *shared[struct{}]

	mu     sync.Mutex
	ring   []news
	end    int64              // the number of news so far; that of ring[0] is end - len(ring)
	cut    bool               // there were events before those in the ring
	known  map[int64]struct{} // events of the last look; nil before the first
	oldest int64              // events up to this one are not news
}

// news is an event as it is sent.
type news struct {
	id   int64
	data []byte
}

// update reads the audit log unless that was done within the interval, and returns when it is read next.
func (f *feed) update(ctx context.Context, m *sessioncleanup.Manager) (time.Time, error) {
	_, until, err := f.look.get(ctx, "", func(ctx context.Context) (struct{}, error) {
		limit, after := f.unread()
		for {
			page, err := m.EventPage(ctx, sessioncleanup.EventQuery{After: after, Limit: limit})
			if err != nil || f.take(page, limit) {
				return struct{}{}, err
			}
			limit = feedMost
		}
	})
	return until, err
}

// unread is how many events to read, and after which one.
func (f *feed) unread() (limit int, after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		return feedMost, 0
	}
	return feedLook, f.oldest
}

// take adds those of the events that are new. It returns false and adds nothing when older events may be new, too, and can
// be read.
func (f *feed) take(page sessioncleanup.EventPage, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := make(map[int64]struct{}, len(page.Events))
	var fresh []sessioncleanup.Event
	for _, e := range page.Events {
		known[e.ID] = struct{}{}
		// Events may become visible out of order, so the last known one is no limit.
		if _, old := f.known[e.ID]; !old {
			fresh = append(fresh, e)
		}
	}
	if page.Next != 0 && len(fresh) == len(page.Events) {
		if limit < feedMost {
			return false
		}
		f.end += feedKept // every watcher has missed something
		f.ring, f.cut = nil, true
	}
	for _, e := range slices.Backward(fresh) {
		f.ring = append(f.ring, newsOf(e))
	}
	f.end += int64(len(fresh))
	if drop := len(f.ring) - feedKept; drop > 0 {
		f.ring, f.cut = slices.Clone(f.ring[drop:]), true
	}
	f.known = known
	f.oldest = max(f.oldest, page.Next, page.Newest-feedLook)
	return true
}

// newsOf is an event in the form in which watchers get it.
func newsOf(e sessioncleanup.Event) news {
	out := eventOf(e)
	for named := feedNamed; ; named /= 2 {
		out.Sessions = out.Sessions[:min(len(out.Sessions), named)]
		data, err := json.Marshal(out)
		if err != nil { // plain structs always marshal
			panic(err)
		}
		if len(data) <= newsBytes || named == 0 {
			return news{id: e.ID, data: data}
		}
	}
}

// start returns the news for a watcher whose last event was the one given, 0 for a new watcher, the position of the next
// news, and whether some of the news are gone.
func (f *feed) start(last int64) (fresh []news, next int64, missed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last == 0 {
		return nil, f.end, false
	}
	missed = f.cut
	for _, n := range f.ring {
		if n.id > last {
			fresh = append(fresh, n)
		} else {
			missed = false
		}
	}
	return fresh, f.end, missed
}

// since returns the news from a position on, the position of the next news, and whether some of the news are gone.
func (f *feed) since(position int64) (fresh []news, next int64, missed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.end - int64(len(f.ring))
	if position < first {
		missed, position = true, first
	}
	return slices.Clone(f.ring[position-first:]), f.end, missed
}
