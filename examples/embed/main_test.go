package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestShowingARoomKeepsItActive(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	idle := time.Now().Add(-48 * time.Hour)
	for _, id := range []string{"quiz", "poll"} {
		if err := db.Put(sessioncleanup.Session{ID: id, Name: id, Active: true, AutoCleanup: true, LastActivity: idle}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newService(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}

	if code, body := get(t, s, "/rooms/quiz"); code != http.StatusOK || !strings.Contains(body, "quiz is to_deactivate") {
		t.Errorf("GET /rooms/quiz: %d %q", code, body)
	}
	if code, _ := get(t, s, "/rooms/nowhere"); code != http.StatusNotFound {
		t.Errorf("GET /rooms/nowhere: %d, want 404", code)
	}
	if err := s.tracker.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	result, err := s.sessions.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deactivated() != 1 {
		t.Fatalf("Cleanup = %+v, %v; want one room deactivated", result, err)
	}
	for room, want := range map[string]string{"quiz": "quiz is active", "poll": "poll is inactive"} {
		if _, body := get(t, s, "/rooms/"+room); !strings.Contains(body, want) {
			t.Errorf("GET /rooms/%s: %q, want %q", room, body, want)
		}
	}
}

func get(t *testing.T, s *service, path string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	s.routes().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return rec.Code, rec.Body.String()
}
