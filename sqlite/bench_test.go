package sqlite_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// manySessions fills the table: 500,000 sessions, of which 50,000 are due for deactivation and 50,000 for deletion,
// spread over the table.
const manySessions = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
	INSERT INTO sessions (id, owner_id, name, created_at, updated_at, active, auto_cleanup, last_activity)
	SELECT 'session-' || i, 'owner-' || i % 1000, 'Session number ' || i, '2020-01-01 00:00:00.000', '2020-01-01 00:00:00.000',
	       i % 10 <> 1, 1,
	       strftime('%Y-%m-%d %H:%M:%f', 'now', CASE i % 10 WHEN 0 THEN '-2 days' WHEN 1 THEN '-40 days' ELSE '-1 hour' END,
	                printf('-%d seconds', (i * 7919) % 3000))
	  FROM n`

// template is a migrated database full of sessions, made once.
func template(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "template.db")
	store := open(b, path, sqlite.Config{})
	if err := store.Migrate(b.Context(), sessioncleanup.Policy{}); err != nil {
		b.Fatal(err)
	}
	host := openHost(b, path)
	execute(b, host, manySessions)
	execute(b, host, "PRAGMA wal_checkpoint(TRUNCATE)")
	return path
}

// copied is a copy of a database that nobody has open for writing.
func copied(b *testing.B, path string) string {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	to := filepath.Join(b.TempDir(), "copy.db")
	if err := os.WriteFile(to, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return to
}

// BenchmarkCleanup compares a run in batches with the two statements that do the same at once, on copies of the same
// database: "ratio" is the time of the first divided by the time of the second, "longest-ms" the longest batch.
func BenchmarkCleanup(b *testing.B) {
	from := template(b)
	var ratios []float64
	var longest time.Duration
	for range b.N {
		b.StopTimer()
		bare := cleanBare(b, copied(b, from))
		path := copied(b, from)
		b.StartTimer()
		batched, slowest := cleanInBatches(b, path)
		ratios = append(ratios, batched.Seconds()/bare.Seconds())
		longest = max(longest, slowest)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
}

func cleanBare(b *testing.B, path string) time.Duration {
	b.Helper()
	host := openHost(b, path)
	host.SetMaxOpenConns(1)
	started := time.Now()
	run := func(statement string) int64 {
		result, err := host.ExecContext(b.Context(), statement)
		if err != nil {
			b.Fatal(err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	n := run(`DELETE FROM sessions WHERE NOT active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days')`)
	n += run(`UPDATE sessions SET active = 0 WHERE active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day')`)
	took := time.Since(started)
	if n != 100_000 {
		b.Fatalf("the statements changed %d sessions", n)
	}
	return took
}

func cleanInBatches(b *testing.B, path string) (took, longest time.Duration) {
	b.Helper()
	store := open(b, path, sqlite.Config{})
	started := time.Now()
	now, err := store.Now(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	batch := sessioncleanup.Batch{
		Cause: sessioncleanup.Cause{Actor: "system", RunID: "bench"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: 1000,
	}
	n := 0
	for _, step := range []func() (sessioncleanup.Outcome, error){
		func() (sessioncleanup.Outcome, error) { return store.DeleteDue(b.Context(), batch) },
		func() (sessioncleanup.Outcome, error) { return store.DeactivateDue(b.Context(), batch) },
	} {
		for batch.After = ""; ; {
			began := time.Now()
			out, err := step()
			if err != nil {
				b.Fatal(err)
			}
			longest = max(longest, time.Since(began))
			n += len(out.IDs)
			if batch.After = out.Next; batch.After == "" {
				break
			}
		}
	}
	took = time.Since(started)
	if n != 100_000 {
		b.Fatalf("the batches changed %d sessions", n)
	}
	return took, longest
}
