package command

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// severalTables are the backends on which the command's tests have several installations.
var severalTables = map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "MariaDB": newMySQLService}

// withTwoTables has a database with the tables sessions, which is adopted without a name, and carts, under the name carts.
func withTwoTables(t *testing.T, s *service) *user {
	t.Helper()
	u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice"})
	u.calls("migrate").want(t, exitDone, "The database is ready")
	s.exec(t, "CREATE TABLE carts (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, last_activity DATETIME)")
	s.exec(t, "INSERT INTO carts (id, last_activity) VALUES (1, '2020-01-01'), (2, '2020-01-01'), (3, "+s.ago(0)+")")
	u.calls("stats", "--name", "carts").want(t, exitFailed, "the database has sessions (without a name)", "migrate")
	u.calls("migrate", "--name", "carts").want(t, exitUsage, "--table")
	u.calls("migrate", "--table", "carts", "--name", "carts").want(t, exitDone)
	return u
}

func TestVerbsWorkOnTheInstallationOfTheirName(t *testing.T) {
	t.Parallel()
	for backend, service := range severalTables {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			verbsWorkOnTheInstallationOfTheirName(t, withTwoTables(t, service(t)))
		})
	}
}

func verbsWorkOnTheInstallationOfTheirName(t *testing.T, u *user) {
	t.Helper()
	u.calls("cleanup", "--dry-run").want(t, exitDone, "1")
	u.calls("cleanup", "--name", "carts").want(t, exitDone, "2")
	u.calls("stats").want(t, exitDone, "Due for deactivation  1", "The database has sessions (without a name), carts (--name carts)")
	u.calls("stats", "--json").want(t, exitDone, `"installations"`, `"table": "carts"`)
	u.calls("doctor").want(t, exitFailed, "carts (--name carts)")
	u.vars[envName] = "carts"
	u.calls("list", "--status", "inactive").want(t, exitDone, "1", "2")
	u.calls("stats").want(t, exitDone, "Due for deactivation  0")
	u.calls("stats", "--name", "other").want(t, exitFailed, "sessions (without a name)", "carts (--name carts)")
	u.calls("stats", "--name", "No").want(t, exitUsage, "letters in lower case")
	u.calls("uninstall", "--yes").want(t, exitDone)
	u.vars[envName] = ""
	u.calls("validate").want(t, exitDone, "sessions (id)")
}

func TestServeServesAllInstallations(t *testing.T) {
	t.Parallel()
	for backend, service := range severalTables {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			serveServesAllInstallations(t, withTwoTables(t, service(t)))
		})
	}
}

func serveServesAllInstallations(t *testing.T, u *user) {
	t.Helper()
	tokens := u.writes("tokens", adminToken+" admin\n")
	u.calls("serve", "--table", "sessions", "--addr", "127.0.0.1:0", "--tokens", tokens).want(t, exitUsage, "say which with --name")
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	log := &addressLog{found: make(chan string, 1)}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, u.environment(io.Discard, log, []string{"serve", "--now", "--addr", "127.0.0.1:0", "--tokens", tokens}))
	}()
	var url string
	select {
	case addr := <-log.found:
		url = "http://" + addr
	case c := <-code:
		t.Fatalf("serve ended with %d: %s", c, log)
	}
	for path, want := range map[string][]string{
		"/api/session-cleanup/stats":              {`"total":`},
		"/api/session-cleanup/tables/carts/stats": {`"total":3`},
		"/api/session-cleanup/tables/carts/view":  {`"id":"3"`},
		"/readyz":                                 {"ready"},
		"/":                                       {`src="api/session-cleanup"`, `<a href="?table=carts">carts</a>`},
		"/?table=carts":                           {`src="api/session-cleanup/tables/carts"`, `<a href="?table=carts" aria-current="page">carts</a>`},
		"/metrics":                                {`sessioncleanup_sessions{name="carts"`, `sessioncleanup_sessions{name=""`},
	} {
		status, body := get(t, url+path, adminToken)
		if status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
		for _, text := range want {
			if !strings.Contains(strings.ReplaceAll(body, ": ", ":"), text) {
				t.Errorf("GET %s: want %q in\n%.600s", path, text, body)
			}
		}
	}
	for _, name := range []string{"", "carts"} {
		u.vars[envName] = name
		waitFor(t, "a run on "+name, 30*time.Second, func() bool { return len(u.eventsOf("run")) == 1 })
	}
	if status, _ := get(t, url+"/api/session-cleanup/tables/other/stats", adminToken); status != http.StatusNotFound {
		t.Errorf("an installation that is not there: %d, want 404", status)
	}
	stop(stopped{os.Signal(syscall.SIGTERM)})
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d: %s", c, log)
	}
}
