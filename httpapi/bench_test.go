package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

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
	page := func(query string) (next string) {
		var p struct {
			Sessions []struct{}
			Next     string `json:"next_cursor"`
		}
		rec := get(b.Context(), api, http.MethodGet, "/view?"+query, "")
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != http.StatusOK || len(p.Sessions) == 0 {
			b.Fatalf("%d %v: %.200s", rec.Code, err, rec.Body)
		}
		return p.Next
	}
	for _, sort := range []string{"last_activity", "name"} {
		next := ""
		for range 999 { // to the last 1,000
			next = page("limit=1000&sort=" + sort + "&cursor=" + url.QueryEscape(next))
		}
		for range 19 { // to the last 50
			next = page("limit=50&sort=" + sort + "&cursor=" + url.QueryEscape(next))
		}
		for name, query := range map[string]string{"first": "", "deepest": "&cursor=" + url.QueryEscape(next)} {
			b.Run(sort+"/"+name, func(b *testing.B) {
				req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, httpapi.DefaultPrefix+"/view?limit=50&sort="+sort+query, nil)
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
