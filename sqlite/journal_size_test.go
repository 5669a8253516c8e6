package sqlite_test

import (
	"os"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestTheLogIsTruncatedWhenALongReaderHasGone(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, "PRAGMA journal_mode = WAL", "CREATE TABLE sessions (id INTEGER PRIMARY KEY, updated_at TEXT)", "CREATE TABLE blobs (data BLOB)",
		"INSERT INTO sessions VALUES (1, datetime('now'))")
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	clean := func() {
		t.Helper()
		if _, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	reader, err := openApp(t, path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRow("SELECT count(*) FROM sessions").Scan(&n); err != nil {
		t.Fatal(err)
	}
	execute(t, app, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO blobs SELECT zeroblob(1000000) FROM n")
	clean()
	if size() < 10_000_000 {
		t.Fatalf("the log has %d bytes although somebody reads what was there before: the test shows nothing", size())
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := manager.Now(t.Context()); err != nil { // as a schedule does between its runs
		t.Fatal(err)
	}
	if size() > 1_000_000 {
		t.Errorf("the log still has %d bytes although the reader has gone", size())
	}
}
