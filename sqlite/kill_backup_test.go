//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
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
		return errors.Join(archivetest.BackUpAll(context.Background(), store, dir, runs), store.Close())
	}
}

func TestKilledBackupsLoseNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	hits, purged := 0, 0
	for range *kills {
		path, app := newApp(t, appTables)
		store := open(t, path, sqlite.Config{})
		migrate(t, store)
		execute(t, app, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO sessions (id, name) SELECT i, 'room ' || i FROM n", archivetest.BackedUpSessions)
		execute(t, app, "INSERT INTO propositions (session_id) SELECT id FROM sessions")
		kill := func(dir string, runs int) (hit bool) {
			c := process(t, "backup", fmt.Sprint(path, " ", dir, " ", runs))
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
			defer kill.Stop()
			hit = c.Wait() != nil
			execute(t, app, "DELETE FROM sessioncleanup_leases")
			return hit
		}
		hit, n := archivetest.BackingUp{
			Store: store, Kill: kill,
			Stored:   func() []string { return lines(t, app, "SELECT id FROM sessions") },
			Archived: func() []string { return lines(t, app, "SELECT session FROM sessioncleanup_archive") },
		}.Killed(t, rand.IntN(10))
		if purged += n; hit {
			hits++
		}
	}
	t.Logf("%d of %d backups were killed while they ran, with %d sessions purged", hits, *kills, purged)
}
