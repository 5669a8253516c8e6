package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func itoa(n int) string { return strconv.Itoa(n) }

// get and send send a request to the handler, in this goroutine.
func get(ctx context.Context, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	return send(ctx, h, method, path, body, http.Header{"Content-Type": {"application/json"}})
}

func send(ctx context.Context, h http.Handler, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, httpapi.DefaultPrefix+path, strings.NewReader(body))
	req.Header = header
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func seed(tb testing.TB, db *memory.Store, n int) {
	tb.Helper()
	now := time.Now()
	sessions := make([]sessioncleanup.Session, 0, n)
	for i := range n {
		sessions = append(sessions, sessioncleanup.Session{
			ID: itoa(i), Name: "session " + itoa(i), Code: "c" + itoa(i), OwnerID: itoa(i % 1000), Active: i%3 != 0, AutoCleanup: true,
			CreatedAt: now.Add(-time.Duration(i) * time.Second), LastActivity: now.Add(-time.Duration(i) * time.Second),
		})
	}
	if err := db.Put(sessions...); err != nil {
		tb.Fatal(err)
	}
}

// newHandler makes a handler for requests of an admin, unless the options have another Authenticate.
func newHandler(tb testing.TB, db sessioncleanup.Store, o httpapi.Options) http.Handler {
	tb.Helper()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	if o.Authenticate == nil {
		o.Authenticate = func(*http.Request) (sessioncleanup.Principal, error) {
			return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "root"}, nil
		}
	}
	h, err := httpapi.New(m, o)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}
