package mysqltest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/ownserver"
)

// script runs the server until its standard input ends, which it does when the test binary does, however that happens;
// then it stops the server at once and removes its files.
const script = `
binary=$1; home=$2; port=$3; shift 3
"$binary" --no-defaults --datadir="$home/data" --tmpdir="$home" --socket="$home/socket" --pid-file="$home/pid" \
  --bind-address=127.0.0.1 --port="$port" --max-connections=500 --skip-log-bin --skip-name-resolve \
  --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-flush-method=nosync --innodb-buffer-pool-size=64M \
  --innodb-log-file-size=64M --table-definition-cache=4000 --performance-schema=0 "$@" >>"$home/log" 2>&1 </dev/null &
server=$!
read -r _
kill -KILL $server
wait $server
rm -rf "$home"
`

// users are those to run a server as.
var users = []string{"mysql", "nobody"}

// StartServer starts a server with options of its own, such as --read-only, which ends with the test.
func StartServer(t testing.TB, options ...string) *Server {
	t.Helper()
	server, err := start(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.admin.Close()
		server.stop()
	})
	return server
}

// start starts a server with files of its own, in memory where that is possible.
func start(options ...string) (*Server, error) {
	binary, err := program("mariadbd", "/usr/sbin/mariadbd", "/usr/libexec/mariadbd")
	if err != nil {
		return nil, err
	}
	install, err := program("mariadb-install-db", "/usr/bin/mariadb-install-db")
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp(folder(), "mysqltest")
	if err != nil {
		return nil, err
	}
	as, err := ownserver.Unprivileged(home, users...)
	if err == nil {
		err = initialise(install, home, as)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	stop, err := launch(binary, home, port, as, options...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	server, err := at("mysql://root@127.0.0.1:" + strconv.Itoa(port))
	if err == nil {
		err = ownserver.Wait(home, server.admin.PingContext)
	}
	if err != nil {
		stop()
		return nil, err
	}
	server.stop = stop
	return server, nil
}

func program(name string, places ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("found no %s: install MariaDB 10.6 or later (Debian: apt-get install mariadb-server), or set %s to a server's URL", name, EnvURL)
}

// folder is where the files are: in memory, unless that is small or the tests say otherwise.
func folder() string {
	var space syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs("/dev/shm", &space) == nil && space.Bavail*uint64(space.Bsize) > 1<<30 { //nolint:gosec // a size
		return "/dev/shm"
	}
	return os.TempDir()
}

func initialise(install, home string, as *syscall.Credential) error {
	return ownserver.Run(home, as, install, "--no-defaults", "--datadir="+filepath.Join(home, "data"), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--tmpdir="+home, "--innodb-log-file-size=64M", "--innodb-flush-method=nosync")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // a TCP listener has no other
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// launch starts the server and returns the function that ends it and waits for that.
func launch(binary, home string, port int, as *syscall.Credential, options ...string) (func(), error) {
	return ownserver.Launch(home, as, nil, script, append([]string{binary, home, strconv.Itoa(port)}, options...)...)
}
