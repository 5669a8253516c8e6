package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestADatabaseThatIsDownIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		upAfter time.Duration
		with    error
		took    time.Duration
		fails   bool
	}{
		"at once":           {0, sessioncleanup.ErrUnavailable, 0, false},
		"after two seconds": {2 * time.Second, sessioncleanup.ErrUnavailable, 2 * time.Second, false},
		"never":             {time.Hour, sessioncleanup.ErrUnavailable, connectPatience, true},
		"a wrong password":  {time.Hour, sessioncleanup.ErrInvalid, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				a := &app{environment: environment{err: &said}}
				began := time.Now()
				_, err := a.patiently(t.Context(), connectPatience, func() (sessioncleanup.Store, error) {
					if time.Since(began) < c.upAfter {
						return nil, fmt.Errorf("connect: %w", c.with)
					}
					return memory.New(memory.Config{}), nil
				})
				if took := time.Since(began); took != c.took || (err != nil) != c.fails || c.fails && !errors.Is(err, c.with) {
					t.Errorf("%v after %v; want to fail: %t, after %v", err, took, c.fails, c.took)
				}
				if tells := strings.Count(said.String(), "retrying for up to 15s"); tells != min(1, int(c.took)) {
					t.Errorf("it says %q", said.String())
				}
			})
		})
	}
}

func TestDotEnvHoldsThisCommandsVariablesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	load := func() *app {
		a := &app{environment: environment{dir: dir, lookup: func(string) (string, bool) { return "", false }}}
		if err := a.loadDotEnv(); err != nil {
			t.Fatal(err)
		}
		return a
	}
	path := filepath.Join(dir, ".env")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("SUDO_USER=root\nUSER=root\nDATABASE_URL=memory:\nSESSION_DELETE_DAYS=3\nSESSION_OF_ANOTHER=x\nNO_COLOR=1\n")
	a := load()
	for name, want := range map[string]string{"SUDO_USER": "", "USER": "", "DATABASE_URL": "memory:", "SESSION_DELETE_DAYS": "3", "SESSION_OF_ANOTHER": "", "NO_COLOR": "1"} {
		if got := a.getenv(name); got != want {
			t.Errorf("%s from .env is %q, want %q", name, got, want)
		}
	}
	documented, err := os.ReadFile("../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(documented), "\n## Environment\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` ").FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
	}
	slices.Sort(names)
	write(strings.Join(names, "=given\n") + "=given\n")
	a = load()
	if want := slices.Sorted(slices.Values(variables)); !slices.Equal(names, want) {
		t.Errorf("docs/command.md explains %q, want %q", names, want)
	}
	for _, name := range names {
		if got := a.getenv(name); got != "given" {
			t.Errorf("%s from .env is %q, want what docs/command.md promises", name, got)
		}
	}
	write(strings.Repeat("#", maxDotEnv+1))
	if err := a.loadDotEnv(); err == nil {
		t.Error("a huge .env is read")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.loadDotEnv(); err == nil {
		t.Error("a FIFO is read") // reading it would wait forever
	}
}
