//go:build unix

package backup_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
)

// envRole makes the test binary a process that writes to the directory that follows.
const envRole = "SESSIONCLEANUP_TEST_BACKUP_ROLE"

func TestMain(m *testing.M) {
	role, path, ok := strings.Cut(os.Getenv(envRole), " ")
	if !ok {
		os.Exit(m.Run())
	}
	if role == "limited" { // as a disk that is full: files end after 64 KB
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
	}
	dir, err := backup.NewDir(path)
	if err == nil {
		err = dir.Put(context.Background(), "file", io.LimitReader(rand.Reader, 1<<20))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inRole runs a role, as a user whom rights stop.
func inRole(t *testing.T, role, path string) string {
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
	c.Env, c.Dir = append(os.Environ(), envRole+"="+role+" "+path), "/"
	if os.Geteuid() == 0 && role == "denied" {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := c.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		t.Fatalf("%s: %v, %s; want that it fails", role, err, out)
	}
	return string(out)
}

func TestADirectoryThatTakesNothingSaysSoAndHasNothing(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{"limited": "file too large", "denied": "permission denied"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "backups")
		if err := os.Mkdir(path, 0o755); err != nil { //nolint:gosec // for others to see
			t.Fatal(err)
		}
		for _, at := range []string{path, dir, filepath.Dir(dir)} { // all are made for the test
			if role != "denied" {
				break
			}
			if err := os.Chmod(at, 0o555); err != nil { //nolint:gosec // for others to see
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(at, 0o755) }) //nolint:gosec // so that it can be removed
		}
		if out := inRole(t, role, path); !strings.Contains(out, want) || !strings.Contains(out, "file") {
			t.Errorf("a process that is %s prints %q, want %q with the name of the file", role, out, want)
		}
		if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
			t.Errorf("a process that is %s left %v, %v", role, left, err)
		}
	}
}

func TestADirectoryThatIsMissingIsNotMade(t *testing.T) {
	t.Parallel()
	if _, err := backup.NewDir(""); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("an empty path: %v, want ErrInvalid", err)
	}
	d, path := dir(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, listErr := d.List(t.Context())
	_, openErr := d.Open(t.Context(), "file")
	for what, err := range map[string]error{"Put": d.Put(t.Context(), "file", strings.NewReader("x")), "List": listErr, "Open": openErr} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s in a directory that was removed: %v, want fs.ErrNotExist with its path", what, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there again: %v", err)
	}
}

func TestNoNameLeadsOutOfTheDirectory(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../file", "/etc/passwd", "sub/file", "..", "", `sub\file`} {
		_, err := d.Open(t.Context(), name)
		for _, err := range []error{err, d.Put(t.Context(), name, strings.NewReader("x"))} {
			if !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Errorf("the name %q: %v, want ErrInvalid", name, err)
			}
		}
	}
	if _, err := d.Open(t.Context(), "link"); err == nil {
		t.Error("a link out of the directory was opened")
	}
}

func TestAFileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	first := d.Put(t.Context(), "file", strings.NewReader("first"))
	second := d.Put(t.Context(), "file", strings.NewReader("second"))
	if first != nil || !errors.Is(second, fs.ErrExist) {
		t.Errorf("Put twice: %v, %v; want fs.ErrExist the second time", first, second)
	}
	content, err := os.ReadFile(filepath.Join(path, "file"))
	if err != nil || string(content) != "first" {
		t.Errorf("the file has %q, %v", content, err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 1 {
		t.Errorf("the directory has %v, %v; want one file", left, err)
	}
}

func TestWhatAKilledProcessLeftIsRemovedAfterADay(t *testing.T) {
	t.Parallel()
	d, path := dir(t)
	for name, age := range map[string]time.Duration{
		".sessioncleanup-old.jsonl.zst.X.part": 25 * time.Hour, ".sessioncleanup-new.jsonl.zst.X.part": time.Hour, ".others.part": 25 * time.Hour,
	} {
		file := filepath.Join(path, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	written(t, d)
	for name, want := range map[string]bool{".sessioncleanup-old.jsonl.zst.X.part": false, ".sessioncleanup-new.jsonl.zst.X.part": true, ".others.part": true} {
		if _, err := os.Stat(filepath.Join(path, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}
