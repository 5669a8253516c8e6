// Package archivetest tells the stories about the archive that a database of any kind must live through: processes that are killed
// while they archive, restore or back up, forged backups, and random tables that are deleted and restored.
package archivetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
)

// Store is a store with an archive.
type Store interface {
	sessioncleanup.Store
	sessioncleanup.Archiver
}

// BackedUpAndPurged moves the archive into a file of backups.
func BackedUpAndPurged(t *testing.T, store Store) (from *backup.Files, file string) {
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

// Read adds the row.
func (f forged) Read(ctx context.Context, name string, each func(sessioncleanup.ArchivedCopy) error) (sessioncleanup.BackupFile, error) {
	return f.Files.Read(ctx, name, func(c sessioncleanup.ArchivedCopy) error {
		c.Content = append(c.Content, f.row)
		return each(c)
	})
}

// ForgedRows deletes the session 1, moves the archive into a file, and requires that the file cannot be restored with any of some rows
// in it, each of a table that is none of the session's, but without them.
func ForgedRows(t *testing.T, m *sessioncleanup.Manager, store Store, rows ...sessioncleanup.ArchivedRow) {
	t.Helper()
	if _, err := m.Delete(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	entries, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{SessionID: "1"})
	if err != nil || len(entries) != 1 {
		t.Fatalf("the archive has %+v, %v", entries, err)
	}
	from, file := BackedUpAndPurged(t, store)
	for _, row := range rows {
		_, err := m.RestoreBackup(t.Context(), forged{from, row}, file, sessioncleanup.BackupRestore{SessionIDs: []string{"1"}})
		blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err)
		if !ok || len(blocked.Obstacles) != 1 || blocked.Obstacles[0].Kind != sessioncleanup.ObstacleTable ||
			blocked.Obstacles[0].Entry != entries[0].ID || blocked.Obstacles[0].SessionID != "1" {
			t.Errorf("a file with a row of %s: %v, want an obstacle", row.Table, err)
		}
	}
	if _, err := m.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{SessionIDs: []string{"1"}}); err != nil {
		t.Errorf("the file itself: %v", err)
	}
}

// Family is a table of sessions and tables that depend on it, of which some sessions are due for deletion.
type Family struct {
	Store    Store
	Manager  *sessioncleanup.Manager
	Random   *rand.Rand
	Sessions []string // their IDs
	// Values are all rows of all tables, but for the last activity of the sessions.
	Values func() any
	Count  func(query string) int
	// FromBackup says that they are restored from a file.
	FromBackup bool
}

// ThereAndBack deletes sessions by a run and one by one, and restores them: then every value of every table must be what it was.
func (f Family) ThereAndBack(t *testing.T) {
	t.Helper()
	before := f.Values()
	if result, err := f.Manager.Cleanup(t.Context(), sessioncleanup.Run{InactiveAfter: sessioncleanup.Never}); err != nil || len(result.Failures) > 0 {
		t.Fatalf("Cleanup: %v, %v", err, result.Failures)
	}
	for _, id := range f.Sessions {
		if f.Random.IntN(3) == 0 {
			_, _ = f.Manager.DeleteCascade(t.Context(), id) // it may be gone along with another
		}
	}
	all, err := f.Manager.Archived(t.Context(), sessioncleanup.ArchiveOptions{Limit: 1000})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sessions are archived, %v; want some", len(all), err)
	}
	if left := f.Count("SELECT count(*) FROM sessions"); left != len(f.Sessions)-len(all) {
		t.Errorf("%d of %d sessions are archived, and %d are in their table", len(all), len(f.Sessions), left)
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, e.SessionID)
	}
	f.Random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	restore := func(o sessioncleanup.RestoreOptions) (sessioncleanup.Restored, error) {
		return f.Manager.Restore(t.Context(), ids, o)
	}
	if f.FromBackup {
		from, file := BackedUpAndPurged(t, f.Store)
		restore = func(o sessioncleanup.RestoreOptions) (sessioncleanup.Restored, error) {
			return f.Manager.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{RestoreOptions: o})
		}
	}
	dry, err := restore(sessioncleanup.RestoreOptions{DryRun: true})
	if err != nil || len(dry.Obstacles) > 0 {
		t.Fatalf("a dry run of restoring: %v, %v", dry.Obstacles, err)
	}
	done, err := restore(sessioncleanup.RestoreOptions{})
	if err != nil || done.Rows != dry.Rows || done.Relinked != dry.Relinked {
		t.Fatalf("Restore: %v, %d rows and %d references; a dry run said %d and %d", err, done.Rows, done.Relinked, dry.Rows, dry.Relinked)
	}
	if diff := cmp.Diff(before, f.Values()); diff != "" {
		t.Errorf("after restoring (-before +after):\n%s", diff)
	}
	if left := f.Count("SELECT (SELECT count(*) FROM sessioncleanup_archive) + (SELECT count(*) FROM sessioncleanup_archive_rows)"); left != 0 {
		t.Errorf("%d rows are left in the archive", left)
	}
}
