package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestAFileThatWasReplacedOrRemovedIsNotCleanedUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		move func(path string) error
		says string
	}{
		"replaced": {func(path string) error {
			data, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
		}, "another file has this name"},
		"removed": {os.Remove, "the file was removed"},
		"renamed": {func(path string) error { return os.Rename(path, path+".old") }, "the file was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, appTables, "INSERT INTO sessions (id, created_at) VALUES (1, '2020-01-01')")
			store := open(t, path, sqlite.Config{})
			migrate(t, store)
			if err := app.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.move(path); err != nil {
				t.Fatal(err)
			}
			_, _, err := clean(t.Context(), store)
			_, now := store.Now(t.Context())
			_, touch := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}})
			for doing, err := range map[string]error{"a run": err, "Now": now, "Touch": touch} {
				if !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v, want an ErrUnavailable with %q", doing, err, c.says)
				}
			}
		})
	}
	t.Run("made later", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "app.db")
		store := open(t, path, sqlite.Config{})
		_, _ = store.Now(t.Context())
		migrate(t, open(t, path, sqlite.Config{}))
		if _, _, err := clean(t.Context(), store); err != nil {
			t.Errorf("a run: %v", err)
		}
	})
}
