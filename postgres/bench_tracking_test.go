package postgres_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const writers = 8

// throughput has eight clients insert activity rows for a while, and gives their number and how long that took.
func throughput(b *testing.B, pool *pgxpool.Pool, pick func() int, while time.Duration) (int, time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), while)
	defer cancel()
	var rows atomic.Int64
	var wg sync.WaitGroup
	started := time.Now()
	for range writers {
		wg.Go(func() {
			conn, err := pool.Acquire(context.WithoutCancel(ctx))
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Release()
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.WithoutCancel(ctx), "INSERT INTO propositions (session_id, title) VALUES ($1, 'a song')", pick()); err != nil {
					b.Error(err)
					return
				}
				rows.Add(1)
			}
		})
	}
	wg.Wait()
	return int(rows.Load()), time.Since(started)
}

// slice is for how long one of two databases is used before it is the other's turn. What slows the machine down for
// longer than that slows down both.
const slice = 100 * time.Millisecond

// BenchmarkTracking compares the insertion of activity rows with and without the library: by eight clients into one
// session, and into 10,000 that were each used at some time of the last minute.
func BenchmarkTracking(b *testing.B) {
	for _, shape := range []struct {
		name string
		pick func() int
	}{
		{"hot", func() int { return 1 }},
		{"spread", func() int { return 1 + rand.IntN(10_000) }},
	} {
		b.Run(shape.name, func(b *testing.B) {
			server := benchServer(b, true)
			with, without := benchApp(b, server, true), benchApp(b, server, false)
			prepare := func(pool *pgxpool.Pool) {
				// Time goes on for the one while the other is used. So that during its own slices as many sessions go without
				// activity for a minute as in steady use, every second one begins as just used.
				mustExec(b, pool, "UPDATE sessions SET last_activity = now() - CASE WHEN id % 2 = 0 THEN random() ELSE 0 END * interval '1 minute'")
				mustExec(b, pool, "VACUUM ANALYZE sessions")
			}
			pools := []*pgxpool.Pool{with, without}
			for _, pool := range pools {
				mustExec(b, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 10000) n")
				throughput(b, pool, shape.pick, slice) // to warm up
			}
			var ratios, tracked []float64
			for b.Loop() {
				for range *rounds {
					var rows [2]int
					var took [2]time.Duration
					prepare(with)
					prepare(without)
					for took[0] < *period {
						for i, pool := range pools {
							n, t := throughput(b, pool, shape.pick, slice)
							rows[i], took[i] = rows[i]+n, took[i]+t
						}
					}
					perSecond := func(i int) float64 { return float64(rows[i]) / took[i].Seconds() }
					tracked = append(tracked, perSecond(0))
					ratios = append(ratios, perSecond(0)/perSecond(1))
				}
			}
			b.ReportMetric(median(ratios), "with/without")
			b.ReportMetric(median(tracked), "rows/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkBulkInsert compares one INSERT of 10,000 activity rows with and without the library: all in one session
// that was last used hours ago, and one in each of 10,000 such sessions. It also says where the time goes: into the
// statement, where sessions are looked up and touches noted, or into the commit, where touches are written.
func BenchmarkBulkInsert(b *testing.B) {
	for _, shape := range []struct{ name, session string }{{"hot", "1"}, {"spread", "n"}} {
		b.Run(shape.name, func(b *testing.B) {
			server := benchServer(b, true)
			with, without := benchApp(b, server, true), benchApp(b, server, false)
			for _, pool := range []*pgxpool.Pool{with, without} {
				mustExec(b, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 10000) n")
			}
			insert := func(pool *pgxpool.Pool) (statement, commit time.Duration) {
				mustExec(b, pool, "UPDATE sessions SET last_activity = now() - interval '5 hours'")
				mustExec(b, pool, "VACUUM ANALYZE sessions")
				tx, err := pool.Begin(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				statement = timed(b, func(ctx context.Context) error {
					_, err := tx.Exec(ctx, "INSERT INTO propositions (session_id) SELECT "+shape.session+" FROM generate_series(1, 10000) n")
					return err
				})
				return statement, timed(b, tx.Commit)
			}
			var ratios []float64
			var statements, commits, plains []time.Duration
			for b.Loop() {
				for range 3 * *rounds {
					plainStatement, plainCommit := insert(without)
					statement, commit := insert(with)
					plain := plainStatement + plainCommit
					ratios = append(ratios, float64(statement+commit)/float64(plain))
					statements, commits, plains = append(statements, statement), append(commits, commit), append(plains, plain)
				}
			}
			b.ReportMetric(median(ratios), "with/without")
			b.ReportMetric(median(plains).Seconds()*1e3, "without-ms")
			b.ReportMetric(median(statements).Seconds()*1e3, "statement-ms")
			b.ReportMetric(median(commits).Seconds()*1e3, "commit-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
