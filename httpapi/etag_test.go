package httpapi_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// Both requests have checked what they check before the write, and wait for each other there.
func TestOfTwoConcurrentChangesWithTheSameETagExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, body string }
	deactivate := request{http.MethodPatch, "/1/deactivate", ""}
	protect := request{http.MethodPatch, "/1/auto-cleanup", `{"auto_cleanup":false}`}
	expire := request{http.MethodPatch, "/1/expiry", `{"expires_at":"2030-01-01T00:00:00Z"}`}
	remove := request{http.MethodDelete, "/1?confirm=1", ""}
	for _, pair := range [][2]request{
		{deactivate, deactivate}, {protect, protect}, {expire, deactivate}, {protect, expire}, {deactivate, remove}, {remove, remove},
	} {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		seed(t, db.Store.(*memory.Store), 2)
		h := newHandler(t, db, httpapi.Options{})
		tag := get(t.Context(), h, http.MethodGet, "/1", "").Header().Get("ETag")
		var both sync.WaitGroup
		both.Add(2)
		db.Before(func(_ context.Context, method string) error {
			if method == "Update" || method == "Delete" {
				both.Done()
				both.Wait()
			}
			return nil
		})
		var status [2]int
		var senders sync.WaitGroup
		for i, r := range pair {
			senders.Go(func() {
				header := http.Header{"Content-Type": {"application/json"}, "If-Match": {tag}}
				status[i] = send(t.Context(), h, r.method, r.path, r.body, header).Code
			})
		}
		senders.Wait()
		won := 0
		for _, s := range status {
			switch s {
			case http.StatusOK:
				won++
			case http.StatusPreconditionFailed:
			case http.StatusNotFound: // after a deletion
				if pair[0] != remove && pair[1] != remove {
					t.Errorf("%v: 404", pair)
				}
			default:
				t.Errorf("%v: %d", pair, s)
			}
		}
		if won != 1 {
			t.Errorf("%v: %v, want exactly one 200", pair, status)
		}
	}
}
