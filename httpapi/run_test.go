package httpapi_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// slow is a store that calls during after each batch of deletions.
type slow struct {
	*memory.Store
	during func()
}

func (s slow) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	result, err := s.Store.Sweep(ctx, b)
	if b.Action == sessioncleanup.ActionDeleted {
		s.during()
	}
	return result, err
}

func TestARunContinuesWhenItsClientDisconnectsAndASecondRunIs409(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		db := slow{memory.New(memory.Config{}), func() { <-release }}
		err := db.Put(sessioncleanup.Session{ID: "old", AutoCleanup: true, LastActivity: time.Now().AddDate(0, 0, -60), DeactivatedAt: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		h := newHandler(t, db, httpapi.Options{})
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- get(ctx, h, http.MethodPost, "/cleanup", "").Code }()
		synctest.Wait() // the run waits with its deletions
		leave()
		second := get(t.Context(), h, http.MethodPost, "/cleanup", "")
		if after, err := strconv.Atoi(second.Header().Get("Retry-After")); second.Code != http.StatusConflict || err != nil || after < 1 || after > 31 {
			t.Errorf("second run: %d, Retry-After %q, want 409 and the rest of the lease", second.Code, second.Header().Get("Retry-After"))
		}
		close(release)
		if code := <-done; code != http.StatusOK {
			t.Errorf("first run: %d, want 200", code)
		}
		if rec := get(t.Context(), h, http.MethodGet, "/old", ""); rec.Code != http.StatusNotFound {
			t.Errorf("the session that the run deletes: %d, want 404", rec.Code)
		}
		if rec := get(t.Context(), h, http.MethodPost, "/cleanup", ""); rec.Code != http.StatusOK {
			t.Errorf("third run: %d, want 200", rec.Code)
		}
	})
}

func TestARunEndsWithTheHandlersContextAndReportsWhatItDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		db := slow{memory.New(memory.Config{}), func() {
			end()
			time.Sleep(time.Millisecond) // of the bubble's clock: the run notices the end
		}}
		var old []sessioncleanup.Session
		for i := range 500 {
			old = append(old, sessioncleanup.Session{ID: itoa(i), AutoCleanup: true, LastActivity: time.Now().AddDate(0, 0, -60), DeactivatedAt: time.Unix(0, 0)})
		}
		if err := db.Put(old...); err != nil {
			t.Fatal(err)
		}
		rec := get(t.Context(), newHandler(t, db, httpapi.Options{Context: life}), http.MethodPost, "/cleanup", `{"force":true}`)
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"done":100`) || !strings.Contains(rec.Body.String(), `"run_id":"`) {
			t.Errorf("%d %s: want 503 with 100 sessions deleted", rec.Code, rec.Body)
		}
	})
}

func TestABulkChangeSaysThatTheServerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		db := memory.New(memory.Config{Refuse: func(s sessioncleanup.Session) error {
			if s.ID == "2" {
				end()
				time.Sleep(time.Millisecond) // of the bubble's clock: the change notices the end
			}
			return nil
		}})
		for _, id := range []string{"1", "2", "3"} {
			if err := db.Put(sessioncleanup.Session{ID: id, Active: true, AutoCleanup: true, LastActivity: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		h := newHandler(t, db, httpapi.Options{Context: life})
		rec := get(t.Context(), h, http.MethodPost, "/bulk", `{"action":"delete","ids":["1","2","3"]}`)
		if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "The server is stopping") || !strings.Contains(rec.Body.String(), `"bulk":{"matching":3,"done":`) {
			t.Errorf("%d %s: want 503, because the server is stopping, with what was done", rec.Code, rec.Body)
		}
		page, err := db.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "3"}, Limit: 10})
		if err != nil || len(page.Sessions) != 1 {
			t.Errorf("the last session: %v, %v, want that it is still there", page.Sessions, err)
		}
	})
}
