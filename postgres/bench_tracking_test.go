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

// throughput has eight clients insert activity rows for a while, and gives rows per second.
func throughput(b *testing.B, pool *pgxpool.Pool, pick func() int) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), *period)
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
	return float64(rows.Load()) / time.Since(started).Seconds()
}

// BenchmarkTracking compares the insertion of activity rows with and without the library: by eight clients into one
// session, and into 10,000 that were each used at some time of the last minute.
func BenchmarkTracking(b *testing.B) {
	for name, pick := range map[string]func() int{
		"hot":    func() int { return 1 },
		"spread": func() int { return 1 + rand.IntN(10_000) },
	} {
		b.Run(name, func(b *testing.B) {
			server := benchServer(b)
			with, without := benchHost(b, server, true), benchHost(b, server, false)
			// Time goes on for the one while the other is measured: each finds its sessions as a service in steady use does.
			measured := func(pool *pgxpool.Pool) float64 {
				mustExec(b, pool, "UPDATE sessions SET last_activity = now() - random() * interval '1 minute'")
				mustExec(b, pool, "VACUUM ANALYZE sessions")
				return throughput(b, pool, pick)
			}
			for _, pool := range []*pgxpool.Pool{with, without} {
				mustExec(b, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 10000) n")
				measured(pool) // to warm up
			}
			var ratios, tracked []float64
			for b.Loop() {
				for range *rounds {
					plain := measured(without)
					tracked = append(tracked, measured(with))
					ratios = append(ratios, tracked[len(tracked)-1]/plain)
				}
			}
			b.ReportMetric(median(ratios), "with/without")
			b.ReportMetric(median(tracked), "rows/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkBulkInsert compares one INSERT of 10,000 activity rows with and without the library: all in one session
// that was last used hours ago, and one in each of 10,000 such sessions.
func BenchmarkBulkInsert(b *testing.B) {
	for name, session := range map[string]string{"hot": "1", "spread": "n"} {
		b.Run(name, func(b *testing.B) {
			server := benchServer(b)
			with, without := benchHost(b, server, true), benchHost(b, server, false)
			for _, pool := range []*pgxpool.Pool{with, without} {
				mustExec(b, pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, 10000) n")
			}
			insert := func(pool *pgxpool.Pool) time.Duration {
				mustExec(b, pool, "UPDATE sessions SET last_activity = now() - interval '5 hours'")
				mustExec(b, pool, "VACUUM ANALYZE sessions")
				return timed(b, func(ctx context.Context) error {
					_, err := pool.Exec(ctx, "INSERT INTO propositions (session_id) SELECT "+session+" FROM generate_series(1, 10000) n")
					return err
				})
			}
			var ratios []float64
			for b.Loop() {
				for range 3 * *rounds {
					plain := insert(without)
					ratios = append(ratios, float64(insert(with))/float64(plain))
				}
			}
			b.ReportMetric(median(ratios), "with/without")
			b.ReportMetric(0, "ns/op")
		})
	}
}
