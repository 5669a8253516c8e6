package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// byHeader authenticates the owner that a header names; without it, an admin.
func byHeader(r *http.Request) (sessioncleanup.Principal, error) {
	if owner := r.Header.Get("Owner"); owner != "" {
		return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: owner}, nil
	}
	return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}, nil
}

func TestOneOwnersRequestsLeaveTheDatabaseToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		var mu sync.Mutex
		now, most := 0, 0
		db.Before(func(ctx context.Context, method string) error {
			if method != "Events" {
				return nil
			}
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		})
		h := newHandler(t, db, httpapi.Options{Authenticate: byHeader, MaxRequestsPerPrincipal: 2, Timeout: 1500 * time.Millisecond})
		statuses := map[int]int{}
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				a := send(t.Context(), h, http.MethodGet, "/events", "", http.Header{"Owner": {"bob"}})
				if a.Code == http.StatusTooManyRequests && a.Header().Get("Retry-After") == "" {
					t.Error("a 429 has no Retry-After")
				}
				mu.Lock()
				statuses[a.Code]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		started := time.Now()
		if a := send(t.Context(), h, http.MethodGet, "/view", "", http.Header{"Owner": {"ann"}}); a.Code != http.StatusOK || time.Since(started) > 0 {
			t.Errorf("ann's request is a %d after %v while bob has many", a.Code, time.Since(started))
		}
		all.Wait()
		if most != 2 || statuses[http.StatusOK] != 4 || statuses[http.StatusTooManyRequests] != 36 {
			t.Errorf("at most %d at a time, statuses %v; want 2, those that got a turn within the timeout and 429 for the others", most, statuses)
		}
		if a := send(t.Context(), h, http.MethodGet, "/view", "", http.Header{"Owner": {"bob"}}); a.Code != http.StatusOK {
			t.Errorf("bob's next request is a %d", a.Code)
		}
	})
}

func TestChangesThatAreLoggedHaveALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	seed(t, db, 10)
	h := newHandler(t, db, httpapi.Options{LimitChanges: httpapi.PerPrincipal(0.001, 3)})
	statuses := map[int]int{}
	for i := range 20 {
		statuses[get(t.Context(), h, http.MethodPatch, "/1/auto-cleanup", fmt.Sprintf(`{"auto_cleanup":%t}`, i%2 == 0)).Code]++
	}
	if statuses[http.StatusOK] != 3 || statuses[http.StatusTooManyRequests] != 17 {
		t.Errorf("statuses of 20 changes are %v, want 3 allowed", statuses)
	}
	for _, r := range [][2]string{{http.MethodPatch, "/1/activity"}, {http.MethodGet, "/1"}, {http.MethodPost, "/cleanup"}} {
		if a := get(t.Context(), h, r[0], r[1], ""); a.Code != http.StatusOK {
			t.Errorf("%s %s is a %d, want no limit", r[0], r[1], a.Code)
		}
	}
	if a := get(t.Context(), h, http.MethodDelete, "/1?confirm=1", ""); a.Code != http.StatusTooManyRequests {
		t.Errorf("a deletion is a %d, want the limit of changes", a.Code)
	}
}

func TestAnOutageIsLoggedOnceAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		h := newHandler(t, db, httpapi.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		db.Before(func(context.Context, string) error { return errors.Join(sessioncleanup.ErrUnavailable) })
		for range 90 {
			get(t.Context(), h, http.MethodGet, "/view", "")
			time.Sleep(time.Second)
		}
		db.Before(nil)
		time.Sleep(2 * time.Second)
		get(t.Context(), h, http.MethodGet, "/view", "")
		get(t.Context(), h, http.MethodGet, "/view", "")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[1], "failed_before=59") || !strings.Contains(lines[2], "available again") || !strings.Contains(lines[2], "failed_before=29") {
			t.Errorf("the log of an outage with 90 failed requests is\n%s", log.String())
		}
	})
}
