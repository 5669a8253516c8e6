package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// slowRuns is a server with short timeouts, and a store on which a run takes n/20 s.
func slowRuns(t *testing.T, n int) (*memory.Store, *httptest.Server) {
	t.Helper()
	store := memory.New(memory.Config{})
	for i := range n {
		long := time.Now().Add(-48 * time.Hour)
		if err := store.Put(sessioncleanup.Session{ID: fmt.Sprint(i), Active: true, AutoCleanup: true, LastActivity: long}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rate: 20, BatchSize: 1}})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(m, httpapi.Options{Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
		return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(api)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return store, server
}

// startRun starts a run and returns its lines.
func startRun(ctx context.Context, t *testing.T, server *httptest.Server) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+httpapi.DefaultPrefix+"/cleanup", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return bufio.NewScanner(res.Body)
}

func TestARunWithProgressOutlastsTheTimeoutsOfTheServer(t *testing.T) {
	t.Parallel()
	_, server := slowRuns(t, 20)
	lines, last := 0, ""
	for scanner := startRun(t.Context(), t, server); scanner.Scan(); lines++ {
		last = scanner.Text()
	}
	if lines < 3 || !strings.Contains(last, `"result"`) || !strings.Contains(last, `"done":20`) {
		t.Errorf("%d lines, the last is %s", lines, last)
	}
}

func TestARunWithProgressEndsWhenItsClientLeaves(t *testing.T) {
	t.Parallel()
	store, server := slowRuns(t, 400)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	if !startRun(ctx, t, server).Scan() {
		t.Fatal("no progress")
	}
	leave()
	server.Close() // returns when the request has ended: long before 20 s
	events, err := store.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionRun}, Limit: 1})
	if err != nil || len(events) != 1 || events[0].Run.Error == "" || events[0].Run.Phases.Total().Done >= 400 {
		t.Errorf("the run is recorded as %+v, %v", events, err)
	}
}
