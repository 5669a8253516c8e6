package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestServeCleansUpUntilItIsStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		signal os.Signal
		code   int
	}{
		"SIGTERM":          {[]string{"serve", "--every", "6h", "--jitter", "1ms", "--now"}, syscall.SIGTERM, exitDone},
		"Ctrl-C":           {[]string{"serve", "--json", "--now"}, os.Interrupt, exitInterrupted},
		"soon":             {[]string{"serve", "--every", "1s"}, syscall.SIGTERM, exitDone},
		"waiting for cron": {[]string{"serve", "--cron-expr", "0 0 1 1 *", "--time-zone", "Europe/Paris", "-v"}, syscall.SIGTERM, exitDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, s := migrated(t)
			ctx, stop := context.WithCancelCause(limited(t))
			defer stop(nil)
			awaited := "cleanup finished"
			if strings.HasPrefix(name, "waiting") {
				awaited = `schedule="0 0 1 1 * (Europe/Paris)"`
			}
			log := &watch{text: awaited, then: func() { stop(stopped{c.signal}) }}
			if code := run(ctx, u.environment(io.Discard, log, c.args)); code != c.code {
				t.Fatalf("exit code %d, want %d\n%s", code, c.code, log.seen.String())
			}
			want := map[bool]int{true: 5, false: 6}[awaited == "cleanup finished"]
			if n := s.count(t, "SELECT count(*) FROM sessions"); n != want {
				t.Errorf("%d sessions are left, want %d\n%s", n, want, log.seen.String())
			}
			if !strings.Contains(log.seen.String(), "stopped") {
				t.Errorf("the log does not say that it stopped: %s", log.seen.String())
			}
		})
	}
}

func TestServeThatIsTerminatedBeforeItBeginsEndsInOrder(t *testing.T) {
	t.Parallel()
	for signal, want := range map[os.Signal]int{syscall.SIGTERM: exitDone, os.Interrupt: exitInterrupted} {
		u, _ := migrated(t)
		ctx, stop := context.WithCancelCause(limited(t))
		stop(stopped{signal})
		if code := run(ctx, u.environment(io.Discard, io.Discard, []string{"serve"})); code != want {
			t.Errorf("%v: exit code %d, want %d", signal, code, want)
		}
	}
}

// The first start only serves: the first run is at the first scheduled time, which later starts do not postpone.
func TestFirstStartOfServeCleansUpNothing(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	path := u.writes("tokens", adminToken+" admin\n")
	for _, args := range [][]string{
		{"serve"}, {"serve", "--every", "1h"}, {"serve", "--every", "never", "--addr", "127.0.0.1:0", "--tokens", path},
		{"serve", "--cron-expr", "0 0 1 1 *"},
	} {
		ctx, stop := context.WithCancelCause(limited(t))
		serves := make(chan struct{})
		var once sync.Once
		log := &watch{text: "msg=serving", then: func() { once.Do(func() { close(serves) }) }}
		code := make(chan int, 1)
		go func() { code <- run(ctx, u.environment(io.Discard, log, args)) }()
		select {
		case <-serves:
		case c := <-code:
			t.Fatalf("%v: serve ended with %d: %s", args, c, log.seen.String())
		}
		if args[len(args)-1] != path {
			waitFor(t, "the first start", 10*time.Second, func() bool { return len(u.eventsOf("scheduled")) == 1 })
		}
		stop(stopped{syscall.SIGTERM})
		if c := <-code; c != exitDone {
			t.Errorf("%v: exit code %d, want %d", args, c, exitDone)
		}
	}
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE active"); n != 4 {
		t.Errorf("%d sessions are active, want all 4", n)
	}
	if runs := u.eventsOf("run"); len(runs) != 0 {
		t.Errorf("the log has %d runs, want none", len(runs))
	}
	if starts := u.eventsOf("scheduled"); len(starts) != 1 {
		t.Errorf("the log has %d first starts, want 1", len(starts))
	}
}

func TestDisabledServeEndsWithoutFailure(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.vars[sessioncleanup.EnvEnabled] = "false"
	u.calls("serve").want(t, exitDone, "cleanup is disabled")
}

// serving is one process of several that serve a database.
type serving struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	log []map[string]any
}

func startServing(t *testing.T, dir, url string, every time.Duration) *serving {
	t.Helper()
	p := &serving{cmd: process(t, dir, []string{envDatabase + "=" + url}, "serve", "--every", every.String(), "--json")}
	lines, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for decoder := json.NewDecoder(lines); ; {
			var line map[string]any
			if decoder.Decode(&line) != nil {
				return
			}
			p.mu.Lock()
			p.log = append(p.log, line)
			p.mu.Unlock()
		}
	}()
	return p
}

func waitFor(t *testing.T, what string, within time.Duration, condition func() bool) time.Duration {
	t.Helper()
	started := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		if time.Since(started) > within {
			t.Fatalf("waited %v for %s", within, what)
		}
		<-ticker.C
	}
	return time.Since(started)
}

// Three processes serve one database. Each due run happens once; when the running one is killed, another takes over within
// the lease, and every session is deactivated once in the end.
func TestServersShareASchedule(t *testing.T) {
	t.Parallel()
	const every, lease, slow = 2 * time.Second, 30 * time.Second, 600
	s := newPostgresService(t)
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate").want(t, exitDone)
	s.exec(t, "UPDATE sessioncleanup_policy SET busy_share = 1") // other tests write to the server
	var servers []*serving
	for range 3 {
		servers = append(servers, startServing(t, u.dir, s.url, every))
	}
	waitFor(t, "six runs", 30*time.Second, func() bool {
		return s.count(t, "SELECT count(*) FROM sessioncleanup_events WHERE action = 'run'") >= 6
	})
	before := u.eventsOf("run")
	for i := range before[1:] {
		if gap := before[i].Run.StartedAt.Sub(before[i+1].Run.StartedAt); gap < every-10*time.Millisecond || gap > every+5*time.Second { // the machine may be busy
			t.Errorf("runs are %v apart, want %v", gap, every)
		}
	}

	s.addSlowSessions(t, slow)
	active := func() int { return s.count(t, "SELECT count(*) FROM sessions WHERE active AND name = 'slow'") }
	var leader *serving
	waitFor(t, "a batch of the long run", 10*every, func() bool { return active() < slow })
	waitFor(t, "the log of that batch", 10*time.Second, func() bool {
		leader = running(servers)
		return leader != nil
	})
	if err := leader.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = leader.cmd.Wait() // reports that it was killed
	left := active()
	if left == 0 {
		t.Fatal("the run was over before its process was killed")
	}
	took := waitFor(t, "another process to take over", lease+10*time.Second, func() bool { return active() < left-100 || active() == 0 })
	t.Logf("taken over after %v, with %d of %d sessions to go", took.Round(time.Millisecond), left, slow)
	waitFor(t, "the end of the run", 30*time.Second, func() bool { return active() == 0 })
	u.wantDeactivatedOnce(slow + 1) // these, and the forgotten one
	if n := s.count(t, `SELECT count(*) FROM sessions WHERE name = 'slow'`); n != slow {
		t.Errorf("%d sessions are left, want %d", n, slow)
	}
	for _, server := range servers {
		if server != leader {
			server.terminate(t)
		}
	}
}

// addSlowSessions adds due sessions whose deactivation takes 5 ms each, so that a process can be killed during the run.
func (s *service) addSlowSessions(t *testing.T, n int) {
	t.Helper()
	s.exec(t, fmt.Sprintf(`
		CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE UPDATE ON sessions FOR EACH ROW WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION slow();
		INSERT INTO sessions (id, streamer_id, name, code, last_activity)
		SELECT 1000 + n, 7, 'slow', 'S' || n, now() - interval '2 days' FROM generate_series(1, %d) n;`, n))
}

// terminate sends SIGTERM and waits for the process to end.
func (p *serving) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("a server that received SIGTERM ended with %v", err)
	}
}

// running is the process whose run changed something last.
func running(servers []*serving) *serving {
	var leader *serving
	var latest string
	for _, server := range servers {
		server.mu.Lock()
		for _, line := range server.log {
			at, _ := line["time"].(string)
			if line["msg"] == "sessions deactivated" && at > latest {
				leader, latest = server, at
			}
		}
		server.mu.Unlock()
	}
	return leader
}

// eventsOf is the log of one action.
func (u *user) eventsOf(action string) []sessioncleanup.Event {
	u.t.Helper()
	type page struct {
		Events []sessioncleanup.Event `json:"events"`
	}
	return decode[page](u.t, u.calls("events", "--json", "--action", action, "--limit", "1000")).Events
}

// wantDeactivatedOnce fails the test unless n sessions were deactivated, once each.
func (u *user) wantDeactivatedOnce(n int) {
	u.t.Helper()
	times := map[string]int{}
	for _, e := range u.eventsOf("deactivated") {
		for _, session := range e.Sessions {
			times[session.ID]++
		}
	}
	if len(times) != n {
		u.t.Errorf("%d sessions were deactivated, want %d", len(times), n)
	}
	for id, count := range times {
		if count != 1 {
			u.t.Errorf("session %s was deactivated %d times", id, count)
		}
	}
}
