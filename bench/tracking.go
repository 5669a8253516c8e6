package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	trackedSessions = 10_000
	bulkRows        = 10_000
	writers         = 8
)

// Single inserts take so many periods for each way in a round, by turns as long as a slice: what slows the machine down
// for longer than a slice slows down all of them.
const (
	singlePeriods = 2
	slice         = 100 * time.Millisecond
)

// trackingWays are the ways to follow activity that are compared.
func trackingWays() []string { return []string{untracked, emptyTrigger, tracked, rowTrigger} }

// measureTracking inserts activity into databases that follow it in different ways, by turns.
func measureTracking(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Tracking = nil
	for _, sessions := range []string{"hot", "spread"} {
		for _, insert := range []struct {
			shape string
			round func(s *scope, t *templates, sessions string, round int) error
		}{{"single", b.trackSingles}, {"bulk", b.trackBulk}} {
			err := b.untilKnown(fmt.Sprintf("tracking: %s inserts, %s", insert.shape, sessions), func(n int) error { return insert.round(s, t, sessions, n) },
				func() [][]float64 { return page{b.results}.trackedRatios(insert.shape, sessions) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// trackSingles is one round of single inserts, in all ways.
func (b *bench) trackSingles(s *scope, t *templates, sessions string, round int) error {
	return within(s.ctx, func(s *scope) error {
		var beds []*trackingBed
		for _, way := range trackingWays() {
			// In the middle of a day sessions were used at some time of the last minute. Time goes on for one database while the
			// others have their turns: so that during its own as many sessions go without activity for a minute as in steady
			// use, only one of as many sessions as there are ways begins like that, and the others as just used.
			beds = append(beds, t.trackingBed(s, way, fmt.Sprintf("CASE WHEN id %% %d = 0 THEN random() ELSE 0 END * interval '1 minute'", len(trackingWays()))))
		}
		for _, bed := range beds {
			singles(s, bed.pool, sessions, slice) // connections and plans
		}
		for turn := 0; beds[0].took < singlePeriods*b.period; turn++ {
			for _, bed := range rotated(beds, round+turn) {
				bed.insert(s, func() int { return singles(s, bed.pool, sessions, min(slice, b.period)) })
			}
		}
		for _, bed := range beds {
			b.results.Tracking = append(b.results.Tracking, bed.sample(s, "single", sessions, round))
		}
		return nil
	})
}

// trackBulk is one round of a bulk insert, into sessions that were last used hours ago, in all ways.
func (b *bench) trackBulk(s *scope, t *templates, sessions string, round int) error {
	for _, way := range rotated(trackingWays(), round) {
		sample, _, err := quietest(s.ctx, sampleTries, func() (sample TrackingSample, stolen float64, err error) {
			err = within(s.ctx, func(s *scope) error {
				bed := t.trackingBed(s, way, "interval '5 hours'")
				watched := watchProcessors()
				bed.insert(s, func() int { return bulk(s, bed.pool, sessions) })
				stolen = watched()
				sample = bed.sample(s, "bulk", sessions, round)
				return nil
			})
			return sample, stolen, err
		})
		if err != nil {
			return err
		}
		b.results.Tracking = append(b.results.Tracking, sample)
	}
	return nil
}

// trackingBed is a database that follows activity in one of the ways, and what was inserted into it.
type trackingBed struct {
	way, url     string
	pool         *pgxpool.Pool
	updates, hot int64 // of sessions, before the measurement
	rows         int
	took         time.Duration
	wal          int64
}

// trackingBed gives a fresh database whose sessions were used as long ago as an expression says.
func (t *templates) trackingBed(s *scope, way, age string) *trackingBed {
	bed := &trackingBed{way: way, url: t.copy(s, way, func(s *scope, url string) {
		makeGuide(s, url, way)
		s.exec(s.connect(url, nil), "INSERT INTO sessions (id) SELECT n FROM generate_series(1, $1::int) n", trackedSessions)
	})}
	prepare := s.connect(bed.url, nil)
	s.exec(prepare, "UPDATE sessions SET last_activity = now() - "+age)
	s.exec(prepare, "VACUUM ANALYZE sessions")
	s.exec(prepare, "CHECKPOINT")
	prepare.Close() // connections hand in what they counted when they end
	bed.updates, bed.hot = sessionUpdates(s, bed.url)
	bed.pool = s.connect(bed.url, nil)
	return bed
}

func (bed *trackingBed) insert(s *scope, work func() int) {
	before, started := s.walPosition(bed.pool), time.Now()
	bed.rows += work()
	bed.took += time.Since(started)
	bed.wal += s.walPosition(bed.pool) - before
}

func (bed *trackingBed) sample(s *scope, shape, sessions string, round int) TrackingSample {
	bed.pool.Close()
	updates, hot := sessionUpdates(s, bed.url)
	return TrackingSample{
		Tracking: bed.way, Shape: shape, Sessions: sessions, Round: round,
		PerSecond: float64(bed.rows) / bed.took.Seconds(), WALPerRow: float64(bed.wal) / float64(bed.rows),
		Updates: updates - bed.updates, HOT: hot - bed.hot,
	}
}

// singles has clients insert one row after the other for a while, and gives the number of rows.
func singles(s *scope, pool *pgxpool.Pool, sessions string, period time.Duration) int {
	ctx, cancel := context.WithTimeout(s.ctx, period)
	defer cancel()
	var rows atomic.Int64
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for client := range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				id := 1
				if sessions == "spread" {
					id = 1 + rand.IntN(trackedSessions)
				}
				if _, errs[client] = pool.Exec(context.WithoutCancel(ctx), addActivity, id); errs[client] != nil {
					return
				}
				rows.Add(1)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			s.Fatal(err)
		}
	}
	return int(rows.Load())
}

// bulk inserts many rows in one statement.
func bulk(s *scope, pool *pgxpool.Pool, sessions string) int {
	id := "1"
	if sessions == "spread" {
		id = "n"
	}
	s.exec(pool, fmt.Sprintf("INSERT INTO propositions (session_id, title) SELECT %s, 'a song' FROM generate_series(1, $1::int) n", id), bulkRows)
	return bulkRows
}

// sessionUpdates is how many rows of the sessions' table were updated, and how many of them within their page, without
// touching an index.
func sessionUpdates(s *scope, url string) (updates, hot int64) {
	err := within(s.ctx, func(s *scope) error {
		pool := s.connect(url, nil)
		name := databaseOf(url)
		for s.number(pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'", name) > 0 {
			pause(s.ctx, 10*time.Millisecond)
		}
		return pool.QueryRow(s.ctx, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'").Scan(&updates, &hot)
	})
	if err != nil {
		s.Fatal(err)
	}
	return updates, hot
}
