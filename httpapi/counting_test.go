package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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

// slowDue is a store that takes its time to count what is due, and tells how many do that.
type slowDue struct {
	sessioncleanup.Store
	counting, most, ended *atomic.Int64
}

func (s slowDue) Unwrap() sessioncleanup.Store { return s.Store }

func (s slowDue) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if q.CountUpTo > 0 && q.Status == sessioncleanup.StatusToDelete {
		s.most.Store(max(s.most.Load(), s.counting.Add(1)))
		defer s.counting.Add(-1)
		select {
		case <-time.After(15 * time.Second):
		case <-ctx.Done():
			s.ended.Add(1)
			return sessioncleanup.Page{}, ctx.Err()
		}
	}
	return s.Store.List(ctx, q)
}

func TestAProposalIsCountedHoweverLongThatTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		seed(t, db, 7)
		store := slowDue{db, &atomic.Int64{}, &atomic.Int64{}, &atomic.Int64{}}
		h := newHandler(t, store, httpapi.Options{})
		asked := time.Now()
		if a := get(t.Context(), h, http.MethodGet, "/policy", ""); time.Since(asked) > time.Second || !strings.Contains(a.Body.String(), `"due":null`) {
			t.Errorf("after %v the policy is %s; want it within a second, without what is due", time.Since(asked), a.Body)
		}
		time.Sleep(20 * time.Second)
		if a := get(t.Context(), h, http.MethodGet, "/policy", ""); !strings.Contains(a.Body.String(), `"due":{"deactivate":0,"delete":0,"purge":0}`) {
			t.Errorf("once it is counted, the policy is %s; want what is due", a.Body)
		}
		time.Sleep(5 * time.Minute)
		asked = time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if a := get(t.Context(), h, http.MethodGet, "/policy?inactive_hours=0.0005", ""); !strings.Contains(a.Body.String(), `"proposed":{"deactivate":4,`) {
					t.Errorf("a proposal is %d %s; want 4 deactivations", a.Code, a.Body)
				}
			})
		}
		leaving, leave := context.WithTimeout(t.Context(), 2*time.Second)
		defer leave()
		get(leaving, h, http.MethodGet, "/policy?inactive_hours=1", "")
		all.Wait()
		if store.most.Load() > 1 {
			t.Errorf("%d proposals were counted at a time, want 1", store.most.Load())
		}
		if took := time.Since(asked); took < 45*time.Second {
			t.Errorf("three proposals took until %v, want one after the other", took)
		}
	})
}

func TestAProposalEndsWhenItsClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		store := slowDue{db, &atomic.Int64{}, &atomic.Int64{}, &atomic.Int64{}}
		h := newHandler(t, store, httpapi.Options{})
		get(t.Context(), h, http.MethodGet, "/policy", "")
		time.Sleep(20 * time.Second) // what is due is known
		ctx, leave := context.WithTimeout(t.Context(), 2*time.Second)
		defer leave()
		get(ctx, h, http.MethodGet, "/policy?inactive_hours=1", "")
		if store.ended.Load() != 1 || store.counting.Load() != 0 {
			t.Errorf("%d counts ended with their client, %d go on; want 1 and none", store.ended.Load(), store.counting.Load())
		}
	})
}
