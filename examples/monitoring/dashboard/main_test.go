package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

func TestTheDashboardInTheRepositoryIsTheOneThatIsBuilt(t *testing.T) {
	t.Parallel()
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, committed) {
		t.Error("dashboard.json is an older one: go run . > ../dashboard.json")
	}
}

// A real Prometheus scrapes a real serve, and each expression of the dashboard has data. It evaluates the alerts, too.
func TestEachExpressionHasDataInPrometheus(t *testing.T) {
	t.Parallel()
	s := newService(t, "SESSION_WARN_DAYS=7", "SESSION_RULES=vip: delete=never")
	s.serves(nil, "--every", "1h")
	api := scraper(t, s.addr, "../rules.yaml")
	eventually(t, "the counters begin", func() (bool, string) {
		var answer struct {
			Data struct{ Result []json.RawMessage }
		}
		said := get(t, api+"/api/v1/query?query=sessioncleanup_log_position", &answer)
		return len(answer.Data.Result) > 0, said
	})
	s.exec(`INSERT INTO sessioncleanup_events (at, action, actor, reason) VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'), 'notified', 'system', 'mail: none')`)
	for _, r := range rows() {
		for _, p := range r.panels {
			for _, s := range p.series {
				expr := strings.ReplaceAll(selected(s.expr), "$job", "sessioncleanup")
				eventually(t, r.title+", "+p.title+": "+expr, func() (bool, string) {
					var answer struct {
						Data struct{ Result []json.RawMessage }
					}
					said := get(t, api+"/api/v1/query?query="+url.QueryEscape(expr), &answer)
					return len(answer.Data.Result) > 0, said
				})
			}
		}
	}
	var rules ruleState
	eventually(t, "the alerts are evaluated", func() (bool, string) {
		said := get(t, api+"/api/v1/rules", &rules)
		if len(rules.Data.Groups) != 1 {
			return false, said
		}
		all := rules.Data.Groups[0].Rules
		for _, rule := range all {
			if rule.Health != "ok" {
				return false, said
			}
		}
		return len(all) > 10, said
	})
	for _, rule := range rules.Data.Groups[0].Rules {
		if rule.State == "firing" {
			t.Errorf("%s fires, and nothing is wrong", rule.Name)
		}
	}
}

// ruleState is what Prometheus says of its alerts.
type ruleState struct {
	Data struct {
		Groups []struct {
			Rules []struct{ Name, Health, State, LastError string }
		}
	}
}

// service is an installation on a new database that was cleaned up once.
type service struct {
	*testing.T
	dir, program string
	env          []string // of its processes
	addr         string   // of the metrics, once they were served
}

func newService(t *testing.T, env ...string) *service {
	t.Helper()
	s := &service{T: t, dir: t.TempDir(), env: env}
	s.program = filepath.Join(s.dir, "sessioncleanup")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, "./cmd/sessioncleanup")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.calls("migrate")
	s.calls("cleanup")
	return s
}

// exec changes the service's database.
func (s *service) exec(statement string) {
	s.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "app.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(s.Context(), statement); err != nil {
		s.Fatal(err)
	}
}

func (s *service) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.Context(), s.program, args...)
	cmd.Dir, cmd.Env = s.dir, slices.Concat([]string{"DATABASE_URL=sqlite:app.db", "USER=tester"}, s.env, env)
	return cmd
}

func (s *service) calls(args ...string) {
	s.Helper()
	if out, err := s.command(nil, args...).CombinedOutput(); err != nil {
		s.Fatalf("%v: %v: %s", args, err, out)
	}
}

// serves starts serve with its metrics at the same address as before, and returns what ends it.
func (s *service) serves(env []string, args ...string) (kill func()) {
	s.Helper()
	if s.addr == "" {
		s.addr = "127.0.0.1:0"
	}
	cmd := s.command(env, append([]string{"serve", "--metrics-addr", s.addr}, args...)...)
	log, kill := start(s.T, cmd)
	addr := regexp.MustCompile(`metrics_addr=(\S+)`)
	var said []string
	for log.Scan() {
		if found := addr.FindStringSubmatch(log.Text()); found != nil {
			s.addr = found[1]
			go drain(log)
			return kill
		}
		said = append(said, log.Text())
	}
	s.Fatalf("serve has no metrics: %s", strings.Join(said, "\n"))
	return nil
}

// drain reads on, so that the process can write on.
func drain(log *bufio.Scanner) {
	for log.Scan() {
		continue
	}
}

// start starts a process that ends with the test, and returns what it writes to standard error, and what ends it now.
func start(t *testing.T, cmd *exec.Cmd) (*bufio.Scanner, func()) {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return bufio.NewScanner(out), kill
}

// scraper starts a server that scrapes the target each second, and returns its address.
func scraper(t *testing.T, target, rules string) string {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(rules)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n"+
		"  - job_name: sessioncleanup\n    static_configs: [{targets: [%q]}]\n", rules, target)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	log, _ := start(t, exec.CommandContext(t.Context(), "prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr))
	go drain(log)
	return "http://" + addr
}

// get decodes an answer, and returns it as a text. No answer is one that is empty.
func get(t *testing.T, address string, into any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// eventually waits for a condition, a minute at most.
func eventually(t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ok, said := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute; the last answer was %s", what, said)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
