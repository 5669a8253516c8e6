package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/sessioncleanup/sessioncleanup/internal/ownserver"
)

// Start runs a server of the test's own, for what would disturb others: settings that need a restart, killed
// backends. It ends with the test. Settings are those of postgresql.conf.
func Start(t testing.TB, settings map[string]string) *Server {
	t.Helper()
	server, err := start(settings)
	if err != nil {
		t.Fatalf("no PostgreSQL for tests: %v", err)
	}
	t.Cleanup(server.stop)
	return server
}

// StartAt is Start for a server whose clock is not the test's: it differs by a shift such as "+365d" or "-2h", until SetClock.
// It takes Debian's package faketime.
func StartAt(t testing.TB, shift string) *Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if len(found) == 0 {
		t.Fatal("faketime is missing: install it (Debian: apt-get install faketime)")
	}
	clock := filepath.Join(OpenDir(t), "clock") // the server is another user's
	setClock(t, clock, shift)
	server, err := start(nil, "LD_PRELOAD="+found[0], "FAKETIME_TIMESTAMP_FILE="+clock, "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
	if err != nil {
		t.Fatalf("no PostgreSQL for tests: %v", err)
	}
	t.Cleanup(server.stop)
	server.clock = clock
	return server
}

// OpenDir is t.TempDir that other users may read.
func OpenDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, at := range []string{filepath.Dir(dir), dir} { // both are made for the test
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// SetClock changes the clock of a server that StartAt started, within a second.
func (s *Server) SetClock(t testing.TB, shift string) {
	t.Helper()
	setClock(t, s.clock, shift)
}

func setClock(t testing.TB, file, shift string) {
	t.Helper()
	// Replaced at once: the server's processes read it at any moment.
	err := os.WriteFile(file+".new", []byte(shift+"\n"), 0o644) //nolint:gosec // for the server's user
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// script runs the server until its standard input ends, which it does when the test binary does, however that
// happens; then it stops the server at once and removes its files.
const script = `
"$1" -D "$2/data" -k "$2" -p 5432 -c listen_addresses= -c logging_collector=off >"$2/log" 2>&1 &
server=$!
read -r _
kill -QUIT $server
wait $server
rm -rf "$2"
`

// start starts a server with files of its own, and with more in its environment.
func start(settings map[string]string, env ...string) (*Server, error) {
	return startFrom(env, func(bin, home string, as *syscall.Credential) error { return initialise(bin, home, as, settings) })
}

// startFrom starts a server from the files that prepare makes in a new folder.
func startFrom(env []string, prepare func(bin, home string, as *syscall.Credential) error) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	as, err := ownserver.Unprivileged(home, "postgres", "nobody")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	if err := prepare(bin, home, as); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	life, err := ownserver.Launch(home, as, env, script, filepath.Join(bin, "postgres"), home)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	admin := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {home}, "port": {"5432"}}.Encode(),
	}
	server := &Server{admin: admin.String(), home: home, env: env, stop: sync.OnceFunc(life)}
	if err := ownserver.Wait(home, server.ping); err != nil {
		life()
		return nil, err
	}
	return server, nil
}

// initialise makes the server's files. Nothing in a test's database needs to survive a power failure.
func initialise(bin, home string, as *syscall.Credential, settings map[string]string) error {
	err := ownserver.Run(home, as, filepath.Join(bin, "initdb"), "-D", filepath.Join(home, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return err
	}
	all := map[string]string{
		"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
		"jit": "off", "autovacuum": "off", // it would go round hundreds of databases
		"max_connections": "200", "max_wal_size": "4GB", "timezone": "UTC", "log_timezone": "UTC",
	}
	for key, value := range settings {
		all[key] = value
	}
	var conf strings.Builder
	for key, value := range all {
		fmt.Fprintf(&conf, "%s = '%s'\n", key, strings.ReplaceAll(value, "'", "''"))
	}
	file, err := os.OpenFile(filepath.Join(home, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(conf.String())
	return errors.Join(err, file.Close())
}

// Program is the path of one of the programs that belong to the server, or else its name.
func Program(name string) string {
	if bin, err := binaries(); err == nil {
		if path := filepath.Join(bin, name); isFile(path) {
			return path
		}
	}
	return name
}

// binaries finds the folder that holds initdb and postgres.
func binaries() (string, error) {
	if dir := os.Getenv(EnvBin); dir != "" {
		if !holdsServer(dir) {
			return "", fmt.Errorf("%s is %q: want a folder that holds initdb and postgres", EnvBin, dir)
		}
		return dir, nil
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(debian, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), debian...) {
		if holdsServer(dir) {
			return realBin(dir), nil
		}
	}
	return "", fmt.Errorf("found no initdb and postgres in PATH or /usr/lib/postgresql: install PostgreSQL 14 or later "+
		"(Debian: apt-get install postgresql), or set %s to a server's URL or %s to a folder with its programs", EnvURL, EnvBin)
}

// realBin follows links: a server finds its libraries relative to where it really is.
func realBin(dir string) string {
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil || !holdsServer(filepath.Dir(real)) {
		return dir
	}
	return filepath.Dir(real)
}

func holdsServer(dir string) bool {
	return isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres"))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

func major(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// ping connects to the server.
func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
