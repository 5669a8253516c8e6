package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const webClients = 8

// bareHandler names the handler that writes the bytes of GET /stats and does nothing else.
const bareHandler = "a bare handler, the bytes of /stats"

// measureHTTP sends requests over TCP to the handlers on the memory store, by turns with a handler that does nothing.
func measureHTTP(b *bench, s *scope) error {
	b.results.HTTP = nil
	size := slices.Max(b.sizes)
	l := layout{size, 20}
	store := memory.New(memory.Config{})
	for n := range size {
		if err := store.Put(l.session(n + 1)); err != nil {
			return err
		}
	}
	api, err := httpapi.New(s.manager(store), httpapi.Options{
		Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
			return sessioncleanup.Principal{ID: "bench", Role: sessioncleanup.RoleAdmin}, nil
		},
	})
	if err != nil {
		return err
	}
	body := httptest.NewRecorder()
	api.ServeHTTP(body, httptest.NewRequestWithContext(s.ctx, http.MethodGet, httpapi.DefaultPrefix+"/stats", nil))
	mux := http.NewServeMux()
	mux.Handle(httpapi.DefaultPrefix+"/", api)
	mux.HandleFunc("/bare", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body.Body.Bytes())
	})
	server := httptest.NewServer(mux)
	s.Cleanup(server.Close)
	requests := []struct{ name, path string }{
		{"GET /stats", httpapi.DefaultPrefix + "/stats"},
		{"GET /view, 50 sessions", httpapi.DefaultPrefix + "/view?limit=50"},
		{bareHandler, "/bare"},
	}
	return b.untilKnown(fmt.Sprintf("http: %d sessions", size), func(round int) error {
		for _, r := range rotated(requests, round) {
			sample, _, err := quietest(s.ctx, sampleTries, func() (HTTPSample, float64, error) {
				watched := watchProcessors()
				sample, err := requestsFor(s.ctx, server.URL+r.path, b.period)
				return sample, watched(), err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			sample.Request, sample.Size, sample.Round = r.name, size, round
			b.results.HTTP = append(b.results.HTTP, sample)
		}
		return nil
	}, func() [][]float64 { return page{b.results}.answeredRatios() })
}

// requestsFor has clients send the same request again and again for a while.
func requestsFor(ctx context.Context, url string, period time.Duration) (HTTPSample, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: webClients}}
	defer client.CloseIdleConnections()
	ends, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	var all [webClients][]time.Duration
	var errs [webClients]error
	var wg sync.WaitGroup
	started := time.Now()
	for n := range webClients {
		wg.Go(func() {
			for ends.Err() == nil && errs[n] == nil {
				from := time.Now()
				errs[n] = request(ctx, client, url)
				all[n] = append(all[n], time.Since(from))
			}
		})
	}
	wg.Wait()
	took := time.Since(started)
	times := slices.Concat(all[:]...)
	for _, err := range errs {
		if err != nil {
			return HTTPSample{}, err
		}
	}
	return HTTPSample{
		PerSecond: float64(len(times)) / took.Seconds(), P50: ms(percentile(times, 0.5)), P99: ms(percentile(times, 0.99)),
	}, nil
}

func request(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
