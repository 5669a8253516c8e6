package archivetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
)

// RestoreAll empties the archive, a few entries at a time.
func RestoreAll(ctx context.Context, m *sessioncleanup.Manager) error {
	for {
		entries, err := m.Archived(ctx, sessioncleanup.ArchiveOptions{Limit: 5})
		if err != nil || len(entries) == 0 {
			return err
		}
		var ids []int64
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		if _, err := m.RestoreEntries(ctx, ids, sessioncleanup.RestoreOptions{}); err != nil {
			return err
		}
	}
}

// Archiving is a database of which processes that archive and restore are killed.
type Archiving struct {
	Manager *sessioncleanup.Manager
	Count   int // of the sessions
	// MakeDue has a run delete all sessions.
	MakeDue func()
	// Kill has a process "archive" or "restore", kills it at some time, and frees its lease. It reports whether the process still ran.
	Kill func(work string) (hit bool)
	// Misplaced counts the sessions that are not either in their table with their two rows or once in the archive with them.
	Misplaced func() int
	Archived  func() int
}

// Killed kills such processes. Each session must be in one place afterwards, whole.
func (a Archiving) Killed(t *testing.T, kills int) {
	t.Helper()
	expect := func(when string) (archived int) {
		t.Helper()
		if wrong := a.Misplaced(); wrong > 0 {
			t.Errorf("%s: %d sessions are not in exactly one place, whole", when, wrong)
		}
		return a.Archived()
	}
	hits := 0
	for range kills {
		a.MakeDue()
		if a.Kill("archive") {
			hits++
		}
		expect("after a cleaner was killed")
		if _, err := a.Manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
			t.Fatal(err)
		}
		if n := expect("after the next run"); n != a.Count {
			t.Errorf("after the next run %d of %d sessions are archived", n, a.Count)
		}
		if a.Kill("restore") {
			hits++
		}
		expect("after a restore was killed")
		if err := RestoreAll(t.Context(), a.Manager); err != nil {
			t.Fatal(err)
		}
		if n := expect("after restoring the others"); n != 0 {
			t.Errorf("after restoring, %d sessions are archived", n)
		}
	}
	t.Logf("%d of %d processes were killed while they ran", hits, 2*kills)
}

// BackedUpSessions is the number of sessions of KilledBackups.
const BackedUpSessions = 100

// BackUpAll deletes the sessions 1 to BackedUpSessions, 10 at a time, with a run after each that backs them up and purges those that
// were. It prints "begun" after the given number of runs.
func BackUpAll(ctx context.Context, store sessioncleanup.Store, path string, runs int) error {
	dir, err := backup.NewDir(path)
	if err != nil {
		return err
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{
		Policy: sessioncleanup.Policy{
			Archive: sessioncleanup.On, ArchiveKeep: time.Nanosecond, InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, BusyShare: 1,
		},
		Backups: backup.New(dir),
	})
	for id := 1; err == nil && id <= BackedUpSessions; id++ {
		if id == 1+10*runs {
			fmt.Println("begun")
		}
		if _, err = m.Delete(ctx, strconv.Itoa(id)); errors.Is(err, sessioncleanup.ErrNotFound) {
			err = nil // by the process that was killed
		}
		if err == nil && id%10 == 0 {
			_, err = m.Cleanup(ctx, sessioncleanup.Run{})
		}
	}
	return err
}

// BackingUp is a database with the sessions 1 to BackedUpSessions, each with one row of another table.
type BackingUp struct {
	Store Store
	// Kill has a process BackUpAll, kills it at some time after it has begun, and frees its lease. It reports whether the process still ran.
	Kill             func(dir string, runs int) (hit bool)
	Stored, Archived func() []string // the IDs of sessions
}

// Killed kills such a process after some runs, and reports whether it still ran, and how many sessions it had purged. Each session must be
// in its table, or in the archive or a file that is sound.
func (b BackingUp) Killed(t *testing.T, runs int) (hit bool, purged int) {
	t.Helper()
	dir := t.TempDir()
	hit = b.Kill(dir, runs)
	purged = b.expectNoneLost(t, dir)
	if err := BackUpAll(t.Context(), b.Store, dir, -1); err != nil {
		t.Fatal(err)
	}
	if left := b.expectNoneLost(t, dir); left < BackedUpSessions-10 {
		t.Errorf("after a backup that was not killed, %d sessions are purged; want all but those of the last run", left)
	}
	return hit, purged
}

func (b BackingUp) expectNoneLost(t *testing.T, path string) (purged int) {
	t.Helper()
	dir, err := backup.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := backup.New(dir).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string]bool{}
	for _, file := range files {
		if _, err := backup.New(dir).Read(t.Context(), file.Name, func(c sessioncleanup.ArchivedCopy) error {
			saved[c.SessionID] = true
			if len(c.Content) != 2 {
				t.Errorf("%s has session %s with %d rows, want 2", file.Name, c.SessionID, len(c.Content))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	stored, archived := b.Stored(), b.Archived()
	for n := 1; n <= BackedUpSessions; n++ {
		id := strconv.Itoa(n)
		inTable, inArchive := slices.Contains(stored, id), slices.Contains(archived, id)
		if inTable == (inArchive || saved[id]) {
			t.Errorf("session %s is in its table: %v, in the archive: %v, in a file: %v", id, inTable, inArchive, saved[id])
		}
		if !inTable && !inArchive {
			purged++
		}
	}
	return purged
}
