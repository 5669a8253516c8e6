package demo

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Test checks that the handler works in a server's router: with every method, an ID that needs escaping, its own errors,
// and a stream.
func Test(t *testing.T, url string) {
	t.Helper()
	for _, c := range []struct {
		user, method, path string
		status             int
		body               string
	}{
		{"ann", http.MethodGet, "/stats", http.StatusOK, `"total":2`},
		{"root", http.MethodGet, "/view?limit=1&sort=name", http.StatusOK, `"name":"chat"`},
		{"root", http.MethodPatch, "/room%2F3/deactivate", http.StatusOK, `"active":false`},
		{"ann", http.MethodPatch, "/room%2F3/reactivate", http.StatusNotFound, `"success":false`},
		{"bob", http.MethodDelete, "/room%2F3", http.StatusPreconditionRequired, "?confirm=room%2F3"},
		{"bob", http.MethodDelete, "/room%2F3?confirm=room%2F3", http.StatusOK, `"room/3"`},
		{"root", http.MethodPost, "/cleanup", http.StatusOK, `"due":1,"done":1,`},
		{"", http.MethodGet, "/stats", http.StatusUnauthorized, "#unauthenticated"},
		{"ann", http.MethodPut, "/stats", http.StatusMethodNotAllowed, "#method-not-allowed"},
		{"", http.MethodGet, "/openapi.yaml", http.StatusOK, "openapi: 3.1"},
	} {
		res := send(t.Context(), t, c.user, c.method, url+"/api/session-cleanup"+c.path)
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s %s: %d %s, %v; want %d with %q", c.method, c.path, res.StatusCode, body, err, c.status, c.body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res := send(ctx, t, "ann", http.MethodGet, url+"/api/session-cleanup/live")
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if lines.Text() == "event: stats" {
			return
		}
	}
	t.Errorf("GET /live: %d without statistics", res.StatusCode)
}

func send(ctx context.Context, t *testing.T, user, method, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, "")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
