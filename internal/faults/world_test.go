package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

const tables = `
CREATE TABLE sessions (id bigserial PRIMARY KEY, user_id bigint, title text, is_active boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE messages (id bigserial PRIMARY KEY, session_id bigint NOT NULL REFERENCES sessions ON DELETE CASCADE, body text,
	created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON messages (session_id);`

// world is a database of an application with sessions, on a server that a test can harm.
type world struct {
	t      *testing.T
	server *pgtest.Server
	name   string        // of the database
	pool   *pgxpool.Pool // of the application
}

// newWorld makes a database with sessions that are due for deactivation, ready to be cleaned up.
func newWorld(t *testing.T, server *pgtest.Server, due int) *world {
	t.Helper()
	u, err := url.Parse(server.Database(t, "template0"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: server, name: strings.TrimPrefix(u.Path, "/")}
	w.pool = w.connect(server.URLOf(w.name))
	w.exec(tables)
	w.exec(`INSERT INTO sessions (title, created_at, updated_at)
		SELECT 'due', now() - interval '9 days', now() - interval '3 days' + n * interval '1 ms' FROM generate_series(1, $1::int) n`, due)
	w.migrate(server.URLOf(w.name))
	return w
}

func (w *world) migrate(url string) {
	w.t.Helper()
	store := w.open(url)
	if err := store.Migrate(w.t.Context(), sessioncleanup.Policy{}); err != nil {
		w.t.Fatal(err)
	}
}

// through is the URL of the database by way of proxies or other addresses.
func (w *world) through(addresses ...string) string {
	return "postgres://postgres@" + strings.Join(addresses, ",") + "/" + w.name + "?sslmode=disable&target_session_attrs=read-write"
}

func (w *world) connect(url string) *pgxpool.Pool {
	w.t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		w.t.Fatal(err)
	}
	config.ConnConfig.ConnectTimeout = 2 * time.Second
	pool, err := pgxpool.NewWithConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	return pool
}

func (w *world) open(url string) *postgres.Store {
	w.t.Helper()
	return w.openWith(url, postgres.Config{})
}

func (w *world) openWith(url string, config postgres.Config) *postgres.Store {
	w.t.Helper()
	store, err := postgres.Open(w.t.Context(), url, config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	return store
}

func (w *world) manager(url string) *sessioncleanup.Manager {
	w.t.Helper()
	return w.manage(w.open(url))
}

// managerOver is a Manager over a store that is not as usual.
func (w *world) managerOver(config postgres.Config) *sessioncleanup.Manager {
	w.t.Helper()
	return w.manage(w.openWith(w.server.URLOf(w.name), config))
}

func (w *world) manage(store *postgres.Store) *sessioncleanup.Manager {
	w.t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%v in\n%s", err, sql)
	}
}

func (w *world) count(sql string) int {
	w.t.Helper()
	var n int
	if err := w.pool.QueryRow(w.t.Context(), sql).Scan(&n); err != nil {
		w.t.Fatalf("%v in\n%s", err, sql)
	}
	return n
}

// consistent compares the log with the sessions: each that was changed is in it once, and each run counts what it logged.
func (w *world) consistent() {
	w.t.Helper()
	for what, sql := range map[string]string{
		"sessions are inactive and not in the log, or the other way round": `
			SELECT count(*) FROM (SELECT id::text FROM sessions WHERE NOT is_active) s
			  FULL JOIN (SELECT unnest(session_ids) AS id FROM sessioncleanup_events WHERE action = 'deactivated'
			             EXCEPT SELECT unnest(session_ids) FROM sessioncleanup_events WHERE action = 'deleted') e USING (id)
			 WHERE s IS NULL OR e IS NULL`,
		"sessions are in the log twice": `
			SELECT count(*) FROM (SELECT FROM (SELECT action, unnest(session_ids) AS id FROM sessioncleanup_events) e
			 WHERE action IN ('deleted', 'deactivated') GROUP BY action, id HAVING count(*) > 1) d`,
		"runs are recorded twice": "SELECT count(*) FROM (SELECT FROM sessioncleanup_events WHERE action = 'run' GROUP BY run_id HAVING count(*) > 1) d",
		"runs count other sessions than they logged": `
			SELECT count(*) FROM sessioncleanup_events r WHERE action = 'run' AND
			       (SELECT sum((p ->> 'done')::int) FROM jsonb_array_elements(run -> 'phases') p) IS DISTINCT FROM
			       (SELECT coalesce(sum(cardinality(session_ids)), 0) FROM sessioncleanup_events e
			         WHERE e.run_id = r.run_id AND action IN ('deleted', 'deactivated'))`,
	} {
		if n := w.count(sql); n != 0 {
			w.t.Errorf("%d %s", n, what)
		}
	}
	if w.t.Failed() {
		rows, err := w.pool.Query(w.t.Context(), "SELECT id || ' ' || at || ' ' || action || ' ' || run_id || ' ' || cardinality(session_ids) || ' ' || coalesce(run::text, '') FROM sessioncleanup_events ORDER BY id DESC LIMIT 40")
		if err != nil {
			w.t.Fatal(err)
		}
		events, err := pgx.CollectRows(rows, pgx.RowTo[string])
		w.t.Logf("the log, newest first, %v:\n%s", err, strings.Join(events, "\n"))
	}
}

// eventually waits until a condition holds, and returns how long that took.
func eventually(t *testing.T, most time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(began) > most {
			t.Fatalf("after %v still not: %s", most, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// built is the command, built once.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "sessioncleanup")
	build := exec.Command("go", "build", "-o", path, "./cmd/sessioncleanup")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

var binaries string // the folder of the command

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "faults"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := pgtest.Main(m)
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

// instance is a process of the command.
type instance struct {
	t   *testing.T
	cmd *exec.Cmd
	end chan error

	mu  sync.Mutex
	log bytes.Buffer
}

// Write is the process's standard error.
func (i *instance) Write(data []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.Write(data)
}

// logged reports how often the process's log has some words.
func (i *instance) logged(words string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return strings.Count(i.log.String(), words)
}

// start starts the command on a database. It is killed when the test ends, if it is there until then.
func start(t *testing.T, url string, args ...string) *instance {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, cmd: exec.Command(path, args...), end: make(chan error, 1)}
	i.cmd.Dir, i.cmd.Stderr = t.TempDir(), i
	i.cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { i.end <- i.cmd.Wait() }()
	t.Cleanup(func() {
		_ = i.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("log of %v:\n%s", args, i.tail())
		}
	})
	return i
}

func (i *instance) tail() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(i.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func (i *instance) signal(s syscall.Signal) { _ = i.cmd.Process.Signal(s) }

// terminate asks the process to end and fails the test unless it does so, without an error, within 5 s.
func (i *instance) terminate() {
	i.t.Helper()
	began := time.Now()
	i.signal(syscall.SIGTERM)
	select {
	case err := <-i.end:
		if took := time.Since(began); err != nil || took > 5*time.Second {
			i.t.Errorf("after SIGTERM the process ended after %v with %v, want exit code 0 within 5 s", took, err)
		}
	case <-time.After(10 * time.Second):
		i.t.Error("the process is still there 10 s after SIGTERM")
	}
}

// throughout does something again and again until the function returned is called.
func throughout(ctx context.Context, do func(context.Context)) (stop func()) {
	working, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for working.Err() == nil {
			do(working)
		}
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}
