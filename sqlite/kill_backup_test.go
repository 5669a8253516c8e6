//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func init() {
	roles["backup"] = func(args string) error {
		path, rest, _ := strings.Cut(args, " ")
		dir, rest, _ := strings.Cut(rest, " ")
		runs, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		store, err := sqlite.Open(context.Background(), path, sqlite.Config{})
		if err != nil {
			return err
		}
		return errors.Join(backUpAll(context.Background(), store, dir, runs), store.Close())
	}
}

// backUpAll deletes the sessions 1 to killedSessions, 10 at a time, with a run after each that backs them up and purges those
// that were. It says when it has done so many of these runs.
func backUpAll(ctx context.Context, store sessioncleanup.Store, path string, runs int) error {
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
	for id := 1; err == nil && id <= killedSessions; id++ {
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

const killedSessions = 100

// expectNoneLost requires that each session is in its table, or in the archive or a file that is sound and has it with its row of another table.
func expectNoneLost(t *testing.T, path string, stored, archived []string) (purged int) {
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
	for n := 1; n <= killedSessions; n++ {
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

func TestKilledBackupsLoseNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	hits, purged := 0, 0
	for range *kills {
		path, app := newApp(t, appTables)
		dir := t.TempDir()
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		execute(t, app, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO sessions (id, name) SELECT i, 'room ' || i FROM n", killedSessions)
		execute(t, app, "INSERT INTO propositions (session_id) SELECT id FROM sessions")
		c := process(t, "backup", fmt.Sprint(path, " ", dir, " ", rand.IntN(10)))
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err == nil {
			_, err = io.ReadFull(out, make([]byte, len("begun\n")))
		}
		if err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = c.Process.Kill() })
		if err := c.Wait(); err != nil {
			hits++
		}
		kill.Stop()
		purged += expectNoneLost(t, dir, lines(t, app, "SELECT id FROM sessions"), lines(t, app, "SELECT session FROM sessioncleanup_archive"))
		execute(t, app, "DELETE FROM sessioncleanup_leases")
		if err := backUpAll(t.Context(), store, dir, -1); err != nil {
			t.Fatal(err)
		}
		if left := expectNoneLost(t, dir, lines(t, app, "SELECT id FROM sessions"), lines(t, app, "SELECT session FROM sessioncleanup_archive")); left < killedSessions-10 {
			t.Errorf("after a backup that was not killed, %d sessions are purged; want all but those of the last run", left)
		}
	}
	t.Logf("%d of %d backups were killed while they ran, with %d sessions purged", hits, *kills, purged)
}
