//go:build unix

package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// roleVariable makes the test binary a process of a test's: what it does, and the database that it does it to.
const roleVariable = "SESSIONCLEANUP_TEST_SQLITE_ROLE"

func TestMain(m *testing.M) {
	if role, path, ok := strings.Cut(os.Getenv(roleVariable), " "); ok {
		if err := roles[role](path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var roles = map[string]func(path string) error{
	"count": func(path string) error {
		store, err := sqlite.Open(context.Background(), path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true}})
		if err != nil {
			return err
		}
		_, err = store.Counts(context.Background(), sessioncleanup.CountsQuery{})
		return errors.Join(err, store.Close())
	},
	"migrate": func(path string) error {
		store, err := sqlite.Open(context.Background(), path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true}})
		if err != nil {
			return err
		}
		err = store.Migrate(context.Background(), sessioncleanup.Policy{InactiveAfter: time.Hour})
		return errors.Join(err, store.Close())
	},
	"clean": func(path string) error {
		store, err := sqlite.Open(context.Background(), path, sqlite.Config{Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true}})
		if err != nil {
			return err
		}
		_, _, err = clean(context.Background(), store)
		return errors.Join(err, store.Close())
	},
	"archive": func(path string) error { return withArchive(path, archiveDue) },
	"restore": func(path string) error { return withArchive(path, archivetest.RestoreAll) },
	"write": func(path string) error { // until its input ends
		// SQLite has no queue for the lock: on a slow machine writers may find it taken by each other for long.
		app, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(60000)")
		if err != nil {
			return err
		}
		stop := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			close(stop)
		}()
		for n := 0; ; n++ {
			select {
			case <-stop:
				fmt.Println("wrote", n)
				return app.Close()
			case <-time.After(time.Millisecond): // after each write, so that the writers do not starve each other
			}
			if _, err := app.Exec("INSERT INTO propositions (session_id) SELECT 1 + ? % 100", n); err != nil {
				return fmt.Errorf("write %d: %w", n, err)
			}
			if n == 0 {
				fmt.Println("writing")
			}
		}
	},
}

// process starts the test binary in a role.
func process(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self := "/proc/self/exe" // which another user may run, wherever it lies
	if _, err := os.Stat(self); err != nil {
		if self, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // so that one that hangs is no test that does
	t.Cleanup(cancel)
	c := exec.CommandContext(limited, self)
	c.Env = append(os.Environ(), roleVariable+"="+role+" "+path)
	c.Dir = "/"
	return c
}

// asNobody runs a role as a user without rights, when this is root, whom no rights stop.
func asNobody(t *testing.T, role, path string) string {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o055 != 0o055 && os.Chmod(dir, 0o755) != nil { //nolint:gosec // for others to reach the file
			t.Fatalf("%s cannot be opened for others: %v", dir, err)
		}
	}
	c := process(t, role, path)
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := c.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for a minute: %s", what)
		}
	}
}

// manyDue are sessions 1 to 100 that are in use, and some thousand that are due.
const manyDue = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12100)
	INSERT INTO sessions (id, name, active, last_activity, deactivated_at)
	SELECT i, 'room ' || i, i <= 100 OR i % 2, datetime('now', CASE WHEN i <= 100 THEN '-2 minutes' WHEN i % 2 THEN '-3 days' ELSE '-60 days' END),
	       CASE WHEN i > 100 AND NOT i % 2 THEN datetime('now', '-50 days') END FROM n`

func TestOtherProcessesWriteWhileOneCleans(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, manyDue)
	type writer struct {
		stop io.Closer
		out  *bufio.Scanner
		done func() error
	}
	var writers []writer
	for range 2 {
		c := process(t, "write", path)
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, writer{in, bufio.NewScanner(out), c.Wait})
	}
	for _, w := range writers {
		if !w.out.Scan() || w.out.Text() != "writing" {
			t.Fatalf("the writer says %q", w.out.Text())
		}
	}
	deleted, deactivated, err := clean(t.Context(), store)
	if err != nil || len(deleted) != 6000 || len(deactivated) != 6000 {
		t.Errorf("deleted %d, deactivated %d: %v", len(deleted), len(deactivated), err)
	}
	written := 0
	for _, w := range writers {
		_ = w.stop.Close()
		w.out.Scan()
		var n int
		if _, err := fmt.Sscanf(w.out.Text(), "wrote %d", &n); err != nil {
			t.Errorf("a writer says %q", w.out.Text())
		}
		written += n
		if err := w.done(); err != nil {
			t.Errorf("a writer: %v", err)
		}
	}
	if got := line(t, app, "SELECT count(*) FROM propositions"); got != fmt.Sprint(written) {
		t.Errorf("%s rows of activity, but %d were written", got, written)
	}
	if got := line(t, app, "SELECT count(*) FROM sessions WHERE id <= 100 AND active"); got != "100" {
		t.Errorf("%s of 100 sessions in use are active", got)
	}
	expectLogged(t, app, 6000, 6000)
}

// expectLogged compares the audit log with the sessions.
func expectLogged(t *testing.T, app *sql.DB, deleted, deactivated int) {
	t.Helper()
	want := fmt.Sprintf("deactivated|%d|%[1]d\ndeleted|%d|%[2]d", deactivated, deleted)
	if got := line(t, app, `
		SELECT action, count(*), count(DISTINCT json_extract(value, '$.id')) FROM sessioncleanup_events, json_each(sessions)
		 GROUP BY action ORDER BY action`); got != want {
		t.Errorf("events hold %s, want %s", got, want)
	}
	if got := line(t, app, "SELECT count(*), sum(NOT active) FROM sessions"); got != fmt.Sprintf("%d|%d", 12100-deleted, deactivated) {
		t.Errorf("sessions, and inactive ones: %s", got)
	}
}

func TestARunThatWasKilledIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	path, app := newApp(t, appTables)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, manyDue)
	for _, events := range []string{"3", "30", "150"} { // batches after which the cleaner is killed
		c := process(t, "clean", path)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "for "+events+" events", func() bool { return line(t, app, "SELECT count(*) >= "+events+" FROM sessioncleanup_events") == "1" })
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	if left := line(t, app, "SELECT count(*) FROM sessions WHERE active"); left == "100" {
		t.Error("the cleaner had finished before it was killed")
	}
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	expectLogged(t, app, 6000, 6000)
	if got := line(t, app, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}

func TestAMigrationThatWasKilledIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	for _, reached := range []string{
		"SELECT count(*) FROM sqlite_master WHERE name = 'sessioncleanup_migrations'",
		"SELECT count(*) FROM sqlite_master WHERE name = 'sessioncleanup_session_changed'",
		"SELECT count(*) FROM sqlite_master WHERE name = 'sessioncleanup_propositions_session_id'",
		"SELECT count(*) FROM sqlite_master WHERE name = 'sessioncleanup_idle'",
	} {
		path, app := newApp(t, appTables, `
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
			INSERT INTO sessions (id, created_at) SELECT i, datetime('2020-01-01', i || ' minutes') FROM n`)
		before := dump(t, app, true)
		c := process(t, "migrate", path)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, reached, func() bool { return line(t, app, reached) == "1" })
		_ = c.Process.Kill()
		_ = c.Wait()
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		if got := line(t, app, "SELECT sum(julianday(last_activity) = julianday(created_at)), sum(auto_cleanup) FROM sessions"); got != "20000|20000" {
			t.Errorf("sessions with their time, and with auto-cleanup: %s", got)
		}
		if err := store.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
		if dump(t, app, true) != before {
			t.Error("after Uninstall the database is not as it was")
		}
	}
}

func TestFilesWithoutRightsAreNamed(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	migrate(t, open(t, path, sqlite.Config{}))
	_ = app.Close()
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	expect := func(role, path string, wants ...string) {
		t.Helper()
		out := asNobody(t, role, path)
		for _, want := range append(wants, path) {
			if !strings.Contains(out, want) {
				t.Errorf("%s of %s: %q, want %q", role, path, out, want)
			}
		}
	}
	chmod(copied, 0)
	expect("count", copied, "the file cannot be opened", "permission denied")
	expect("migrate", copied, "the file cannot be opened", "permission denied")
	expect("migrate", filepath.Join(filepath.Dir(copied), "new.db"), "the file cannot be created", "permission denied")
	chmod(copied, 0o444)
	chmod(filepath.Dir(copied), 0o555)
	expect("count", copied, "the file or its folder is read-only")
	chmod(filepath.Dir(copied), 0o777)
	chmod(copied, 0o444)
	expect("migrate", copied, "read-only")
	if after, err := os.ReadFile(copied); err != nil || !bytes.Equal(after, data) {
		t.Errorf("the file was changed: %v", err)
	}
}
