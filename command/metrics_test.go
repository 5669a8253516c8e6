package command

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// measured is a serve in progress.
type measured struct {
	stop func() outcome
	addr string // of its metrics
}

// serves starts serve with its metrics on an address of their own, and waits until it answers there.
func (u *user) serves(args ...string) *measured {
	u.t.Helper()
	ctx, stop := context.WithCancelCause(limited(u.t))
	at := make(chan string, 1)
	log := &addressLog{found: at, key: "metrics_addr="}
	code := make(chan int, 1)
	args = append([]string{"serve", "--metrics-addr", "127.0.0.1:0"}, args...)
	go func() { code <- run(ctx, u.environment(io.Discard, log, args)) }()
	s := &measured{stop: func() outcome {
		stop(stopped{os.Signal(syscall.SIGTERM)})
		ended := <-code
		return outcome{err: log.String(), code: ended}
	}}
	select {
	case s.addr = <-at:
	case c := <-code:
		u.t.Fatalf("serve ended with %d: %s", c, log.String())
	}
	u.t.Cleanup(func() { stop(nil) })
	return s
}

// get is the answer to a request with a token, if it is not empty.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func contains(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
}

// With an address of their own, the metrics need no token, and serve needs no other address. They count runs of other
// processes.
func TestServeHasMetricsOnAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		enabled string
		args    []string
		want    []string
	}{
		"a schedule":         {"true", []string{"--every", "6h"}, []string{"sessioncleanup_enabled 1", "sessioncleanup_schedule_interval_seconds 21600"}},
		"a schedule of cron": {"true", []string{"--every", "never", "--metrics-every", "1d"}, []string{"sessioncleanup_schedule_interval_seconds 86400"}},
		"disabled":           {"false", nil, []string{"sessioncleanup_enabled 0", "sessioncleanup_schedule_interval_seconds 86400"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, _ := migrated(t)
			u.vars[sessioncleanup.EnvEnabled] = c.enabled
			s := u.serves(c.args...)
			code, body := get(t, "http://"+s.addr+"/metrics", "")
			if code != http.StatusOK {
				t.Fatalf("%d %s", code, body)
			}
			contains(t, body, append(c.want, "sessioncleanup_database_up 1", `sessioncleanup_sessions{state="active"} 4`, "go_goroutines ", "process_open_fds ")...)
			if strings.Contains(body, "luna") || strings.Contains(body, "Room") {
				t.Error("the metrics name owners or sessions")
			}
			if code, _ := get(t, "http://"+s.addr+"/api/session-cleanup/stats", ""); code != http.StatusNotFound {
				t.Errorf("something else than the metrics is served there: %d", code)
			}
			s.stop().want(t, exitDone, "stopped")
		})
	}
}

func TestServeHasMetricsForClientsWithATokenForThem(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	const metricsToken = "a-metrics-token-of-the-tests"
	path := u.writes("tokens", adminToken+" admin\n"+ownerToken+" owner 7\n"+metricsToken+" metrics\n")
	ctx, stop := context.WithCancelCause(limited(t))
	defer stop(nil)
	log := &addressLog{found: make(chan string, 1)}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, u.environment(io.Discard, log, []string{"serve", "--addr", "127.0.0.1:0", "--tokens", path}))
	}()
	url := "http://" + <-log.found
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/metrics", metricsToken, http.StatusOK}, {"/metrics", adminToken, http.StatusOK}, {"/metrics", ownerToken, http.StatusForbidden},
		{"/metrics", "", http.StatusUnauthorized}, {"/metrics", "another-token-of-the-tests", http.StatusUnauthorized},
		{"/api/session-cleanup/stats", metricsToken, http.StatusForbidden}, {"/api/session-cleanup/view", metricsToken, http.StatusForbidden},
	} {
		got, body := get(t, url+c.path, c.token)
		if got != c.want {
			t.Errorf("GET %s with %q: %d, want %d", c.path, c.token, got, c.want)
		}
		if got == http.StatusOK {
			contains(t, body, "sessioncleanup_database_up 1")
		}
	}
	for range 10 { // of the attempts that an address has
		get(t, url+"/metrics", "another-token-of-the-tests")
	}
	if got, _ := get(t, url+"/metrics", "another-token-of-the-tests"); got != http.StatusTooManyRequests {
		t.Errorf("after many failed logins: %d, want %d", got, http.StatusTooManyRequests)
	}
	stop(stopped{os.Signal(syscall.SIGTERM)})
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d: %s", c, log.String())
	}
}

func TestCleanupWritesAFileForNodeExporterThatContinues(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	path := filepath.Join(u.dir, "sessions.prom")
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	clean := func() outcome {
		return u.calls("cleanup", "--cron", "--metrics-file", path, "--metrics-every", "6h").want(t, exitDone)
	}
	clean()
	contains(t, read(), `sessioncleanup_runs_total{outcome="succeeded"} 0`, "sessioncleanup_schedule_interval_seconds 21600",
		`sessioncleanup_last_run{outcome="succeeded"} 1`, "sessioncleanup_last_success_timestamp_seconds ")
	s.addSession(t, "900", true, time.Hour)
	s.exec(t, "UPDATE sessions SET last_activity = "+s.ago(48*time.Hour)+" WHERE id = 900")
	clean()
	u.calls("cleanup").want(t, exitDone) // another run counts as well
	clean()
	contains(t, read(), `sessioncleanup_runs_total{outcome="succeeded"} 3`, `sessioncleanup_session_changes_total{action="deactivated"} 1`,
		"sessioncleanup_run_duration_seconds_count 3")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("node_exporter may not read it: %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(u.dir, "sessions.prom*")); err != nil || len(left) != 1 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	u.writes("sessions.prom", "nonsense\n")
	if out := clean(); !strings.Contains(out.err, "the counters begin again") {
		t.Errorf("no warning: %s", out.err)
	}
	contains(t, read(), `sessioncleanup_runs_total{outcome="succeeded"} 0`)
}

func TestMetricsThatCannotBeWrittenDoNotFailTheRun(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("cleanup", "--metrics-file", filepath.Join(u.dir, "missing", "x.prom")).want(t, exitDone, "warning: the metrics could not be written")
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 5 {
		t.Errorf("%d sessions are left, want 5", n)
	}
	u.calls("cleanup", "--dry-run", "--metrics-file", "x.prom").want(t, exitUsage, "--metrics-file is for runs")
	u.calls("cleanup", "--metrics-file", "").want(t, exitUsage, "want a value")
	u.calls("cleanup", "--metrics-file", s.url).want(t, exitUsage, "want a name that ends with .prom")
	u.calls("cleanup", "--metrics-file", os.DevNull).want(t, exitUsage, "want a name that ends with .prom")
	pipe := filepath.Join(u.dir, "pipe.prom")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	u.calls("cleanup", "--metrics-file", pipe).want(t, exitUsage, "is no regular file")
	u.calls("cleanup", "--metrics-every", "1h").want(t, exitUsage, "has no effect without --metrics-file")
	u.calls("cleanup", "--metrics-file", "x.prom", "--metrics-every", "0s").want(t, exitUsage, "want a positive duration")
}
