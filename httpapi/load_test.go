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

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// loadRequests are what clients send all the time.
var loadRequests = []struct{ method, path, body string }{
	{http.MethodGet, "/stats", ""}, {http.MethodGet, "/view", ""}, {http.MethodGet, "/events", ""}, {http.MethodGet, "/1", ""},
	{http.MethodPatch, "/1/activity", ""}, {http.MethodPatch, "/1/auto-cleanup", `{"auto_cleanup":true}`},
	{http.MethodPost, "/cleanup", `{"dry_run":true}`}, {http.MethodDelete, "/none?confirm=none", ""},
}

// phases of the database while it is under load.
const (
	phaseUp = iota
	phaseDown
	phaseBack
)

func TestADatabaseThatStopsUnderLoadIsAnswered503InTimeAndComesBackWithoutARestart(t *testing.T) {
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
				status := send(t, client, r.method, server.URL+httpapi.DefaultPrefix+r.path, r.body) //nolint:contextcheck // a request under way ends by itself
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
	hang := apitest.Hang
	db.Before(hang)
	phase.Store(phaseDown)
	answered(phaseDown, http.StatusServiceUnavailable, 32)
	db.Before(nil)
	phase.Store(phaseBack)
	answered(phaseBack, http.StatusOK, 200)
	stop()
	clients.Wait()

	if n := counts[phaseDown][http.StatusOK].Load(); n > 0 {
		t.Errorf("%d requests worked while the database was away", n)
	}
	if n := counts[phaseUp][http.StatusServiceUnavailable].Load() + counts[phaseBack][http.StatusInternalServerError].Load(); n > 0 {
		t.Errorf("%d requests failed while the database was there", n)
	}
	if d := time.Duration(slowest.Load()); d > 2*time.Second {
		t.Errorf("an answer took %v, want at most 2 s", d)
	}
}

// send gives the status of an answer; 599 when there is none.
func send(t *testing.T, client *http.Client, method, url, body string) int {
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

func seed(tb testing.TB, db *memory.Store, n int) {
	tb.Helper()
	now := time.Now()
	sessions := make([]sessioncleanup.Session, 0, n)
	for i := range n {
		sessions = append(sessions, sessioncleanup.Session{
			ID: itoa(i), Name: "session " + itoa(i), Code: "c" + itoa(i), OwnerID: itoa(i % 1000), Active: i%3 != 0, AutoCleanup: true,
			CreatedAt: now.Add(-time.Duration(i) * time.Second), LastActivity: now.Add(-time.Duration(i) * time.Second),
		})
	}
	if err := db.Put(sessions...); err != nil {
		tb.Fatal(err)
	}
}

// newHandler makes a handler whose requests come from an admin unless the options say otherwise.
func newHandler(tb testing.TB, db sessioncleanup.Store, o httpapi.Options) http.Handler {
	tb.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	if o.Authenticate == nil {
		o.Authenticate = func(*http.Request) (sessioncleanup.Principal, error) {
			return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "root"}, nil
		}
	}
	h, err := httpapi.New(m, o)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}
