package sqlite_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// backedUpAndPurged moves the archive into a file of backups.
func backedUpAndPurged(t *testing.T, store *sqlite.Store) (from *backup.Files, file string) {
	t.Helper()
	dir, err := backup.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	from = backup.New(dir)
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}, Backups: from})
	if err != nil {
		t.Fatal(err)
	}
	done, err := m.BackUp(t.Context())
	if err != nil || len(done.Files) != 1 {
		t.Fatalf("BackUp: %+v, %v", done, err)
	}
	purge := sessioncleanup.Batch{Action: sessioncleanup.ActionPurged, BackedUp: true, Limit: 1000, Cause: sessioncleanup.Cause{Actor: "test"}}
	if out, err := store.Purge(t.Context(), purge, time.Now().Add(time.Hour)); err != nil || len(out.IDs) != done.Entries {
		t.Fatalf("Purge removed %v, %v; want all %d entries", out.IDs, err, done.Entries)
	}
	return from, done.Files[0]
}

// forged are backups of which a session has another row.
type forged struct {
	*backup.Files
	row sessioncleanup.ArchivedRow
}

func (f forged) Read(ctx context.Context, name string, each func(sessioncleanup.ArchivedCopy) error) (sessioncleanup.BackupFile, error) {
	return f.Files.Read(ctx, name, func(c sessioncleanup.ArchivedCopy) error {
		c.Content = append(c.Content, f.row)
		return each(c)
	})
}

func TestAForgedBackupFillsNoOtherTable(t *testing.T) {
	t.Parallel()
	store, app, m := concert(t, sessioncleanup.Policy{})
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	from, file := backedUpAndPurged(t, store)
	for _, row := range []sessioncleanup.ArchivedRow{
		{Number: 100, Table: "users", Row: []byte(`{"id":666}`)},
		{Number: 100, Table: "users", Unlinked: true, Row: []byte(`{"key":{"id":1},"set":{"id":666}}`)},
		{Number: 100, Table: "sessioncleanup_archive", Row: []byte(`{}`)},
		{Number: 100, Table: "no_such_table", Row: []byte(`{}`)},
	} {
		_, err := m.RestoreBackup(t.Context(), forged{from, row}, file, sessioncleanup.BackupRestore{})
		blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err)
		if !ok || len(blocked.Obstacles) != 1 || blocked.Obstacles[0].Kind != sessioncleanup.ObstacleTable || blocked.Obstacles[0].Entry != 1 || blocked.Obstacles[0].SessionID != "1" {
			t.Errorf("a file with a row of %s: %v, want an obstacle", row.Table, err)
		}
	}
	if got := line(t, app, "SELECT (SELECT count(*) FROM sessions) || (SELECT count(*) FROM users WHERE id = 1) || (SELECT count(*) FROM users) || (SELECT count(*) FROM sessioncleanup_archive)"); got != "1110" {
		t.Errorf("after failing there are %s sessions, users and entries, want 1, 1, 1 and none", got)
	}
	if _, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{}); err != nil {
		t.Errorf("the file itself: %v", err)
	}
}
