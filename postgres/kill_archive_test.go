package postgres_test

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

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
	var archived int
	archivetest.Archiving{
		Manager: m, Count: count,
		MakeDue: func() {
			mustExec(t, pool, "UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '50 days'")
		},
		Kill: func(work string) (hit bool) {
			hit = killed(t, url, work, 300*time.Millisecond)
			mustExec(t, pool, "UPDATE sessioncleanup_leases SET expires_at = now()")
			return hit
		},
		Misplaced: func() (wrong int) {
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
			return wrong
		},
		Archived: func() int { return archived },
	}.Killed(t, *kills)
}
