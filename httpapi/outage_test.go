package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// loadRequests are the requests that clients send all the time.
var loadRequests = []struct{ method, path, body string }{
	{http.MethodGet, "/stats", ""}, {http.MethodGet, "/view", ""}, {http.MethodGet, "/events", ""}, {http.MethodGet, "/1", ""},
	{http.MethodPatch, "/1/activity", ""}, {http.MethodPatch, "/1/auto-cleanup", `{"auto_cleanup":true}`},
	{http.MethodPost, "/cleanup", `{"dry_run":true}`}, {http.MethodDelete, "/none?confirm=none", ""},
}

// phases of the database under load.
const (
	phaseUp = iota
	phaseDown
	phaseBack
)

func TestWhileTheDatabaseHangsRequestsAre503InTimeAndAfterwardsTheyWork(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := &apitest.Faulty{Store: memory.New(memory.Config{})}
	seed(t, db.Store.(*memory.Store), 100)
	handler := newHandler(t, db, httpapi.Options{Interval: 10 * time.Millisecond})
	server := httptest.NewServer(handler)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()

	ctx, stop := context.WithCancel(t.Context())
	var phase, slowest atomic.Int64
	var counts [3][600]atomic.Int64
	var clients sync.WaitGroup
	for n := range 16 {
		clients.Go(func() {
			for i := n; ctx.Err() == nil; i++ {
				r := loadRequests[i%len(loadRequests)]
				sentIn, began := phase.Load(), time.Now()
				status := statusOf(t, client, r.method, server.URL+httpapi.DefaultPrefix+r.path, r.body) //nolint:contextcheck // a request in progress ends by itself
				took := time.Since(began)
				young := r.path == "/stats" && status == http.StatusOK && sentIn == phaseDown // figures may be an interval old
				if phase.Load() == sentIn && !young {                                         // not on the border of two phases
					counts[sentIn][status].Add(1)
				}
				for old := slowest.Load(); int64(took) > old && !slowest.CompareAndSwap(old, int64(took)); old = slowest.Load() {
				}
			}
		})
	}
	answered := func(p, status int, n int64) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for counts[p][status].Load() < n {
			if time.Now().After(deadline) {
				t.Fatalf("phase %d: %d answers with %d, want %d", p, counts[p][status].Load(), status, n)
			}
			time.Sleep(time.Millisecond) // between looks at the counter
		}
	}
	answered(phaseUp, http.StatusOK, 200)
	db.Before(apitest.Hang)
	phase.Store(phaseDown)
	answered(phaseDown, http.StatusServiceUnavailable, 32)
	db.Before(nil)
	phase.Store(phaseBack)
	answered(phaseBack, http.StatusOK, 200)
	stop()
	clients.Wait()

	if n := counts[phaseDown][http.StatusOK].Load(); n > 0 {
		t.Errorf("%d requests worked while the database was unavailable", n)
	}
	if n := counts[phaseUp][http.StatusServiceUnavailable].Load() + counts[phaseBack][http.StatusInternalServerError].Load(); n > 0 {
		t.Errorf("%d requests failed while the database was there", n)
	}
	if d := time.Duration(slowest.Load()); d > 2*time.Second {
		t.Errorf("a response took %v, want at most 2 s", d)
	}
}

// statusOf returns the status of the response; 599 when there is none.
func statusOf(t *testing.T, client *http.Client, method, url, body string) int {
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 599
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return 599
	}
	_ = res.Body.Close()
	return res.StatusCode
}
