package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

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

func TestReadySaysUntilWhenCleanupIsPaused(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Pause(t.Context(), time.Now().Add(time.Hour), "a secret")
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	httpapi.Ready(m).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if want := "ready; cleanup is paused until " + p.Until.Format(time.RFC3339) + "\n"; rec.Code != http.StatusOK || rec.Body.String() != want {
		t.Errorf("ready: %d %q, want 200 %q", rec.Code, rec.Body, want)
	}
}

// refusing is a store that grants no lease.
type refusing struct{ sessioncleanup.Store }

func (refusing) Lease(context.Context, sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	return sessioncleanup.Lease{}, errors.New("out of order")
}

func TestReadyFailsWhileAScheduledRunIsOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := sessioncleanup.New(refusing{memory.New(memory.Config{})}, sessioncleanup.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ready := httpapi.Ready(m)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = m.Run(ctx, sessioncleanup.Interval{Every: time.Hour})
		}()
		for after, want := range []int{http.StatusOK, http.StatusOK, http.StatusServiceUnavailable} { // hours
			if after > 0 {
				time.Sleep(time.Hour - time.Minute)
			}
			if answer := get(t.Context(), ready, http.MethodGet, "/readyz", ""); answer.Code != want {
				t.Errorf("/readyz after about %d hours: %d %s, want %d", after, answer.Code, answer.Body, want)
			}
		}
		cancel()
		<-ended
	})
}
