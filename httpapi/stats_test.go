package httpapi_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestStatisticsAreComputedOncePerIntervalForAnyNumberOfCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		db.Before(func(context.Context, string) error { time.Sleep(100 * time.Millisecond); return nil }) // of the bubble's clock
		h := newHandler(t, db, httpapi.Options{Interval: time.Second})
		for round := range 3 {
			var callers sync.WaitGroup
			first, leave := context.WithCancel(t.Context())
			for i := range 200 {
				callers.Go(func() {
					ctx := t.Context() //nolint:contextcheck // each caller has a context of its own
					if i == 0 {        // the first caller, which computes, leaves: the others get the value
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
			if n := db.Calls()["Counts"]; n != round+1 {
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
	if n := db.Calls()["Counts"]; n < owners+1000 {
		t.Errorf("%d owners asked twice: counted %d times, so all were kept", owners, n)
	}
}
