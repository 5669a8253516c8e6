package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestARequestSaysWhyItChangesSomething(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	if err := db.Put(sessioncleanup.Session{ID: "1", Active: true, LastActivity: time.Now()}); err != nil {
		t.Fatal(err)
	}
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(sessions, httpapi.Options{Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
		return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "ann"}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ method, path, body string }{
		{http.MethodPatch, "/1/deactivate?reason=spam", ""},
		{http.MethodPatch, "/1/reactivate", ""},
		{http.MethodPatch, "/1/auto-cleanup?reason=no%20spam", `{"auto_cleanup":true}`},
		{http.MethodPatch, "/1/expiry?reason=over", `{"expires_at":"2030-01-01T00:00:00Z"}`},
		{http.MethodPost, "/cleanup?reason=manually", ""},
		{http.MethodDelete, "/1?confirm=1&reason=asked%20for", ""},
	} {
		request := httptest.NewRequestWithContext(t.Context(), r.method, "/api/session-cleanup"+r.path, strings.NewReader(r.body))
		request.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, request); w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	events, err := sessions.Events(t.Context(), sessioncleanup.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, string(e.Action)+" "+e.Reason)
	}
	want := []string{"deleted asked for", "run manually", "expiry_set over", "auto_cleanup_on no spam", "reactivated ", "deactivated spam"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
