package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// TestPooler runs a migration and the conformance suite through PgBouncer in transaction mode, where each transaction may
// meet another connection of the server.
func TestPooler(t *testing.T) {
	app := pgapps.All()["integer"]
	server := pgtest.Start(t, nil)
	through := pooled(t, findPooler(t), server, "transaction", 6)
	pooledURL := func(t testing.TB, database string) string {
		direct, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		u := *through
		u.Path = direct.Path
		return u.String()
	}
	if err := app.Adopt(t.Context(), pooledURL(t, server.Database(t, "template0"))); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		return app.Harness(t, pooledURL(t, server.Prepared(t, "adopted", app.Adopt)))
	})
}

// TestPoolerWithOneConnectionToTheServer: what one connection cannot do says what it needs; the rest works.
func TestPoolerWithOneConnectionToTheServer(t *testing.T) {
	server := pgtest.Start(t, nil)
	through := *pooled(t, findPooler(t), server, "transaction", 1)
	direct := server.Database(t, "template0")
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	through.Path = u.Path
	open := func(address string) *postgres.Store {
		t.Helper()
		store, err := postgres.Open(t.Context(), address, postgres.Config{MigrateWait: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "two connections") {
			t.Errorf("%s: %v, want that it takes two connections", what, err)
		}
	}
	one := open(through.String())
	refused("migrate", one.Migrate(t.Context(), sessioncleanup.Policy{}))
	if err := open(direct).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatalf("migrate without the pooler: %v", err)
	}
	m, err := sessioncleanup.New(one, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Errorf("a run with one connection: %v", err)
	}
	refused("uninstall", one.Uninstall(t.Context()))
}

func TestPoolerInStatementModeIsNamedAtTheStart(t *testing.T) {
	through := pooled(t, findPooler(t), pgtest.Start(t, nil), "statement", 6)
	_, err := postgres.Open(t.Context(), through.String(), postgres.Config{})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "pool_mode = transaction") {
		t.Errorf("Open = %v, want the mode that it takes", err)
	}
}

func findPooler(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("PgBouncer is missing: install it (Debian: apt-get install pgbouncer)")
	return ""
}

// pooled starts a pooler in front of a server and returns a URL through it. It ends with the test.
func pooled(t *testing.T, program string, server *pgtest.Server, mode string, size int) *url.URL {
	t.Helper()
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	dir := pgtest.OpenDir(t)                          // it runs as somebody else
	listener, err := net.Listen("tcp", "127.0.0.1:0") // to learn of a free port
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = %d
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
`, target.Query().Get("host"), target.Query().Get("port"), port, mode, size)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"-q", file}
	if os.Getuid() == 0 {
		arguments = append([]string{"-u", owner(t, target.Query().Get("host"))}, arguments...)
	}
	cmd := exec.Command(program, arguments...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	u := &url.URL{Scheme: "postgres", User: url.User("postgres"), Host: fmt.Sprintf("127.0.0.1:%d", port), Path: "/postgres", RawQuery: "sslmode=disable"}
	await(t, 30*time.Second, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, u.String())
		if err == nil {
			err = conn.Close(ctx)
		}
		return err
	})
	return u
}

// owner names the user that a folder belongs to: only that one may enter the folder with the server's socket.
func owner(t *testing.T, dir string) string {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	account, err := user.LookupId(strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10))
	if err != nil {
		t.Fatal(err)
	}
	return account.Username
}

// await asks until the answer is no error.
func await(t *testing.T, most time.Duration, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %v: %v", most, err)
		}
	}
}
