package sqlite

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// fill makes 500,000 sessions of 1,000 owners, of which 50,000 are due for deactivation and 50,000 for deletion. With
// ages "(i - 1) * 90.0 / 500000" they were made one after the other, as in life, and those that are due lie together in the
// table; with random ages each page of the table has some of them, which is as bad as it gets.
const fill = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000),
	s (i, age) AS MATERIALIZED (SELECT i, AGE FROM n)
	INSERT INTO sessions (id, owner_id, name, created_at, updated_at, active, auto_cleanup, deactivated_at, last_activity)
	SELECT 'session-' || i, 'owner-' || (i * 7919) % 1000, 'Session number ' || i, '2020-01-01 00:00:00.000', '2020-01-01 00:00:00.000',
	       age >= 9, 1, CASE WHEN age < 9 THEN '1970-01-01 00:00:00.000' END,
	       strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d seconds',
	         CASE WHEN age < 9 THEN 86400 * (45 - age) WHEN age < 18 THEN 86400 * (20 - age) ELSE 50000 - 500 * age END + i % 600))
	  FROM s ORDER BY i`

// BenchmarkCleanup compares a run with the two statements that do the same at once, one after the
// other on copies of the same database. "ratio" is the time of the batches divided by that of the statements, the median
// of all rounds; "lock-ms" is the longest time for which a batch had the write lock, in the median round.
func BenchmarkCleanup(b *testing.B) {
	for name, age := range map[string]string{
		"in_order":  "(i - 1) * 90.0 / 500000",
		"scattered": "(i - 1) * 7919 % 500000 * 90.0 / 500000",
	} {
		b.Run(name, func(b *testing.B) {
			template := makeTemplate(b, strings.ReplaceAll(fill, "AGE", age))
			var ratios, locks []float64
			for b.Loop() {
				batched, lock := cleanInBatches(b, copyOf(b, template))
				bare := cleanAtOnce(b, copyOf(b, template))
				ratios = append(ratios, batched.Seconds()/bare.Seconds())
				locks = append(locks, float64(lock.Microseconds())/1000)
			}
			slices.Sort(ratios)
			slices.Sort(locks)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
			b.ReportMetric(locks[len(locks)/2], "lock-ms")
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}

// BenchmarkStart is from an empty file to a finished run.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := Open(b.Context(), filepath.Join(b.TempDir(), "new.db"), Config{})
		if err != nil {
			b.Fatal(err)
		}
		m, err := sessioncleanup.New(s, sessioncleanup.Config{})
		if err == nil {
			err = m.Migrate(b.Context())
		}
		if err == nil {
			_, err = m.Cleanup(b.Context(), sessioncleanup.Run{})
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkActivity compares inserting a row of activity with and without the library, for a statement that is prepared
// once and for one that is not.
func BenchmarkActivity(b *testing.B) {
	const tables = `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id), body TEXT);
		CREATE INDEX messages_session ON messages (session_id);
		INSERT INTO sessions VALUES (1, 'one')`
	const insert = "INSERT INTO messages (session_id, body) VALUES (1, 'hello')"
	for _, library := range []string{"without", "with"} {
		for _, prepared := range []string{"prepared", "unprepared"} {
			b.Run(library+"/"+prepared, func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "app.db")
				app := openDB(b, path)
				runSQL(b, app, "PRAGMA journal_mode = WAL")
				runSQL(b, app, tables)
				if library == "with" {
					s, err := Open(b.Context(), path, Config{})
					if err == nil {
						err = s.Migrate(b.Context(), sessioncleanup.Policy{})
					}
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = s.Close() })
				}
				tx, err := app.BeginTx(b.Context(), nil) // what a commit costs is not the question
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = tx.Rollback() }()
				statement, err := tx.PrepareContext(b.Context(), insert)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = statement.Close() }()
				for b.Loop() {
					if prepared == "prepared" {
						_, err = statement.ExecContext(b.Context())
					} else {
						_, err = tx.ExecContext(b.Context(), insert)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func openDB(b *testing.B, path string) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func runSQL(b *testing.B, db *sql.DB, statement string) int64 {
	b.Helper()
	result, err := db.ExecContext(b.Context(), statement)
	if err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// makeTemplate makes a migrated database full of sessions.
func makeTemplate(b *testing.B, fill string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "template.db")
	s, err := Open(b.Context(), path, Config{})
	if err == nil {
		err = s.Migrate(b.Context(), sessioncleanup.Policy{})
	}
	if err != nil {
		b.Fatal(err)
	}
	runSQL(b, s.writer, fill)
	runSQL(b, s.writer, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// copyOf copies a database that nobody has open.
func copyOf(b *testing.B, path string) string {
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

func cleanAtOnce(b *testing.B, path string) time.Duration {
	b.Helper()
	db := openDB(b, path)
	started := time.Now()
	n := runSQL(b, db, "DELETE FROM sessions WHERE NOT active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days')")
	n += runSQL(b, db, "UPDATE sessions SET active = 0 WHERE active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day')")
	took := time.Since(started)
	if n != 100_000 {
		b.Fatalf("the statements changed %d sessions", n)
	}
	_ = db.Close()
	_ = os.Remove(path)
	return took
}

func cleanInBatches(b *testing.B, path string) (took, longest time.Duration) {
	b.Helper()
	s, err := Open(b.Context(), path, Config{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := sessioncleanup.New(s, sessioncleanup.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	result, err := m.Cleanup(b.Context(), sessioncleanup.Run{})
	if err != nil {
		b.Fatal(err)
	}
	if result.Deleted() != 50_000 || result.Deactivated() != 50_000 {
		b.Fatalf("the run deleted %d sessions and deactivated %d", result.Deleted(), result.Deactivated())
	}
	_ = s.Close()
	_ = os.Remove(path)
	return result.Duration, result.LongestBatch
}
