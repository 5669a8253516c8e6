package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/failures"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// TrackerConfig configures a Tracker. The zero value is useful.
type TrackerConfig struct {
	// FlushInterval is how often Run writes what was touched. Until then a run does not know of it, so it should be
	// short; a session is written at most once per Policy.TouchInterval all the same, which it may not exceed.
	// Default: 1 s, or Policy.TouchInterval when that is shorter.
	FlushInterval time.Duration
}

const (
	touchChunk = 1000             // sessions at most in one statement
	flushTime  = 10 * time.Second // for one flush that Run does
	maxWritten = 1 << 18          // sessions at most that a Tracker remembers to have written; others are written more often
	maxID      = 256              // bytes; longer ids are no session's and are not kept
	maxPending = 1 << 20          // sessions at most that a Tracker keeps while it cannot write; touches of others are lost

	// maxFlushFailures is enough to find two sessions at fault among touchChunk. After this many failures the store is at
	// fault, and the rest is kept for the next flush.
	maxFlushFailures = 24
)

// Tracker collects the touches of a busy service in memory and writes them together: each session at most once per
// Policy.TouchInterval, and many sessions in one statement. It is safe for concurrent use.
//
//	tracker, err := sessions.NewTracker(sessioncleanup.TrackerConfig{})
//	go tracker.Run(ctx)
//	…
//	tracker.Touch(room.ID) // in the request path: does no I/O and returns no error
//	…
//	err = tracker.Close(shutdownCtx) // writes what is left
//
// With Policy.ReactivateOnActivity, a session that is deactivated shortly after it was written becomes active again
// with the first touch after Policy.TouchInterval.
type Tracker struct {
	m     *Manager
	every time.Duration

	flushing chan struct{} // holds a value during a flush

	mu      sync.Mutex
	pending map[string]time.Time // when last touched, not written yet
	written map[string]time.Time // when last written, within the last touch interval
	pruned  time.Time            // when written was last cleared of old entries
	lost    int                  // touches beyond maxPending, since Run logged them
	closed  bool
}

// NewTracker returns a Tracker that touches sessions through m, and so only those that m may touch.
func (m *Manager) NewTracker(c TrackerConfig) (*Tracker, error) {
	if c.FlushInterval < 0 {
		return nil, invalid.Errorf("TrackerConfig.FlushInterval is %v: want a positive duration", c.FlushInterval)
	}
	setIfZero(&c.FlushInterval, min(time.Second, m.policy.TouchInterval))
	if c.FlushInterval > m.policy.TouchInterval {
		return nil, invalid.Errorf("TrackerConfig.FlushInterval is %v: want at most Policy.TouchInterval, %v", c.FlushInterval, m.policy.TouchInterval)
	}
	return &Tracker{
		m: m, every: c.FlushInterval, flushing: make(chan struct{}, 1),
		pending: map[string]time.Time{}, written: map[string]time.Time{},
	}, nil
}

// Touch records that a session was used. It never waits for the store. After Close it does nothing. While 1,048,576
// other sessions wait to be written, the touch is lost, and Run logs that.
func (t *Tracker) Touch(id string) {
	if id == "" || len(id) > maxID {
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
	if _, waits := t.pending[id]; !waits && len(t.pending) >= maxPending {
		t.lost++
		return
	}
	t.pending[id] = time.Now()
}

// Run writes the collected touches every FlushInterval until ctx ends, and returns ctx's error. A flush that fails is
// logged, though not each time during an outage, and the next one tries again.
func (t *Tracker) Run(ctx context.Context) error {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	var failed failures.Count
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := t.flushInTime(ctx); err == nil {
				failed = 0
			} else if ctx.Err() == nil && failed.Add() {
				t.m.log.WarnContext(ctx, "activity could not be written; it is kept in memory and will be tried again", "sessions", t.Pending(), "failures", failed, "error", err)
			}
			t.logLost(ctx)
		}
	}
}

func (t *Tracker) logLost(ctx context.Context) {
	t.mu.Lock()
	lost, waiting := t.lost, len(t.pending)
	t.lost = 0
	t.mu.Unlock()
	if lost > 0 {
		t.m.log.ErrorContext(ctx, "activity is lost: too many sessions wait to be written", "touches", lost, "sessions", waiting)
	}
}

func (t *Tracker) flushInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	return t.Flush(ctx)
}

// Flush writes the collected touches. It keeps those that it cannot write: all of them while the store is unavailable,
// and otherwise only those of the sessions that fail.
func (t *Tracker) Flush(ctx context.Context) error {
	const operation = "flush touches"
	owner, err := t.m.scope(operation, "")
	if err != nil {
		return err
	}
	select {
	case t.flushing <- struct{}{}:
		defer func() { <-t.flushing }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", operation, ctx.Err())
	}
	f := flush{Tracker: t, owner: owner}
	for chunk := range slices.Chunk(t.take(), touchChunk) {
		f.write(ctx, chunk)
	}
	if f.err != nil {
		return fmt.Errorf("%s: %w", operation, f.err)
	}
	return nil
}

// flush is one Flush in progress.
type flush struct {
	*Tracker
	owner    string
	failures int
	err      error // the last one
}

// write touches sessions, or keeps them. When the statement fails for a reason of its own it is tried again in halves,
// down to the session at fault.
func (f *flush) write(ctx context.Context, touched []touched) {
	if f.failures < maxFlushFailures {
		touch := f.m.touch(make([]string, len(touched)), f.owner)
		touch.Ago = make([]time.Duration, len(touched))
		for i, one := range touched {
			touch.IDs[i], touch.Ago[i] = one.id, time.Since(one.at)
		}
		// The tracker has throttled already. Were the store to throttle once more, a session could be up to two
		// intervals more recent than its row says, and the cutoffs allow for one.
		touch.Interval = 0
		_, err := f.m.store.Touch(ctx, touch)
		if err == nil {
			return
		}
		f.err = err
		f.failures++
		if ctx.Err() != nil || errors.Is(err, ErrUnavailable) {
			f.failures = maxFlushFailures // others fail too
		}
	}
	if half := len(touched) / 2; half > 0 && f.failures < maxFlushFailures {
		f.write(ctx, touched[:half])
		f.write(ctx, touched[half:])
		return
	}
	f.keep(touched)
}

// touched is a session and when it was used.
type touched struct {
	id string
	at time.Time
}

// take empties the buffer and marks what was in it as written, so that touches during the write are not kept twice.
func (t *Tracker) take() []touched {
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
	taken := make([]touched, 0, len(t.pending))
	for id, at := range t.pending {
		taken = append(taken, touched{id, at})
		if len(t.written) < maxWritten {
			t.written[id] = at
		}
	}
	clear(t.pending)
	return taken
}

// keep puts what could not be written back into the buffer.
func (t *Tracker) keep(failed []touched) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range failed {
		delete(t.written, one.id)
		t.pending[one.id] = later(t.pending[one.id], one.at)
	}
}

// Pending returns the number of sessions that were touched and not written yet.
func (t *Tracker) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Close stops accepting touches and writes what is left. Its error says how many touches are lost unless Close is
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

// Middleware returns a middleware that touches the session of a request before the request is served. sessionID finds
// the session, for example with r.PathValue; it returns "" when there is none. It should only return a session that the
// request's user may use; otherwise anybody can keep any session alive.
func (t *Tracker) Middleware(sessionID func(*http.Request) string) (func(http.Handler) http.Handler, error) {
	if sessionID == nil {
		return nil, invalid.Errorf("sessionID is nil: want a function that finds a request's session")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Touch(sessionID(r))
			next.ServeHTTP(w, r)
		})
	}, nil
}
