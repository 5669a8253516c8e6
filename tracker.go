package sessioncleanup

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// TrackerConfig says how a Tracker works. The zero value is useful.
type TrackerConfig struct {
	// FlushInterval is how often Run writes what was touched. Until then a run does not know of it, so it should be
	// short; a session is written at most once per Policy.TouchInterval all the same. Default: 1 s.
	FlushInterval time.Duration
}

// touchChunk is the largest number of sessions that a Tracker writes in one statement.
const touchChunk = 1000

// Tracker collects the touches of a busy service in memory and writes them together: each session at most once per
// Policy.TouchInterval, many sessions in one statement. It is safe for concurrent use.
//
//	tracker, err := sessions.NewTracker(sessioncleanup.TrackerConfig{})
//	go tracker.Run(ctx)
//	…
//	tracker.Touch(room.ID) // in the request path: no input or output, no error
//	…
//	err = tracker.Close(shutdownCtx) // writes what is left
type Tracker struct {
	m     *Manager
	every time.Duration

	flushing sync.Mutex // held by the one flush at work

	mu      sync.Mutex
	pending map[string]struct{}  // touched, not written yet
	written map[string]time.Time // when last written, within the last touch interval
	pruned  time.Time            // when written was last cleared of old entries
	closed  bool
}

// NewTracker makes a Tracker that touches sessions as m does, and so only those that m's principal may touch.
func (m *Manager) NewTracker(c TrackerConfig) (*Tracker, error) {
	if c.FlushInterval < 0 {
		return nil, invalidf("TrackerConfig.FlushInterval is %v: want a positive duration", c.FlushInterval)
	}
	setIfZero(&c.FlushInterval, time.Second)
	return &Tracker{
		m: m, every: c.FlushInterval,
		pending: map[string]struct{}{}, written: map[string]time.Time{},
	}, nil
}

// Touch notes that a session was used. It never blocks on the store. After Close it does nothing.
func (t *Tracker) Touch(id string) {
	if id == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if at, ok := t.written[id]; ok && time.Since(at) < t.m.policy.TouchInterval {
		return
	}
	t.pending[id] = struct{}{}
}

// Run writes what was touched, every FlushInterval, until ctx ends; it returns ctx's error. A flush that fails is
// logged, and what it could not write is kept for the next one.
func (t *Tracker) Run(ctx context.Context) error {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := t.Flush(ctx); err != nil && ctx.Err() == nil {
				t.m.log.WarnContext(ctx, "touches could not be written; they are kept", "sessions", t.Pending(), "error", err)
			}
		}
	}
}

// Flush writes what was touched. What it cannot write it keeps.
func (t *Tracker) Flush(ctx context.Context) error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	const operation = "flush touches"
	owner, err := t.m.scope(operation, "")
	if err != nil {
		return err
	}
	ids := t.take()
	for chunk := range slices.Chunk(ids, touchChunk) {
		if err == nil {
			touch := t.m.touch(chunk, owner)
			// The tracker has throttled already. Were the store to throttle once more, a session could be up to two
			// intervals more recent than its row says, and the cutoffs allow for one.
			touch.Interval = 0
			_, err = t.m.store.Touch(ctx, touch)
		}
		t.settle(chunk, err == nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// take empties the buffer and marks what was in it as written, so that touches during the write are not kept twice.
func (t *Tracker) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.pruned) >= t.m.policy.TouchInterval {
		t.pruned = now
		for id, at := range t.written {
			if now.Sub(at) >= t.m.policy.TouchInterval {
				delete(t.written, id)
			}
		}
	}
	ids := make([]string, 0, len(t.pending))
	for id := range t.pending {
		ids = append(ids, id)
		t.written[id] = now
	}
	clear(t.pending)
	return ids
}

// settle puts what could not be written back into the buffer.
func (t *Tracker) settle(ids []string, ok bool) {
	if ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.written, id)
		t.pending[id] = struct{}{}
	}
}

// Pending is the number of sessions that were touched and not written yet.
func (t *Tracker) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Close stops taking touches and writes what is left. When that fails it says how much is lost unless Close is
// called again.
func (t *Tracker) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	if err := t.Flush(ctx); err != nil {
		return fmt.Errorf("close tracker with %d sessions unwritten: %w", t.Pending(), err)
	}
	return nil
}

// Middleware touches the session that a request belongs to, before the request is served. sessionID finds it, for
// example by r.PathValue; "" means that there is none. It should only name a session that the request's user
// may use, or else anybody can keep any session alive.
func (t *Tracker) Middleware(sessionID func(*http.Request) string) (func(http.Handler) http.Handler, error) {
	if sessionID == nil {
		return nil, invalidf("sessionID is nil: want a function that finds a request's session")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Touch(sessionID(r))
			next.ServeHTTP(w, r)
		})
	}, nil
}
