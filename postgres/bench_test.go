package postgres_test

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// The benchmarks compare two things in one run and report ratios. At full size (-scale 1) they take some minutes;
// the default only shows that they work. docs/postgres.md has the commands and what was measured.
var (
	scale  = flag.Float64("scale", 0.01, "size of the benchmarks' tables, as a part of the full size")
	rounds = flag.Int("rounds", 3, "rounds of which benchmarks take the median")
	share  = flag.Float64("share", 0, "Policy.BusyShare of the cleanup's benchmark; 0 is the default")
	period = flag.Duration("period", 300*time.Millisecond, "how long a round of a throughput benchmark takes")
)

func scaled(n int) int { return max(int(float64(n)**scale), 200) }

// benchServer is a server for one benchmark, with room for its tables. A durable one has a commit on the disk before it
// confirms it, as in production; the others leave the disk out of the measurement.
func benchServer(b *testing.B, durable bool) *pgtest.Server {
	b.Helper()
	settings := map[string]string{"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}
	if durable {
		for _, key := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			settings[key] = "on"
		}
	}
	return pgtest.Start(b, settings)
}

// benchApp makes the tables of the guide's application, with or without the library.
func benchApp(b *testing.B, server *pgtest.Server, install bool) *pgxpool.Pool {
	b.Helper()
	url := server.Database(b, "template0")
	if err := pgapps.All()["guide"].Make(b.Context(), url); err != nil {
		b.Fatal(err)
	}
	if install {
		migrate(b, open(b, url, postgres.Config{}))
	} else if err := pgapps.Exec(b.Context(), url, "ALTER TABLE sessions ADD last_activity timestamptz NOT NULL DEFAULT now()"); err != nil {
		b.Fatal(err)
	}
	return connect(b, url+"&pool_max_conns=16&default_query_exec_mode=cache_statement")
}

func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*p), len(sorted)-1)]
}

func timed(b *testing.B, work func(ctx context.Context) error) time.Duration {
	b.Helper()
	started := time.Now()
	if err := work(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(started)
}

// BenchmarkNothingDue: a run with nothing due costs the same whatever the table holds.
func BenchmarkNothingDue(b *testing.B) {
	server := benchServer(b, false)
	cost := func(count int) time.Duration {
		pool := benchApp(b, server, true)
		mustExec(b, pool, "INSERT INTO sessions (id, active) SELECT n, n % 3 > 0 FROM generate_series(1, $1::int) n", count)
		mustExec(b, pool, "VACUUM ANALYZE sessions")
		manager := manage(b, open(b, pool.Config().ConnString(), postgres.Config{}))
		var times []time.Duration
		for range 30 {
			times = append(times, timed(b, func(ctx context.Context) error {
				_, err := manager.Cleanup(ctx, sessioncleanup.Run{})
				return err
			}))
		}
		return median(times)
	}
	for b.Loop() {
		small, large := cost(1000), cost(scaled(1_000_000))
		b.ReportMetric(float64(large)/float64(small), "large/small")
		b.ReportMetric(float64(large)/1e6, "ms/run")
	}
	b.ReportMetric(0, "ns/op")
}
