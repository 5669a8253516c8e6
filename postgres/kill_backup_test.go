package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

func TestKilledBackupsLoseNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	hits, purged := 0, 0
	const stored, archived = "SELECT coalesce(array_agg(id::text), '{}') FROM sessions", "SELECT coalesce(array_agg(session_id), '{}') FROM sessioncleanup_archive"
	for range *kills {
		store, pool := adopted(t, "guide")
		migrate(t, store) // for the archive to know the tables that adopted made
		mustExec(t, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, $1::int) n", archivetest.BackedUpSessions)
		mustExec(t, pool, "INSERT INTO propositions (session_id) SELECT id FROM sessions")
		kill := func(dir string, runs int) (hit bool) {
			hit = killed(t, pool.Config().ConnString(), fmt.Sprint("backup ", runs, " ", dir), 200*time.Millisecond)
			mustExec(t, pool, "DELETE FROM sessioncleanup_leases")
			return hit
		}
		hit, n := archivetest.BackingUp{
			Store: store, Kill: kill,
			Stored:   func() []string { return value[[]string](t, pool, stored) },
			Archived: func() []string { return value[[]string](t, pool, archived) },
		}.Killed(t, rand.IntN(10))
		if purged += n; hit {
			hits++
		}
	}
	t.Logf("%d of %d backups were killed while they ran, with %d sessions purged", hits, *kills, purged)
}
