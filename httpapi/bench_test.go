package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// million is a store with 1,000,000 sessions, made once for all benchmarks.
var million = sync.OnceValue(func() *memory.Store { return memory.New(memory.Config{}) })

var seedMillion sync.Once

func millionSessions(b *testing.B) *memory.Store {
	b.Helper()
	db := million()
	seedMillion.Do(func() { seed(b, db, 1_000_000) })
	return db
}

// BenchmarkStats compares GET /stats over 1,000,000 sessions with a handler that writes the same bytes and does nothing
// else, over the network and called directly.
func BenchmarkStats(b *testing.B) {
	api := newHandler(b, millionSessions(b), httpapi.Options{})
	body := get(b.Context(), api, http.MethodGet, "/stats", "").Body.Bytes()
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	for _, h := range []struct {
		name    string
		handler http.Handler
	}{{"bare", bare}, {"stats", api}} {
		b.Run("network/"+h.name, func(b *testing.B) {
			server := httptest.NewServer(h.handler)
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+httpapi.DefaultPrefix+"/stats", nil)
					if err != nil {
						b.Error(err)
						return
					}
					res, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
		b.Run("direct/"+h.name, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, httpapi.DefaultPrefix+"/stats", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.handler.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}

// BenchmarkView compares the first page of 50 of 1,000,000 sessions with the last full one.
func BenchmarkView(b *testing.B) {
	api := newHandler(b, millionSessions(b), httpapi.Options{})
	m, err := sessioncleanup.New(million(), sessioncleanup.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for _, sort := range []sessioncleanup.Sort{sessioncleanup.SortLastActivity, sessioncleanup.SortName} {
		next := ""
		for read := 0; read < 999_950; { // to the last 50
			page, err := m.List(b.Context(), sessioncleanup.ListOptions{Sort: sort, Cursor: next, Limit: min(1000, 999_950-read)})
			if err != nil {
				b.Fatal(err)
			}
			read, next = read+len(page.Sessions), page.Next
		}
		for _, page := range []struct{ name, query string }{{"first", ""}, {"deepest", "&cursor=" + url.QueryEscape(next)}} {
			b.Run(string(sort)+"/"+page.name, func(b *testing.B) {
				req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, httpapi.DefaultPrefix+"/view?limit=50&sort="+string(sort)+page.query, nil)
				for b.Loop() {
					rec := httptest.NewRecorder()
					api.ServeHTTP(rec, req)
					if rec.Code != http.StatusOK {
						b.Fatal(rec.Body)
					}
				}
			})
		}
	}
}
