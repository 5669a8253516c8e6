package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestRequestsAndTouchesAreFinishedWhenTheServiceStops stops the service in the middle of a request and of a cleanup. It
// sends the process a signal, so it runs alone.
func TestRequestsAndTouchesAreFinishedWhenTheServiceStops(t *testing.T) {
	for name, database := range map[string]func() string{
		"SQLite":     func() string { return "sqlite:" + filepath.Join(t.TempDir(), "app.db") },
		"PostgreSQL": func() string { return pgtest.Empty(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := database()
			cleaning := make(chan struct{}, 10)
			type started struct {
				*service
				addr net.Addr
			}
			up, ended := make(chan started, 1), make(chan error, 1)
			go func() {
				ended <- run(t.Context(), config{
					database: url, addr: "localhost:0", every: time.Second,
					removeFiles: func(ctx context.Context, _ string) error { // takes as long as it may
						cleaning <- struct{}{}
						<-ctx.Done()
						return ctx.Err()
					},
					started: func(s *service, addr net.Addr) { up <- started{s, addr} },
				})
			}()
			var s started
			select {
			case s = <-up:
			case err := <-ended:
				t.Fatal(err)
			}
			c := client{t, "http://" + s.addr.String(), ""}
			c.token = c.post("/people", "name=ann", http.StatusOK)
			watched, spoken, old := c.post("/rooms", "title=watched", http.StatusOK), c.post("/rooms", "title=spoken", http.StatusOK), c.post("/rooms", "title=old", http.StatusOK)
			age(t, s.service, old)

			// A request whose body is not complete yet.
			body, rest := io.Pipe()
			said := make(chan error, 1)
			go func() { said <- c.send("/rooms/"+spoken+"/messages", body) }()
			if _, err := rest.Write([]byte("text=good")); err != nil {
				t.Fatal(err)
			}
			<-cleaning // the scheduled run has begun, and waits for files
			if got := c.get("/rooms/"+watched, http.StatusOK); !strings.Contains(got, "watched is active") {
				t.Errorf("the room is shown as %q", got)
			}
			if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			refused(t, s.addr)
			if _, err := rest.Write([]byte("bye")); err != nil {
				t.Error(err)
			}
			if err := rest.Close(); err != nil {
				t.Error(err)
			}
			if err := <-said; err != nil {
				t.Errorf("the request in flight: %v", err)
			}
			if err := <-ended; err != nil {
				t.Errorf("the service ended with %v", err)
			}
			if err := s.db.PingContext(t.Context()); err == nil {
				t.Error("the database is still open")
			}
			if n := s.tracker.Pending(); n > 0 {
				t.Errorf("%d touches were not written", n)
			}
			expectStopped(t, url, old, spoken)
		})
	}
}

// age makes a room one that is due for deletion.
func age(t *testing.T, s *service, room string) {
	t.Helper()
	long := time.Now().UTC().AddDate(0, 0, -60).Format("2006-01-02 15:04:05.000")
	for _, set := range []string{"active = false", "last_activity = '" + long + "', deactivated_at = '" + long + "'"} {
		if _, err := s.db.ExecContext(t.Context(), "UPDATE rooms SET "+set+" WHERE id = $1", room); err != nil {
			t.Fatal(err)
		}
	}
}

// expectStopped looks at the database as the service left it: a run that was interrupted, and one whole message.
func expectStopped(t *testing.T, url, old, spoken string) {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	last, found, err := sessions.LastRun(t.Context())
	if err != nil || !found || last.Run.Error == "" || last.Run.Phases.Of(sessioncleanup.ActionDeleted).Done > 0 {
		t.Errorf("the last run is %+v, %v; want one that was interrupted, and recorded", last.Run, err)
	}
	if _, err := sessions.Get(t.Context(), old); err != nil {
		t.Errorf("the room whose files could not be removed: %v", err)
	}
	if room, err := sessions.Get(t.Context(), spoken); err != nil || room.ActivityCount != 1 || room.OwnerName != "ann" {
		t.Errorf("the room that was spoken in is %+v, %v; want one message, and ann's", room, err)
	}
}

// refused waits until the service takes no more connections.
func refused(t *testing.T, addr net.Addr) {
	t.Helper()
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

func TestNobodyUsesARoomWithoutALogin(t *testing.T) {
	t.Parallel()
	s, err := newService(t.Context(), config{database: "sqlite:" + filepath.Join(t.TempDir(), "app.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	handler, err := s.routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	ann, bob, nobody := client{t, "http://" + listener.Addr().String(), ""}, client{t, "http://" + listener.Addr().String(), ""}, client{t, "http://" + listener.Addr().String(), "x"}
	ann.token, bob.token = ann.post("/people", "name=ann", http.StatusOK), bob.post("/people", "name=bob", http.StatusOK)
	room := ann.post("/rooms", "title=quiz", http.StatusOK)
	nobody.get("/rooms/"+room, http.StatusUnauthorized)
	nobody.post("/rooms", "title=x", http.StatusUnauthorized)
	nobody.get("/api/session-cleanup/view", http.StatusUnauthorized)
	bob.get("/rooms/"+room, http.StatusOK)
	ann.get("/rooms/nowhere", http.StatusNotFound)
	if own := ann.get("/api/session-cleanup/view", http.StatusOK); !strings.Contains(own, room) {
		t.Errorf("ann does not see her room in %s", own)
	}
	if own := bob.get("/api/session-cleanup/view", http.StatusOK); strings.Contains(own, room) {
		t.Errorf("bob sees ann's room in %s", own)
	}
}

// client is one person's.
type client struct {
	t     *testing.T
	base  string
	token string
}

func (c client) get(path string, want int) string { return c.do(http.MethodGet, path, "", want) }
func (c client) post(path, form string, want int) string {
	return c.do(http.MethodPost, path, form, want)
}

func (c client) do(method, path, form string, want int) string {
	c.t.Helper()
	r, err := c.request(method, path, strings.NewReader(form))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != want {
		c.t.Fatalf("%s %s: %d %s, %v; want %d", method, path, r.StatusCode, body, err, want)
	}
	return strings.TrimSpace(string(body))
}

// send posts a body, and fails unless all of it was taken.
func (c client) send(path string, body io.Reader) error {
	r, err := c.request(http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", r.StatusCode)
	}
	return errors.Join(err, r.Body.Close())
}

func (c client) request(method, path string, body io.Reader) (*http.Response, error) {
	target, err := url.JoinPath(c.base, path)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return http.DefaultClient.Do(r)
}

// TestTheDocumentationShowsThisService: what a reader copies is what runs here. Little of the service is about the library.
func TestTheDocumentationShowsThisService(t *testing.T) {
	t.Parallel()
	var source, mentions strings.Builder
	for _, name := range []string{"main.go", "routes.go", "tables.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for line := range strings.Lines(source.String()) {
		for _, word := range []string{"sessioncleanup.", "httpapi", "store.", "s.store", "sessions", "tracker"} {
			if strings.Contains(line, word) && !strings.HasPrefix(strings.TrimSpace(line), "//") {
				mentions.WriteString(line)
				break
			}
		}
	}
	if n := strings.Count(mentions.String(), "\n"); n >= 60 {
		t.Errorf("%d lines of the service mention the library, want fewer than 60:\n%s", n, mentions.String())
	}
	docs, err := os.ReadFile("../../docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(docs), "```go\n")[1:]
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(source.String(), code) {
			t.Errorf("docs/embedding.md has code that is not in this service:\n%s", code)
		}
	}
	if len(blocks) < 5 {
		t.Errorf("docs/embedding.md has %d blocks of code, want one for each part", len(blocks))
	}
}
