package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	// writeTimeout is how long a client may take to receive a write before it is disconnected.
	writeTimeout = 10 * time.Second
	// watchFor is how long a stream lasts. Clients reconnect by themselves, and are authenticated again.
	watchFor = time.Hour
)

// live counts the watchers and holds the feeds that they read.
type live struct {
	options Options
	mu      sync.Mutex
	count   int
	feeds   map[string]*feed // by scope, while it has watchers
}

func newLive(o Options) *live { return &live{options: o, feeds: map[string]*feed{}} }

// join returns the feed of a scope for a watcher, which must leave it in the end.
func (l *live) join(scope string) (*feed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[scope]
	if l.count >= l.options.MaxWatchers || scope != "" && f != nil && f.watchers >= l.options.MaxWatchersPerOwner {
		return nil, &fault{problem: tooManyWatchers, retryAfter: l.options.Heartbeat}
	}
	if f == nil {
		f = &feed{look: newShared[struct{}](l.options.Interval, l.options.Timeout)}
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

// watch serves GET /live: server-sent events (HTML standard, section 9.2). A watcher is the goroutine of its request and
// nothing else: it waits, fetches the news since its last time and sends them.
func (c *call) watch() error {
	last, err := c.lastEvent()
	if err != nil {
		return err
	}
	f, err := c.live.join(c.scope)
	if err != nil {
		return err
	}
	defer c.live.leave(c.scope, f)
	ctx, cancel := context.WithTimeout(c.r.Context(), watchFor)
	defer cancel()
	defer context.AfterFunc(c.Context, cancel)()

	w := &watcher{call: c, ctx: ctx, feed: f, stream: http.NewResponseController(c.w)}
	_ = w.stream.SetReadDeadline(time.Time{}) // a server's ReadTimeout would end the stream
	if err := w.begin(last); err != nil {
		return err
	}
	w.loop()
	return nil
}

// lastEvent is the last event that a client received, according to its Last-Event-ID; 0 without one.
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
	feed     *feed
	stream   *http.ResponseController
	position int64        // in the feed
	version  string       // of the figures sent last
	away     bool         // "unavailable" was sent
	out      bytes.Buffer // to be sent next; a feed's length bounds its size
}

// begin sends the headers, the current figures, and the events since the last one that the client received. Until the
// headers are sent, errors are problems as usual.
func (w *watcher) begin(last int64) error {
	if _, err := w.feed.update(w.ctx, w.m); err != nil {
		return err
	}
	now, _, err := w.currentFigures(w.ctx, w.scope, "")
	counted := !errors.Is(err, sessioncleanup.ErrNotCounted)
	if err != nil && counted {
		return err
	}
	w.out.WriteString("retry: 3000\n\n")
	if counted {
		w.statistics(now)
	}
	fresh, next, missed := w.feed.start(last)
	w.position = next
	w.news(fresh, missed)
	h := w.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // otherwise proxies that buffer responses delay the stream
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
		w.started = true // the headers are on their way to a client that has left
		return err
	}
	w.started = true
	return nil
}

// loop sends news, every interval, until the client disconnects or the stream's context ends.
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

// fetch adds news to the output and returns when there may be more. All watchers of a scope wake up at the same time: the
// first one asks the database for all of them.
func (w *watcher) fetch() time.Time {
	var now figures
	var until time.Time
	again, err := w.feed.update(w.ctx, w.m)
	if err == nil {
		now, until, err = w.currentFigures(w.ctx, w.scope, "")
	}
	counted := !errors.Is(err, sessioncleanup.ErrNotCounted)
	if err != nil && counted {
		if !w.away && w.ctx.Err() == nil {
			w.message("unavailable", "", []byte(`{}`))
			w.away = true
		}
		return time.Now().Add(w.Interval)
	}
	w.away = false
	fresh, next, missed := w.feed.since(w.position)
	w.position = next
	w.news(fresh, missed)
	if counted {
		w.statistics(now)
	}
	if until.After(again) {
		return until
	}
	return again
}

// statistics adds the figures when they changed.
func (w *watcher) statistics(now figures) {
	if now.version != w.version {
		w.version = now.version
		w.message("stats", "", now.bodies[w.lang])
	}
}

// news adds events, after a hint when some are missing.
func (w *watcher) news(fresh []news, missed bool) {
	if missed {
		w.message("missed", "", []byte(`{}`))
	}
	for _, n := range fresh {
		w.message("event", strconv.FormatInt(n.id, 10), n.data)
	}
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

// flush sends the output. A client that does not receive it in time is disconnected.
func (w *watcher) flush() error {
	// Writers of tests, and of some servers, have no deadlines.
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
