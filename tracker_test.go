package sessioncleanup_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// counting counts the touches that reach a store, and fails them while broken is set.
type counting struct {
	*memory.Store
	mu      sync.Mutex
	calls   int
	touched map[string]int
	broken  bool
	called  func() // at each call, unless nil
}

func (c *counting) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.called != nil {
		c.called()
	}
	if c.broken {
		return 0, sessioncleanup.ErrUnavailable
	}
	for _, id := range t.IDs {
		c.touched[id]++
	}
	return c.Store.Touch(ctx, t)
}

func newTracker(t *testing.T) (*sessioncleanup.Tracker, *counting) {
	t.Helper()
	db := &counting{Store: memory.New(memory.Config{}), touched: map[string]int{}}
	put(t, db.Store, 0, 10, 2*day, nil)
	tracker, err := managerOver(t, db, sessioncleanup.Policy{}).NewTracker(sessioncleanup.TrackerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return tracker, db
}

func TestTrackerWritesEachSessionOncePerIntervalAndManyTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, db := newTracker(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tracker.Run(ctx) }()
		for range 600 { // ten minutes of ten busy sessions
			for i := range 10 {
				tracker.Touch(strconv.Itoa(i))
			}
			time.Sleep(time.Second)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ends with %v, want context.Canceled", err)
		}
		for id, n := range db.touched {
			if n < 9 || n > 10 {
				t.Errorf("session %s was written %d times in 10 minutes, want once a minute", id, n)
			}
		}
		if len(db.touched) != 10 || db.calls > 10 {
			t.Errorf("%d sessions in %d statements, want 10 in at most 10", len(db.touched), db.calls)
		}
	})
}

func TestTrackerNeverLetsABusySessionBecomeDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		put(t, db, 0, 1, 0, nil)
		// The threshold is hardly longer than the interval of touches: nothing but the allowance keeps it safe.
		m := managerOver(t, db, sessioncleanup.Policy{InactiveAfter: 3 * time.Second})
		tracker, err := m.NewTracker(sessioncleanup.TrackerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = tracker.Run(t.Context()) }()
		for i := range 3000 {
			tracker.Touch("0")
			if i%7 == 0 { // rows of an activity source touch it too, in between
				if _, err := db.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"0"}, Interval: time.Minute}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			if result := cleanup(t, m, sessioncleanup.Run{DryRun: true}); result.Phases.Total().Due != 0 {
				t.Fatalf("after %d s a session in use is due: %+v", i, result.Sessions)
			}
		}
	})
}

func TestTrackerKeepsWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, db := newTracker(t)
		tracker.Touch("1")
		tracker.Touch("2")
		db.broken = true
		if err := tracker.Close(t.Context()); !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Errorf("Close with the database unavailable = %v, want ErrUnavailable", err)
		}
		if got := tracker.Pending(); got != 2 {
			t.Errorf("%d sessions are kept, want 2", got)
		}
		tracker.Touch("3") // closed: not taken
		db.broken = false
		if err := tracker.Close(t.Context()); err != nil || tracker.Pending() != 0 || len(db.touched) != 2 {
			t.Errorf("Close = %v with %d left and %v written; want all of the two", err, tracker.Pending(), db.touched)
		}
	})
}

func TestAnOutageIsLoggedLessAndLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Store: memory.New(memory.Config{}), touched: map[string]int{}, broken: true}
		var log bytes.Buffer
		m, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		tracker, err := m.NewTracker(sessioncleanup.TrackerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tracker.Touch("1")
		if err := tracker.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run ends with %v", err)
		}
		if lines := strings.Count(log.String(), "\n"); lines < 2 || lines > 12 || !strings.Contains(log.String(), "failures=2048") {
			t.Errorf("an outage of an hour, with an attempt each second, writes %d lines:\n%s", lines, log.String())
		}
	})
}

func TestATrackerDoesNotKeepSessionsWithoutLimit(t *testing.T) {
	t.Parallel()
	const most, more = 1 << 20, 1000
	db := &counting{Store: memory.New(memory.Config{}), touched: map[string]int{}, broken: true}
	var log bytes.Buffer
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	tracker, err := m.NewTracker(sessioncleanup.TrackerConfig{FlushInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := range most + more {
		tracker.Touch(strconv.Itoa(i))
	}
	tracker.Touch("0") // already waits
	if n := tracker.Pending(); n != most {
		t.Errorf("%d sessions wait to be written, want %d", n, most)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	db.called = cancel
	_ = tracker.Run(ctx)
	if want := "touches=1000 "; !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, log.String())
	}
}

func TestTrackerTakesTouchesFromManyGoroutines(t *testing.T) {
	t.Parallel()
	tracker, db := newTracker(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				tracker.Touch(strconv.Itoa(i % 10))
				if i%100 == 0 {
					if err := tracker.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := tracker.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for id, n := range db.touched {
		if n != 1 {
			t.Errorf("session %s was written %d times within an interval, want once", id, n)
		}
	}
	if len(db.touched) != 10 {
		t.Errorf("%d sessions were written, want 10", len(db.touched))
	}
}

func TestMiddlewareTouchesTheSessionOfARequest(t *testing.T) {
	t.Parallel()
	tracker, db := newTracker(t)
	touch, err := tracker.Middleware(func(r *http.Request) string { return r.PathValue("id") })
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("GET /rooms/{id}", touch(ok))
	mux.Handle("GET /health", touch(ok))
	for _, path := range []string{"/rooms/7", "/health", "/rooms/nowhere"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if answer.Code != http.StatusNoContent {
			t.Errorf("GET %s: %d, want the handler's own answer", path, answer.Code)
		}
	}
	if err := tracker.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := db.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "7"}, Limit: 1})
	if err != nil || len(page.Sessions) != 1 || time.Since(page.Sessions[0].LastActivity) > time.Minute {
		t.Errorf("session 7: %+v, %v; want it touched just now", page, err)
	}
	if _, err := tracker.Middleware(nil); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("Middleware(nil) = %v, want ErrInvalid", err)
	}
}

// picky is a store that cannot touch one session.
type picky struct {
	*memory.Store
	calls int
}

func (p *picky) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	p.calls++
	for _, id := range t.IDs {
		if id == "7" {
			return 0, errors.New("session 7 breaks a constraint")
		}
	}
	return p.Store.Touch(ctx, t)
}

func TestOneSessionThatCannotBeTouchedDoesNotKeepOthersFromIt(t *testing.T) {
	t.Parallel()
	db := &picky{Store: memory.New(memory.Config{})}
	put(t, db.Store, 0, 500, 2*day, nil)
	m := managerOver(t, db, sessioncleanup.Policy{})
	tracker, err := m.NewTracker(sessioncleanup.TrackerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		tracker.Touch(strconv.Itoa(i))
	}
	if err := tracker.Flush(t.Context()); err == nil || tracker.Pending() != 1 || db.calls > 30 {
		t.Errorf("Flush = %v with %d kept after %d statements; want the error, one session and about 20", err, tracker.Pending(), db.calls)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil || stats.CleanupCandidates != 1 {
		t.Errorf("%d sessions are due, %v; want the one that could not be touched", stats.CleanupCandidates, err)
	}
}

// stuck is a store whose touches wait until letGo is closed.
type stuck struct {
	*memory.Store
	letGo chan struct{}
}

func (s *stuck) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	<-s.letGo
	return s.Store.Touch(ctx, t)
}

func TestCloseGivesUpWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &stuck{Store: memory.New(memory.Config{}), letGo: make(chan struct{})}
		tracker, err := managerOver(t, db, sessioncleanup.Policy{}).NewTracker(sessioncleanup.TrackerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		tracker.Touch("1")
		flushed := make(chan error)
		go func() { flushed <- tracker.Flush(t.Context()) }()
		synctest.Wait() // the flush hangs
		tracker.Touch("2")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tracker.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v, want its deadline", err)
		}
		close(db.letGo)
		if err := <-flushed; err != nil {
			t.Error(err)
		}
	})
}

func TestTrackersRefuseAnIntervalLongerThanThePolicys(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{TouchInterval: time.Second}, memory.Config{})
	if _, err := m.NewTracker(sessioncleanup.TrackerConfig{FlushInterval: time.Minute}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("NewTracker = %v, want ErrInvalid", err)
	}
}

func TestTrackerKeepsTheTimeOfEachTouch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Store: memory.New(memory.Config{}), touched: map[string]int{}}
		put(t, db.Store, 1, 2, 25*time.Hour, nil)
		m := managerOver(t, db, sessioncleanup.Policy{ReactivateOnActivity: sessioncleanup.On})
		tracker, err := m.NewTracker(sessioncleanup.TrackerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		db.broken = true
		tracker.Touch("1")
		first := time.Now()
		time.Sleep(10 * time.Second)
		tracker.Touch("2")
		second := time.Now()
		expectError(t, "a flush while the database is away", tracker.Flush(t.Context()), sessioncleanup.ErrUnavailable)
		if run := cleanup(t, m, sessioncleanup.Run{}); run.Deactivated() != 2 {
			t.Fatalf("%d deactivated, want both: the touches are not written yet", run.Deactivated())
		}
		time.Sleep(10 * time.Second)
		db.broken = false
		if err := tracker.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		sessions := stored(t, db.Store)
		for id, at := range map[string]time.Time{"1": first, "2": second} {
			if s := sessions[id]; s.Active || !s.LastActivity.Equal(at) {
				t.Errorf("session %s is %+v, want it used at %v, before its deactivation, and so still inactive", id, s, at)
			}
		}
		time.Sleep(time.Minute)
		tracker.Touch("1")
		used := time.Now()
		time.Sleep(time.Second)
		if err := tracker.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := stored(t, db.Store)["1"]; !s.Active || !s.LastActivity.Equal(used) {
			t.Errorf("session 1 is %+v, want it active again, used at %v", s, used)
		}
	})
}

func TestTrackerKeepsTheLatestOfSeveralTouches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, db := newTracker(t)
		tracker.Touch("1")
		time.Sleep(5 * time.Second)
		tracker.Touch("1")
		used := time.Now()
		time.Sleep(5 * time.Second)
		if err := tracker.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := stored(t, db.Store)["1"]; !s.LastActivity.Equal(used) {
			t.Errorf("last activity is %v, want %v", s.LastActivity, used)
		}
	})
}
