package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestASessionThatTheApplicationKeepsIsAConflict(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	if err := db.Put(sessioncleanup.Session{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{
		BeforeDelete: func(context.Context, []sessioncleanup.Session) error { return errors.New("secret path is busy") },
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(sessions, httpapi.Options{Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
		return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "ann"}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/api/session-cleanup/1?confirm=1", http.NoBody))
	if body := w.Body.String(); w.Code != http.StatusConflict || !strings.Contains(body, "#kept") || strings.Contains(body, "secret") {
		t.Errorf("%d %s; want 409, the problem kept, and nothing of the reason", w.Code, body)
	}
	if _, err := sessions.Get(t.Context(), "1"); err != nil {
		t.Error(err)
	}
}
