package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// Each call of the store is a round trip to a database.
func TestEachRouteCallsTheStoreAsOftenAsItNeeds(t *testing.T) {
	t.Parallel()
	type calls = map[string]int
	for _, test := range []struct {
		method, path, body string
		ifMatch            bool
		status             int
		want               calls
	}{
		{http.MethodGet, "/1", "", false, http.StatusOK, calls{"List": 1}},
		{http.MethodGet, "/view", "", false, http.StatusOK, calls{"List": 1}},
		{http.MethodGet, "/events", "", false, http.StatusOK, calls{"Events": 1}},
		{http.MethodGet, "/stats?owner=1", "", false, http.StatusOK, calls{"Counts": 1}},
		{http.MethodGet, "/stats", "", false, http.StatusOK, calls{"Counts": 1, "Events": 2, "Now": 2}},
		{http.MethodPatch, "/1/deactivate", "", false, http.StatusOK, calls{"Update": 1}},
		{http.MethodPatch, "/1/deactivate", "", true, http.StatusOK, calls{"Update": 1}},
		{http.MethodPatch, "/1/reactivate", "", true, http.StatusOK, calls{"Update": 1}},
		{http.MethodPatch, "/1/auto-cleanup", `{"auto_cleanup":false}`, true, http.StatusOK, calls{"Update": 1}},
		{http.MethodPatch, "/1/expiry", `{"expires_at":null}`, true, http.StatusOK, calls{"Update": 1}},
		{http.MethodPatch, "/90/activity", "", false, http.StatusOK, calls{"Touch": 1, "List": 1}},
		{http.MethodPatch, "/1/activity", "", false, http.StatusOK, calls{"Touch": 1, "List": 2}}, // throttled: does it exist?
		{http.MethodDelete, "/1", "", false, http.StatusPreconditionRequired, calls{"List": 1}},
		{http.MethodDelete, "/1?confirm=1", "", false, http.StatusOK, calls{"Delete": 1}},
		{http.MethodDelete, "/1?confirm=1", "", true, http.StatusOK, calls{"Delete": 1}},
	} {
		db := &apitest.Faulty{Store: memory.New(memory.Config{})}
		seed(t, db.Store.(*memory.Store), 100)
		h := newHandler(t, db, httpapi.Options{})
		header := http.Header{"Content-Type": {"application/json"}}
		if test.ifMatch {
			header.Set("If-Match", get(t.Context(), h, http.MethodGet, "/1", "").Header().Get("ETag"))
		}
		db.Forget()
		rec := send(t.Context(), h, test.method, test.path, test.body, header)
		if rec.Code != test.status {
			t.Errorf("%s %s: %d %s, want %d", test.method, test.path, rec.Code, rec.Body, test.status)
		}
		if diff := cmp.Diff(test.want, db.Calls()); diff != "" {
			t.Errorf("%s %s, If-Match %t: calls (-want +got):\n%s", test.method, test.path, test.ifMatch, diff)
		}
	}
}
