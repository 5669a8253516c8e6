package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// recorder receives a stream and can be read at the same time.
type recorder struct {
	mu     sync.Mutex
	header http.Header
	body   strings.Builder
	status int
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) Flush()              {}
func (r *recorder) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.Write(p)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.String()
}

func (r *recorder) count(what string) int { return strings.Count(r.text(), what) }

// watch starts a stream that ends with ctx, and returns a function that waits for its end.
func watch(ctx context.Context, h http.Handler, to http.ResponseWriter) func() {
	done := make(chan struct{})
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, httpapi.DefaultPrefix+"/live", nil)
	go func() {
		defer close(done)
		h.ServeHTTP(to, req)
	}()
	return func() { <-done }
}

func TestAWatcherThatReconnectsGetsTheEventsSinceItsLastOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 2)
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		for range 75 { // events 1 to 150
			get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
			get(t.Context(), h, http.MethodPatch, "/1/reactivate", "")
		}
		for last, want := range map[string]struct{ events, missed int }{"": {0, 0}, "150": {0, 0}, "140": {10, 0}, "51": {99, 0}, "10": {100, 1}} {
			ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			req := httptest.NewRequestWithContext(ctx, http.MethodGet, httpapi.DefaultPrefix+"/live", nil)
			req.Header.Set("Last-Event-ID", last)
			rec := newRecorder()
			h.ServeHTTP(rec, req)
			stop()
			if rec.count("event: event\n") != want.events || rec.count("event: missed\n") != want.missed {
				t.Errorf("after event %q: %d events, %d times missed, want %+v", last, rec.count("event: event\n"), rec.count("event: missed\n"), want)
			}
		}
	})
}

func TestAnyNumberOfWatchersCostsOneQueryPerInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		ctx, stop := context.WithCancel(t.Context())
		var ends []func()
		for range 500 {
			ends = append(ends, watch(ctx, h, newRecorder()))
		}
		time.Sleep(10*time.Second + 500*time.Millisecond)
		stop()
		for _, end := range ends {
			end()
		}
		if n := db.Calls()["Counts"]; n < 10 || n > 11 {
			t.Errorf("500 watchers for 10 intervals: counted %d times, want once per interval", n)
		}
	})
}

func TestWatchersGetEventsAndChangedFigures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 3)
		h := newHandler(t, db, httpapi.Options{Interval: time.Second, Heartbeat: 5 * time.Second})
		ctx, stop := context.WithCancel(t.Context())
		rec := newRecorder()
		end := watch(ctx, h, rec)
		time.Sleep(3 * time.Second)
		if rec.count("event: stats\n") != 1 || rec.count("event: event\n") != 0 || rec.count("heartbeat") != 0 {
			t.Errorf("a quiet stream: %s", rec.text())
		}
		get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
		time.Sleep(2 * time.Second)
		if rec.count("event: stats\n") != 2 || rec.count("event: event\n") != 1 || rec.count("id: 1\n") != 1 || rec.count(`"action":"deactivated"`) != 1 {
			t.Errorf("after a change: %s", rec.text())
		}
		time.Sleep(12 * time.Second)
		if n := rec.count(": heartbeat\n\n"); n != 2 {
			t.Errorf("%d heartbeats in 12 s, want 2", n)
		}
		stop()
		end()
	})
}

func TestAWatcherLearnsThatTheDatabaseIsUnavailableAndContinuesAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		ctx, stop := context.WithCancel(t.Context())
		rec := newRecorder()
		end := watch(ctx, h, rec)
		time.Sleep(time.Second)
		db.Before(func(context.Context, string) error { return sessioncleanup.ErrUnavailable })
		time.Sleep(5 * time.Second)
		if rec.count("event: unavailable\n") != 1 {
			t.Errorf("without a database: %s", rec.text())
		}
		db.Before(nil)
		seed(t, db.Store.(*memory.Store), 1)
		time.Sleep(3 * time.Second)
		if rec.count(`"total":1`) != 1 {
			t.Errorf("with the database again: %s", rec.text())
		}
		stop()
		end()
	})
}

func TestAWatcherLearnsThatItMissedEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 2)
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		ctx, stop := context.WithCancel(t.Context())
		rec := newRecorder()
		end := watch(ctx, h, rec)
		time.Sleep(time.Second + time.Millisecond)
		for range 30 { // 60 events, more than are read at first
			get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
			get(t.Context(), h, http.MethodPatch, "/1/reactivate", "")
		}
		time.Sleep(2 * time.Second)
		if rec.count("event: event\n") != 60 || rec.count("event: missed\n") != 0 {
			t.Errorf("60 events: %d were sent, %d times missed", rec.count("event: event\n"), rec.count("event: missed\n"))
		}
		for range 100 { // 200, more than are read at all
			get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
			get(t.Context(), h, http.MethodPatch, "/1/reactivate", "")
		}
		time.Sleep(2 * time.Second)
		if rec.count("event: missed\n") != 1 || rec.count("event: event\n") != 160 {
			t.Errorf("200 more: %d were sent, %d times missed", rec.count("event: event\n"), rec.count("event: missed\n"))
		}
		stop()
		end()
	})
}

func TestWatchersAreLimitedAndEndWithTheHandlersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, shutdown := context.WithCancel(t.Context())
		h := newHandler(t, memory.New(memory.Config{}), httpapi.Options{MaxWatchers: 1, Context: life})
		end := watch(t.Context(), h, newRecorder())
		synctest.Wait()
		if rec := get(t.Context(), h, http.MethodGet, "/live", ""); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
			t.Errorf("one watcher too many: %d %s", rec.Code, rec.Body)
		}
		shutdown()
		end()
	})
}

// stuck is a connection with a client that receives nothing: each write waits until its deadline.
type stuck struct {
	*recorder
	mu       sync.Mutex
	deadline time.Time
	writes   int
}

func (s *stuck) SetWriteDeadline(at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = at
	return nil
}

func (s *stuck) Write([]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	time.Sleep(time.Until(s.deadline))
	return 0, context.DeadlineExceeded
}

func TestASlowWatcherIsDisconnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 2)
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		slow := &stuck{recorder: newRecorder()}
		began := time.Now()
		watch(t.Context(), h, slow)() // ends by itself
		if took := time.Since(began); took < 5*time.Second || took > 15*time.Second || slow.writes != 1 {
			t.Errorf("a watcher that receives nothing was kept for %v, with %d writes; want 10 s and one", took, slow.writes)
		}
	})
}

func TestStreamsOverTheNetworkLeaveNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := memory.New(memory.Config{})
	seed(t, db, 10)
	life, shutdown := context.WithCancel(t.Context())
	h := newHandler(t, db, httpapi.Options{Interval: 10 * time.Millisecond, Context: life})
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Second, time.Second // streams outlast them
	server.Config.RegisterOnShutdown(shutdown)
	server.Start()
	defer server.Close()
	defer shutdown()
	began := time.Now()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var streams []io.ReadCloser
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+httpapi.DefaultPrefix+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req) //nolint:bodyclose // all of them are closed below
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, res.Body)
	}
	defer func() {
		for _, s := range streams {
			_ = s.Close()
		}
	}()
	lines := bufio.NewScanner(streams[0])
	lines.Buffer(nil, 1<<20)
	waitFor := func(line string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == line {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", line, lines.Err())
	}
	waitFor("event: stats")
	for time.Since(began) < 1500*time.Millisecond { // longer than the server's timeouts
		get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
		waitFor("event: event")
		get(t.Context(), h, http.MethodPatch, "/1/reactivate", "")
		waitFor("event: event")
	}
	for _, s := range streams[1:10] {
		_ = s.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Config.Shutdown(ctx); err != nil {
		t.Errorf("shutdown with open streams: %v", err)
	}
}

func TestAClientThatReadsNothingHoldsNoMemory(t *testing.T) {
	db := memory.New(memory.Config{})
	seed(t, db, 10)
	h := newHandler(t, db, httpapi.Options{Interval: time.Millisecond})
	server := httptest.NewServer(h)
	defer server.Close()
	var conns []net.Conn
	defer func() { // before the server, which waits for them
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range 50 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if _, err := io.WriteString(conn, "GET "+httpapi.DefaultPrefix+"/live HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range 2000 {
		get(t.Context(), h, http.MethodPatch, "/1/deactivate", "")
		get(t.Context(), h, http.MethodPatch, "/1/reactivate", "")
	}
	if after := heap(); after > before+32<<20 {
		t.Errorf("%d watchers that read nothing: the heap grew from %d to %d bytes", len(conns), before, after)
	}
}

func TestAnOwnerLeavesTheStreamToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, shutdown := context.WithCancel(t.Context())
		who := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "bob"}
		h := newHandler(t, memory.New(memory.Config{}), httpapi.Options{
			MaxWatchers: 10, MaxWatchersPerOwner: 2, Context: life,
			Authenticate: func(*http.Request) (sessioncleanup.Principal, error) { return who, nil },
		})
		end := []func(){watch(t.Context(), h, newRecorder()), watch(t.Context(), h, newRecorder())}
		synctest.Wait()
		if rec := get(t.Context(), h, http.MethodGet, "/live", ""); rec.Code != http.StatusServiceUnavailable {
			t.Errorf("a third watcher of one owner: %d", rec.Code)
		}
		for _, who = range []sessioncleanup.Principal{{Role: sessioncleanup.RoleOwner, ID: "alice"}, {Role: sessioncleanup.RoleAdmin, ID: "root"}} {
			to := newRecorder()
			end = append(end, watch(t.Context(), h, to))
			synctest.Wait()
			if got := to.Header().Get("Content-Type"); got != "text/event-stream" {
				t.Errorf("%s: the stream has type %q", who.ID, got)
			}
		}
		shutdown()
		for _, wait := range end {
			wait()
		}
	})
}
