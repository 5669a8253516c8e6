package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func itoa(n int) string { return strconv.Itoa(n) }

// get asks for something, in this goroutine.
func get(ctx context.Context, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, httpapi.DefaultPrefix+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func TestARunGoesOnWhenItsClientLeavesAndOthersHear409Meanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		db := memory.New(memory.Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error {
			<-release
			return nil
		}})
		err := db.Put(sessioncleanup.Session{ID: "old", AutoCleanup: true, LastActivity: time.Now().AddDate(0, 0, -60)})
		if err != nil {
			t.Fatal(err)
		}
		h := newHandler(t, db, httpapi.Options{})
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- get(ctx, h, http.MethodPost, "/cleanup", "").Code }()
		synctest.Wait() // the run waits in the hook
		leave()
		second := get(t.Context(), h, http.MethodPost, "/cleanup", "")
		if after, err := strconv.Atoi(second.Header().Get("Retry-After")); second.Code != http.StatusConflict || err != nil || after < 1 || after > 31 {
			t.Errorf("second run: %d, Retry-After %q, want 409 and the rest of the lease", second.Code, second.Header().Get("Retry-After"))
		}
		close(release)
		if code := <-done; code != http.StatusOK {
			t.Errorf("first run: %d, want 200", code)
		}
		if rec := get(t.Context(), h, http.MethodGet, "/old", ""); rec.Code != http.StatusNotFound {
			t.Errorf("the session that the run deletes: %d, want 404", rec.Code)
		}
		if rec := get(t.Context(), h, http.MethodPost, "/cleanup", ""); rec.Code != http.StatusOK {
			t.Errorf("third run: %d, want 200", rec.Code)
		}
	})
}

func TestARunEndsEarlyWithTheHandlersContextAndSaysWhatItDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		deleted := 0
		db := memory.New(memory.Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error {
			if deleted++; deleted == 100 { // the first batch
				end()
				time.Sleep(time.Millisecond) // of the bubble's clock: the end gets around
			}
			return nil
		}})
		var old []sessioncleanup.Session
		for i := range 500 {
			old = append(old, sessioncleanup.Session{ID: itoa(i), AutoCleanup: true, LastActivity: time.Now().AddDate(0, 0, -60)})
		}
		if err := db.Put(old...); err != nil {
			t.Fatal(err)
		}
		rec := get(t.Context(), newHandler(t, db, httpapi.Options{Context: life}), http.MethodPost, "/cleanup", `{"force":true}`)
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"session_count":100`) || !strings.Contains(rec.Body.String(), `"run_id":"`) {
			t.Errorf("%d %s: want 503 that says 100 sessions were deleted", rec.Code, rec.Body)
		}
	})
}

func TestStatisticsAreComputedOncePerIntervalForAnyNumberOfCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		db.Before(func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }) // of the bubble's clock
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		for round := range 3 {
			var callers sync.WaitGroup
			first, leave := context.WithCancel(t.Context())
			for i := range 200 {
				callers.Go(func() {
					ctx := t.Context() //nolint:contextcheck // each caller has a context of its own
					if i == 0 {        // whoever computes may leave: the others get it all the same
						ctx = first
					}
					if rec := get(ctx, h, http.MethodGet, "/stats", ""); rec.Code != http.StatusOK && i > 0 {
						t.Errorf("%d: %s", rec.Code, rec.Body)
					}
				})
			}
			synctest.Wait()
			leave()
			callers.Wait()
			if n := db.Calls.Load(); n != int64(round+1) {
				t.Errorf("after %d intervals the sessions were counted %d times", round+1, n)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestStatisticsOfVeryManyOwnersAreNotAllKept(t *testing.T) {
	t.Parallel()
	db := &apitest.Faulty{Store: memory.New(memory.Config{})}
	h := newHandler(t, db, httpapi.Options{Interval: time.Hour})
	const owners = 3000
	for i := range owners {
		get(t.Context(), h, http.MethodGet, "/stats?owner="+itoa(i), "")
	}
	for i := range owners {
		get(t.Context(), h, http.MethodGet, "/stats?owner="+itoa(i), "")
	}
	if n := db.Calls.Load(); n < owners+1000 {
		t.Errorf("%d owners asked twice: counted %d times, so all were kept", owners, n)
	}
}

func TestNewRefusesWhatCannotBeRight(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	who := func(*http.Request) (sessioncleanup.Principal, error) { return sessioncleanup.Principal{}, nil }
	for field, o := range map[string]httpapi.Options{
		"Authenticate": {},
		"Prefix":       {Authenticate: who, Prefix: "api"},
		"%q":           {Authenticate: who, Prefix: "/a%2fb"},
		"Timeout":      {Authenticate: who, Timeout: -1},
		"Interval":     {Authenticate: who, Interval: -1},
		"Heartbeat":    {Authenticate: who, Heartbeat: -1},
		"MaxWatchers":  {Authenticate: who, MaxWatchers: -1},
	} {
		if _, err := httpapi.New(m, o); !errors.Is(err, sessioncleanup.ErrInvalid) || field[0] != '%' && !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := httpapi.New(nil, httpapi.Options{Authenticate: who}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("no manager: %v", err)
	}
}

func TestThePrefixIsWhereTheRoutesAre(t *testing.T) {
	t.Parallel()
	for prefix, path := range map[string]string{"/": "/stats", "/a/b/": "/a/b/stats", "/a": "/a/stats"} {
		h := newHandler(t, memory.New(memory.Config{}), httpapi.Options{Prefix: prefix})
		for target, want := range map[string]int{path: http.StatusOK, "/elsewhere" + path: http.StatusNotFound} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
			if rec.Code != want {
				t.Errorf("prefix %s: GET %s is %d, want %d", prefix, target, rec.Code, want)
			}
		}
		doc := httptest.NewRecorder()
		h.ServeHTTP(doc, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(path, "stats", "openapi.yaml", 1), nil))
		if want := "- url: " + strings.TrimSuffix(path, "/stats"); !strings.Contains(doc.Body.String(), want) {
			t.Errorf("prefix %s: the document does not have %q", prefix, want)
		}
	}
}

func TestReadyFollowsTheDatabaseAndHealthyDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		m, err := sessioncleanup.New(db, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ready := httpapi.Ready(m)
		ask := func(h http.Handler) int {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			return rec.Code
		}
		if got := ask(ready); got != http.StatusOK {
			t.Errorf("ready: %d, want 200", got)
		}
		time.Sleep(time.Second)
		db.Before(apitest.Hang)
		began := time.Now()
		if got := ask(ready); got != http.StatusServiceUnavailable || time.Since(began) > 2*time.Second {
			t.Errorf("ready without a database: %d after %v, want 503 within 2 s", got, time.Since(began))
		}
		if got := ask(httpapi.Healthy()); got != http.StatusOK {
			t.Errorf("healthy without a database: %d, want 200", got)
		}
		db.Before(nil)
		if got := ask(ready); got != http.StatusOK {
			t.Errorf("ready again: %d, want 200", got)
		}
	})
}
