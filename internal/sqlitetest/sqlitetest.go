// Package sqlitetest provides database files for tests.
package sqlitetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// template is the content of a file that was prepared once.
type template struct {
	once    sync.Once
	content []byte
	err     error
}

var templates sync.Map // *template by key

// Prepared returns the path of a new database that is as prepare left its template. The template is made once in a test
// binary for each key, and copied from then on; prepare must close what it opens.
func Prepared(t testing.TB, key string, prepare func(ctx context.Context, path string) error) string {
	t.Helper()
	found, _ := templates.LoadOrStore(key, &template{})
	made := found.(*template)
	made.once.Do(func() { made.content, made.err = prepared(t, prepare) })
	if made.err != nil {
		t.Fatalf("template %s: %v", key, made.err)
	}
	path := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(path, made.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func prepared(t testing.TB, prepare func(ctx context.Context, path string) error) ([]byte, error) {
	path := filepath.Join(t.TempDir(), "app.db")
	if err := prepare(t.Context(), path); err != nil {
		return nil, err
	}
	// SQLite removes its log when the last connection closes.
	if _, err := os.Stat(path + "-wal"); err == nil {
		return nil, fmt.Errorf("%s is still open", path)
	}
	return os.ReadFile(path)
}
