package faults

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/faultnet"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func contains(err error, words ...string) bool {
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			return false
		}
	}
	return true
}

func tokens(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.txt")
	if err := os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair is a server with a standby, behind addresses of their own.
type pair struct {
	primary, standby *pgtest.Server
	first, second    *faultnet.Proxy
}

func newPair(t *testing.T, synchronous bool) *pair {
	t.Helper()
	p := &pair{primary: pgtest.Start(t, map[string]string{"wal_level": "replica"})}
	p.standby = p.primary.Standby(t, synchronous)
	p.first = faultnet.Start(t, p.primary.Socket(), 0)
	p.second = faultnet.Start(t, p.standby.Socket(), 0)
	return p
}

// fail ends the primary and promotes the standby.
func (p *pair) fail(t *testing.T) {
	t.Helper()
	p.primary.Stop()
	p.standby.Promote(t)
}

// TestFaultFailover: the primary fails during a run and requests, and what the standby has is promoted.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	for name, synchronous := range map[string]bool{"synchronous": true, "asynchronous": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, synchronous)
			w := newWorld(t, p.primary, 30_000)
			m := w.manager(w.through(p.first.Addr(), p.second.Addr()))
			api, err := httpapi.New(m, httpapi.Options{Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
				return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "ann"}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			var answered, unavailable, other atomic.Int64
			stop := throughout(t.Context(), func(ctx context.Context) {
				request := httptest.NewRequestWithContext(ctx, http.MethodGet, httpapi.DefaultPrefix+"/view?limit=5", nil)
				answer := httptest.NewRecorder()
				api.ServeHTTP(answer, request)
				switch {
				case answer.Code == http.StatusOK:
					answered.Add(1)
				case answer.Code == http.StatusServiceUnavailable:
					unavailable.Add(1)
				case ctx.Err() == nil:
					other.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			})
			defer stop()
			failed := false
			_, err = m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(pr sessioncleanup.Progress) {
				if !failed && pr.Done > 2000 {
					failed = true
					p.fail(t)
				}
			}})
			if !failed {
				t.Fatal("the run ended before the failure: the test shows nothing")
			}
			// A standby that is behind may lack the lease of the run that goes on: then the next run does the rest.
			if err != nil && (synchronous || !errors.Is(err, sessioncleanup.ErrLeaseLost)) {
				t.Errorf("the run: %v, want it to go on at the new primary", err)
			}
			before := answered.Load()
			eventually(t, 20*time.Second, "requests are answered again", func() bool { return answered.Load() > before })
			stop()
			t.Logf("%d requests were answered, %d were told that the database is unavailable", answered.Load(), unavailable.Load())
			if n := other.Load(); n > 0 {
				t.Errorf("%d requests got neither 200 nor 503", n)
			}
			w.pool = w.connect(p.standby.URLOf(w.name))
			eventually(t, 45*time.Second, "the next run ends", func() bool {
				_, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
				return err == nil
			})
			if n := w.count("SELECT count(*) FROM sessions WHERE is_active"); n != 0 {
				t.Errorf("%d sessions are still active", n)
			}
			w.consistent()
		})
	}
}

// TestFaultFailoverDuringMigration: the primary fails while a database is migrated; migrating again finishes it.
func TestFaultFailoverDuringMigration(t *testing.T) {
	t.Parallel()
	p := newPair(t, true)
	w := newWorld(t, p.primary, 0)
	store := w.open(w.through(p.first.Addr(), p.second.Addr()))
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec("INSERT INTO sessions (title, created_at, updated_at) SELECT 'old', now() - interval '9 days', now() - interval '3 days' FROM generate_series(1, 60000)")
	migrated := make(chan error, 1)
	go func() { migrated <- store.Migrate(t.Context(), sessioncleanup.Policy{}) }()
	eventually(t, 20*time.Second, "the migration is running", func() bool {
		return w.count("SELECT count(*) FROM pg_attribute WHERE attrelid = 'sessions'::regclass AND attname = 'last_activity'") > 0
	})
	p.fail(t)
	err := <-migrated
	t.Logf("the migration that was interrupted: %v", err)
	if err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
		t.Errorf("the migration that was interrupted: %v, want ErrUnavailable", err)
	}
	eventually(t, 20*time.Second, "migrating again succeeds", func() bool {
		err = store.Migrate(t.Context(), sessioncleanup.Policy{})
		if err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Fatalf("migrating again: %v", err)
		}
		return err == nil
	})
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	w.pool = w.connect(p.standby.URLOf(w.name))
	if n := w.count("SELECT count(*) FROM sessions WHERE last_activity > now() - interval '2 days'"); n != 0 {
		t.Errorf("%d sessions count as used just now", n)
	}
}

// TestFaultStandby: a standby is read, and what would write says where to go.
func TestFaultStandby(t *testing.T) {
	t.Parallel()
	p := newPair(t, true)
	w := newWorld(t, p.primary, 10)
	primary, standby, m := w.open(p.primary.URLOf(w.name)), w.open(p.standby.URLOf(w.name)), w.manager(p.standby.URLOf(w.name))
	eventually(t, 20*time.Second, "the standby has what the primary has", func() bool {
		stats, err := m.Stats(t.Context(), "")
		return err == nil && stats.Total == 10
	})
	if found, err := primary.Probe(t.Context()); err != nil || len(found.Denied)+len(found.Unnoticed) > 0 {
		t.Errorf("the primary's probe: %+v, %v", found, err)
	}
	_, probed := standby.Probe(t.Context())
	_, ran := m.Cleanup(t.Context(), sessioncleanup.Run{})
	for what, err := range map[string]error{"probe": probed, "run": ran, "migration": standby.Migrate(t.Context(), sessioncleanup.Policy{})} {
		if !errors.Is(err, sessioncleanup.ErrUnavailable) || !contains(err, "use the URL of its primary") {
			t.Errorf("the standby's %s: %v, want an ErrUnavailable that says where to go", what, err)
		}
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil {
		t.Errorf("a dry run on the standby: %v", err)
	}
	if _, err := postgres.Open(t.Context(), w.through(p.second.Addr()), postgres.Config{}); err == nil || !contains(err, "use the URL of its primary") {
		t.Errorf("a URL that wants to write: %v, want where to go", err)
	}
}
