package bench

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// requests are those that are measured.
var requests = []struct{ name, path string }{
	{"GET /stats", httpapi.DefaultPrefix + "/stats"},
	{"GET /view, 50 sessions", httpapi.DefaultPrefix + "/view?limit=50"},
}

// The figures of a request.
const (
	medianMS = "median ms"
	p99MS    = "p99 ms"
)

// http sends requests over TCP to the handlers, one after the other.
func (b *bench) http(t *testing.T, e *engine) {
	api, err := httpapi.New(e.fresh(t, library).manager, httpapi.Options{
		Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
			return sessioncleanup.Principal{ID: "bench", Role: sessioncleanup.RoleAdmin}, nil
		},
		Interval: time.Nanosecond, // statistics are computed for every request
		Timeout:  time.Minute,
	})
	check(t, err)
	server := httptest.NewServer(api)
	defer server.Close()
	for round := range b.Rounds {
		for _, r := range rotated(requests, round) {
			get(t, server, r.path) // plans, and what is read for the first time
			var took []time.Duration
			for started := time.Now(); time.Since(started) < b.Period; {
				from := time.Now()
				get(t, server, r.path)
				took = append(took, time.Since(from))
			}
			b.results.add("http", e.name, r.name, medianMS, ms(quantile(took, 0.5)))
			b.results.add("http", e.name, r.name, p99MS, ms(quantile(took, 0.99)))
		}
	}
}

func get(t *testing.T, server *httptest.Server, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	check(t, err)
	answer, err := server.Client().Do(request)
	check(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(t, err)
	counting := answer.StatusCode == http.StatusServiceUnavailable && bytes.Contains(body, []byte("counting\"")) // the page does not wait for that
	if answer.StatusCode != http.StatusOK && !counting {
		t.Fatalf("GET %s: %s", path, answer.Status)
	}
}
