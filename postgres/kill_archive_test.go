package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

// restoreAll empties the archive, a few entries at a time.
func restoreAll(ctx context.Context, m *sessioncleanup.Manager) error {
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

// expectOnce requires that each of the sessions 1 to count is in its table with its two rows, or once in the archive with them,
// but never in both, and returns how many are archived.
func expectOnce(t *testing.T, pool *pgxpool.Pool, count int, when string) (archived int) {
	t.Helper()
	var wrong int
	err := pool.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE NOT (s.there = 1 AND s.rows = 2 AND a.entries = 0 AND a.rows = 0 OR s.there = 0 AND s.rows = 0 AND a.entries = 1 AND a.rows = 2)),
		       count(*) FILTER (WHERE a.entries > 0)
		  FROM generate_series(1, $1::int) n
		 CROSS JOIN LATERAL (SELECT (SELECT count(*) FROM sessions s WHERE s.id = n) AS there, (SELECT count(*) FROM propositions p WHERE p.session_id = n) AS rows) s
		 CROSS JOIN LATERAL (SELECT count(DISTINCT a.id) AS entries, coalesce(sum(r.row_count), 0) AS rows
		                       FROM sessioncleanup_archive a LEFT JOIN sessioncleanup_archive_rows r ON r.entry = a.id WHERE a.session_id = n::text) a`, count).Scan(&wrong, &archived)
	if err != nil {
		t.Fatal(err)
	}
	if wrong > 0 {
		t.Errorf("%s: %d sessions are not in exactly one place, whole", when, wrong)
	}
	return archived
}

func TestKilledArchivingAndRestoringLeaveEachSessionInOnePlace(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 600
	store, pool := adopted(t, "guide")
	migrate(t, store) // the template has got more tables since it was adopted
	url := pool.Config().ConnString()
	mustExec(t, pool, "INSERT INTO sessions (id, created_at) SELECT n, now() - interval '90 days' FROM generate_series(1, $1::int) n", count)
	mustExec(t, pool, "INSERT INTO propositions (session_id) SELECT n FROM generate_series(1, $1::int) n, generate_series(1, 2)", count)
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	for range *kills {
		mustExec(t, pool, "UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '50 days'")
		mustExec(t, pool, "UPDATE sessioncleanup_leases SET expires_at = now()")
		if killed(t, url, "archive", 300*time.Millisecond) {
			hits++
		}
		expectOnce(t, pool, count, "after a cleaner was killed")
		mustExec(t, pool, "UPDATE sessioncleanup_leases SET expires_at = now()")
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil {
			t.Fatal(err)
		}
		if n := expectOnce(t, pool, count, "after the next run"); n != count {
			t.Errorf("after the next run %d of %d sessions are archived", n, count)
		}
		if killed(t, url, "restore", 300*time.Millisecond) {
			hits++
		}
		expectOnce(t, pool, count, "after a restore was killed")
		if err := restoreAll(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if n := expectOnce(t, pool, count, "after restoring the others"); n != 0 {
			t.Errorf("after restoring, %d sessions are archived", n)
		}
	}
	t.Logf("%d of %d processes were killed while they ran", hits, 2**kills)
}
