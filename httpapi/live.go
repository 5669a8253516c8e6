package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	// writeTimeout is how long a client may take to take what it is sent, before it is cut off.
	writeTimeout = 10 * time.Second
	// watchFor is how long a stream lasts. Clients connect again by themselves, and are asked again who they are.
	watchFor = time.Hour
)

// live knows who watches what.
type live struct {
	options Options
	mu      sync.Mutex
	count   int
	feeds   map[string]*feed // by scope, while somebody watches
}

func newLive(o Options) *live { return &live{options: o, feeds: map[string]*feed{}} }

// join gives the feed of a scope to a watcher, which must leave it in the end.
func (l *live) join(scope string) (*feed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= l.options.MaxWatchers {
		return nil, &fault{problem: tooManyWatchers, retryAfter: l.options.Heartbeat}
	}
	f := l.feeds[scope]
	if f == nil {
		f = &feed{look: newShared[int64](l.options.Interval, l.options.Timeout)}
		l.feeds[scope] = f
	}
	l.count++
	f.watchers++
	return f, nil
}

func (l *live) leave(scope string, f *feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if f.watchers--; f.watchers == 0 {
		delete(l.feeds, scope)
	}
}

// watch serves GET /live: server-sent events (HTML standard, section 9.2). Each watcher is its request's goroutine and
// nothing else: it waits, fetches what is new since its last time and sends that, while the server's buffer takes it.
func (c *call) watch() error {
	if _, err := c.query(); err != nil {
		return err
	}
	scope, err := c.m.Scope("")
	if err != nil {
		return err
	}
	last, err := c.lastEvent()
	if err != nil {
		return err
	}
	f, err := c.live.join(scope)
	if err != nil {
		return err
	}
	defer c.live.leave(scope, f)
	ctx, cancel := context.WithTimeout(c.r.Context(), watchFor)
	defer cancel()
	defer context.AfterFunc(c.Context, cancel)()

	w := &watcher{call: c, ctx: ctx, scope: scope, feed: f, stream: http.NewResponseController(c.w)}
	_ = w.stream.SetReadDeadline(time.Time{}) // a server's ReadTimeout would end the stream
	if err := w.begin(last); err != nil {
		return err
	}
	w.loop()
	return nil
}

// lastEvent is the last event that a client says it got; 0 when it does not say.
func (c *call) lastEvent() (int64, error) {
	header := c.r.Header.Get("Last-Event-ID")
	if header == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(header, 10, 64)
	if err != nil || id < 0 {
		return 0, wrong("Last-Event-ID", msgEventID, header)
	}
	return id, nil
}

// watcher is one live stream.
type watcher struct {
	*call
	ctx      context.Context
	scope    string
	feed     *feed
	stream   *http.ResponseController
	position int64              // in the feed
	replayed map[int64]struct{} // events sent before the feed began for this watcher
	counts   string             // figures.counts as last sent
	away     bool               // the client was told that the database is away
	out      bytes.Buffer       // what is sent next; its size is bounded by what a feed keeps
}

// begin sends the headers, the current figures, and what happened since the last event that the client got. Until the
// headers are sent, errors are answered as usual.
func (w *watcher) begin(last int64) error {
	if _, err := w.feed.update(w.ctx, w.m); err != nil {
		return err
	}
	w.position = w.feed.position()
	now, _, err := w.currentFigures(w.ctx, w.scope)
	if err != nil {
		return err
	}
	w.out.WriteString("retry: 3000\n\n")
	w.statistics(now)
	if last > 0 {
		if err := w.replay(last); err != nil {
			return err
		}
	}
	h := w.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies that buffer answers would hold the stream back
	h["Content-Language"] = langNames[w.lang]
	if w.r.Method == http.MethodHead {
		w.started = true
		w.w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := w.stream.Flush(); err != nil { // nothing was sent yet
		h.Del("X-Accel-Buffering")
		if errors.Is(err, http.ErrNotSupported) {
			return &fault{problem: noStream}
		}
		return err
	}
	w.started = true
	return nil
}

// loop sends what is new, every interval, until somebody ends it.
func (w *watcher) loop() {
	if w.r.Method == http.MethodHead {
		return
	}
	next := time.NewTimer(w.Interval)
	defer next.Stop()
	sent := time.Now()
	for {
		if w.out.Len() == 0 && time.Since(sent) >= w.Heartbeat {
			w.out.WriteString(": heartbeat\n\n")
		}
		if w.out.Len() > 0 {
			if w.flush() != nil {
				return
			}
			sent = time.Now()
		}
		select {
		case <-w.ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(time.Until(w.fetch()))
	}
}

// fetch adds what is new to what is sent next, and says when there may be more. All watchers of a scope wake up at the
// same time: the first one asks the database for them all.
func (w *watcher) fetch() time.Time {
	var now figures
	var until time.Time
	again, err := w.feed.update(w.ctx, w.m)
	if err == nil {
		now, until, err = w.currentFigures(w.ctx, w.scope)
	}
	if err != nil {
		if !w.away && w.ctx.Err() == nil {
			w.message("unavailable", "", []byte(`{}`))
			w.away = true
		}
		return time.Now().Add(w.Interval)
	}
	w.away = false
	fresh, next, missed := w.feed.since(w.position)
	w.position = next
	if missed {
		w.message("missed", "", []byte(`{}`))
	}
	for _, n := range fresh {
		if _, known := w.replayed[n.id]; !known {
			w.message("event", strconv.FormatInt(n.id, 10), n.data)
		}
	}
	w.statistics(now)
	if until.After(again) {
		return until
	}
	return again
}

// statistics adds the figures when they changed.
func (w *watcher) statistics(now figures) {
	if now.counts != w.counts {
		w.counts = now.counts
		w.message("stats", "", now.bodies[w.lang])
	}
}

// replay adds what happened after an event that the client got, as far as that is not too much.
func (w *watcher) replay(last int64) error {
	ctx, cancel := context.WithTimeout(w.ctx, w.Timeout)
	defer cancel()
	events, err := w.m.Events(ctx, sessioncleanup.EventQuery{Limit: feedMost})
	if err != nil {
		return err
	}
	if len(events) == feedMost && events[feedMost-1].ID > last {
		w.message("missed", "", []byte(`{}`))
	}
	w.replayed = map[int64]struct{}{}
	for _, e := range slices.Backward(events) {
		if e.ID <= last {
			continue
		}
		n, err := newsOf(&e)
		if err != nil {
			return err
		}
		w.replayed[e.ID] = struct{}{}
		w.message("event", strconv.FormatInt(n.id, 10), n.data)
	}
	return nil
}

// message adds one server-sent event. Its data is JSON in one line.
func (w *watcher) message(name, id string, data []byte) {
	if id != "" {
		w.out.WriteString("id: " + id + "\n")
	}
	w.out.WriteString("event: " + name + "\ndata: ")
	w.out.Write(data)
	w.out.WriteString("\n\n")
}

// flush sends what was added. A client that does not take it in time is cut off.
func (w *watcher) flush() error {
	// Writers without deadlines are those of tests and of servers that have their own.
	if err := w.stream.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.w.Write(w.out.Bytes()); err != nil {
		return err
	}
	if w.out.Cap() > 64<<10 {
		w.out = bytes.Buffer{}
	}
	w.out.Reset()
	return w.stream.Flush()
}
