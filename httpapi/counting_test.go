package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// large is a store that takes its time to count, as one of millions of sessions.
type large struct{ sessioncleanup.Store }

func (s large) Unwrap() sessioncleanup.Store { return s.Store }

func (s large) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	time.Sleep(20 * time.Second)
	return s.Store.Counts(ctx, q)
}

func TestNothingWaitsForFiguresThatAreCountedForTheFirstTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 7)
		h := newHandler(t, large{db}, httpapi.Options{})
		began := time.Now()
		for _, want := range []struct {
			path   string
			within time.Duration
			status int
			has    string
		}{
			{"/view", 0, http.StatusOK, `"id":"6"`},
			{"/summary", 500 * time.Millisecond, http.StatusOK, `"total":null,"open":null,"closed":null,"protected":null,"closing":{"within_hours":`},
			{"/stats", 1500 * time.Millisecond, http.StatusServiceUnavailable, `#counting"`},
		} {
			asked := time.Now()
			a := get(t.Context(), h, http.MethodGet, want.path, "")
			if took := time.Since(asked); took > want.within || a.Code != want.status || !strings.Contains(a.Body.String(), want.has) {
				t.Errorf("%s answers %d after %v: %s; want %d within %v, with %s", want.path, a.Code, took, a.Body, want.status, want.within, want.has)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		to := newRecorder()
		ended := watch(ctx, h, to)
		time.Sleep(10 * time.Second)
		if to.count("event: unavailable") > 0 || to.count("event: stats") > 0 || to.count("retry: ") == 0 {
			t.Errorf("while it is counted, a watcher gets %q; want an open stream without figures", to.text())
		}
		time.Sleep(20*time.Second - time.Since(began) + 3*time.Second)
		if a := get(t.Context(), h, http.MethodGet, "/summary", ""); !strings.Contains(a.Body.String(), `"total":7`) {
			t.Errorf("once it is counted, /summary says %s; want 7 sessions", a.Body)
		}
		if to.count("event: stats") == 0 {
			t.Errorf("once it is counted, a watcher gets %q; want the figures", to.text())
		}
		stop()
		ended()
	})
}
