package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// TestNginxPassesTheLiveStreamOnAtOnce runs nginx with the configuration of docs/page.md. It ignores the header with
// which the response asks not to be buffered, so that only the configuration prevents that.
func TestNginxPassesTheLiveStreamOnAtOnce(t *testing.T) {
	db := memory.New(memory.Config{})
	if err := db.Put(sessioncleanup.Session{ID: "a", Active: true}); err != nil {
		t.Fatal(err)
	}
	manager, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(manager, httpapi.Options{Interval: 50 * time.Millisecond, Context: t.Context(), Authenticate: func(*http.Request) (sessioncleanup.Principal, error) {
		return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(api)
	t.Cleanup(func() {
		backend.CloseClientConnections()
		backend.Close()
	})
	base := nginx(t, strings.ReplaceAll(snippet(t), "127.0.0.1:8080", backend.Listener.Addr().String())) + httpapi.DefaultPrefix

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	live := send(ctx, t, http.MethodGet, base+"/live", "")
	defer func() { _ = live.Body.Close() }()
	lines := bufio.NewScanner(live.Body)
	next := func(prefix string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), prefix) {
				return
			}
		}
		t.Fatalf("the stream ends without a line %q: %v", prefix, lines.Err())
	}
	next("event: stats")
	began := time.Now()
	res := send(ctx, t, http.MethodPatch, base+"/a/deactivate", strings.TrimSuffix(base, httpapi.DefaultPrefix))
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("a change by a page behind nginx: %s", res.Status)
	}
	next("event: event")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the event of a change arrives after %v", took)
	}
}

// send makes a request, by a page of the origin if there is one. The caller closes the answer's body.
func send(ctx context.Context, t *testing.T, method, url, origin string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// snippet is the configuration of nginx in the docs.
func snippet(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/page.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```nginx\n")
	text, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("docs/page.md has no configuration of nginx")
	}
	return text
}

// nginx runs it with these locations, until the test ends.
func nginx(t *testing.T, locations string) (url string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/errors;
		events {}
		http {
			access_log off; proxy_ignore_headers X-Accel-Buffering;
			client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
			server { listen %[2]s; %[3]s }
		}`, dir, address, locations)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "-c", config, "-e", filepath.Join(dir, "errors"))
	if err := cmd.Start(); err != nil {
		t.Fatalf("the test needs nginx (Debian: apt-get install nginx): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "errors"))
			t.Fatalf("nginx does not start: %v\n%s", err, log)
		}
	}
}
