package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// errSQL is like an error of a database. No response may quote it.
var errSQL = errors.New(`ERROR: relation "secret" does not exist: SELECT * FROM secret (SQLSTATE 42P01)`)

// failures of the database and of the application's code are reported without details.
func failures(t *testing.T, observe Observer) {
	requests := []request{
		{method: http.MethodGet, path: "/stats"}, {method: http.MethodGet, path: "/view"}, {method: http.MethodGet, path: "/events"},
		{method: http.MethodGet, path: "/live"}, {method: http.MethodGet, path: "/2"}, {method: http.MethodDelete, path: "/2"},
		{method: http.MethodDelete, path: "/2?confirm=2"}, {method: http.MethodPatch, path: "/2/deactivate"},
		{method: http.MethodPatch, path: "/2/activity"}, {method: http.MethodPost, path: "/cleanup"},
		{method: http.MethodPost, path: "/cleanup", body: `{"dry_run":true}`}, {method: http.MethodPost, path: "/runs/x/reactivate"},
		{method: http.MethodPatch, path: "/2/deactivate", header: map[string]string{"If-Match": `"x"`}},
	}
	for name, test := range map[string]struct {
		before  func(context.Context, string) error
		status  int
		problem string
	}{
		"away": {func(context.Context, string) error {
			return fmt.Errorf("dial: %w: %w", sessioncleanup.ErrUnavailable, errSQL)
		}, http.StatusServiceUnavailable, "unavailable"},
		"hangs":         {Hang, http.StatusServiceUnavailable, "unavailable"},
		"not installed": {func(context.Context, string) error { return sessioncleanup.ErrNotInstalled }, http.StatusServiceUnavailable, "unavailable"},
		"broken":        {func(context.Context, string) error { return errSQL }, http.StatusInternalServerError, "internal-error"},
		"panics":        {func(context.Context, string) error { panic("secret") }, http.StatusInternalServerError, "internal-error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range requests {
				w := newWorld(t, observe, func(s *setup) {
					db := &Faulty{Store: s.Store}
					db.Before(test.before)
					s.Store, s.Options.Timeout = db, 20*time.Millisecond
				})
				r.as = admin
				a := w.do(r).problem(test.status, test.problem)
				if got := a.header.Get("Retry-After"); (got != "") != (test.status == http.StatusServiceUnavailable) {
					t.Errorf("%s: Retry-After is %q", a.what, got)
				}
			}
		})
	}
	broken := newWorld(t, observe, func(s *setup) {
		s.Options.Authenticate = func(r *http.Request) (sessioncleanup.Principal, error) {
			switch r.Header.Get(roleHeader) {
			case "panic":
				panic("secret")
			case "away":
				return sessioncleanup.Principal{}, sessioncleanup.ErrUnavailable
			default:
				return sessioncleanup.Principal{}, sessioncleanup.ErrForbidden
			}
		}
	})
	broken.get("panic", "/view").problem(http.StatusInternalServerError, "internal-error")
	broken.get("away", "/view").problem(http.StatusServiceUnavailable, "unavailable")
	broken.get("known", "/view").problem(http.StatusForbidden, "forbidden")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	newWorld(t, observe).doIn(gone, request{as: admin, method: http.MethodGet, path: "/view"}).want(http.StatusServiceUnavailable)
}
