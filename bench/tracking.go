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

// measureTracking inserts activity into databases that follow it in different ways, by turns.
func measureTracking(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Tracking = nil
	ways := []string{untracked, tracked, rowTrigger}
	for _, shape := range []string{"single", "bulk"} {
		for _, sessions := range []string{"hot", "spread"} {
			for round := range b.rounds {
				for _, way := range rotated(ways, round) {
					err := within(s.ctx, func(s *scope) error {
						sample := trackOnce(b, s, t, way, shape, sessions)
						sample.Round = round
						b.results.Tracking = append(b.results.Tracking, sample)
						return nil
					})
					if err != nil {
						return err
					}
				}
			}
			b.say("tracking: %s inserts, %s", shape, sessions)
		}
	}
	return nil
}

func trackOnce(b *bench, s *scope, t *templates, way, shape, sessions string) TrackingSample {
	url := t.copy(s, way, func(s *scope, url string) {
		makeGuide(s, url, way)
		pool := s.connect(url, nil)
		s.exec(pool, "INSERT INTO sessions (id) SELECT n FROM generate_series(1, $1::int) n", trackedSessions)
	})
	prepare := s.connect(url, nil)
	if shape == "bulk" { // into sessions that were last used hours ago
		s.exec(prepare, "UPDATE sessions SET last_activity = now() - interval '5 hours'")
	} else { // into sessions that were used at some time of the last minute, as it is in the middle of a day
		s.exec(prepare, "UPDATE sessions SET last_activity = now() - random() * interval '1 minute'")
	}
	s.exec(prepare, "VACUUM ANALYZE sessions")
	s.exec(prepare, "CHECKPOINT")
	prepare.Close() // connections hand in what they counted when they end
	updates, hot := sessionUpdates(s, url)
	pool := s.connect(url, nil)
	work := func() int { return bulk(s, pool, sessions) }
	if shape == "single" {
		work = func() int { return singles(s, pool, sessions, b.period) }
		singles(s, pool, sessions, b.period/5) // connections and plans
	}
	before, started := s.walPosition(pool), time.Now()
	rows := work()
	took := time.Since(started)
	sample := TrackingSample{Tracking: way, Shape: shape, Sessions: sessions, PerSecond: float64(rows) / took.Seconds()}
	sample.WALPerRow = float64(s.walPosition(pool)-before) / float64(rows)
	pool.Close()
	sample.Updates, sample.HOT = sessionUpdates(s, url)
	sample.Updates -= updates
	sample.HOT -= hot
	return sample
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
