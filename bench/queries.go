package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// hostQuery is one that a service with sessions asks all day.
type hostQuery struct {
	name   string
	weight int // of 100
	sql    string
	arg    func(l layout, n int) any // nil for a query without
}

// hostQueries are the mix: most of them look for one session, some show lists.
func hostQueries() []hostQuery {
	return []hostQuery{
		{"by code", 50, "SELECT * FROM sessions WHERE code = upper(to_hex($1::bigint * 7919)) AND active", func(l layout, n int) any { return l.alive(n) }},
		{"by owner", 20, "SELECT * FROM sessions WHERE streamer_id = $1 ORDER BY created_at DESC", func(l layout, n int) any { return n % (l.size/20 + 1) }},
		{"active, newest first", 20, "SELECT * FROM sessions WHERE active ORDER BY created_at DESC LIMIT 20", nil},
		{"count of active", 5, "SELECT count(*) FROM sessions WHERE active", nil},
		{"active with their activity", 5, `SELECT s.id, s.name, count(p.id), max(p.created_at) FROM sessions s
			LEFT JOIN propositions p ON p.session_id = s.id WHERE s.active GROUP BY s.id ORDER BY max(p.created_at) DESC NULLS LAST LIMIT 20`, nil},
	}
}

// The stages of a table's life in measureQueries.
const (
	stageBefore   = "before"
	stageAfter    = "after the cleanup"
	stageVacuumed = "after VACUUM"
)

// mixName names the whole mix among the queries.
const mixName = "mix"

// stalePart is the part of the table, in percent, that nobody used for long.
const stalePart = 80

// measureQueries asks a service's own queries before and after a cleanup of a table that is mostly stale.
func measureQueries(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Queries = otherSizes(b.results.Queries, b.sizes, func(s QuerySample) int { return s.Size })
	for _, size := range b.sizes {
		err := b.untilKnown(fmt.Sprintf("queries: %d sessions", size), func(round int) error {
			return within(s.ctx, func(s *scope) error {
				b.results.Queries = append(b.results.Queries, queriesOnce(s, t, layout{size, stalePart}, round)...)
				return nil
			})
		}, func() [][]float64 { return page{b.results}.queryRatios(size) })
		if err != nil {
			return err
		}
	}
	return nil
}

// queriesOnce has a database for each stage, and asks each query of all of them by turns.
func queriesOnce(s *scope, t *templates, l layout, round int) []QuerySample {
	stages := []string{stageBefore, stageAfter, stageVacuumed}
	pools := map[string]*pgxpool.Pool{}
	for _, stage := range stages {
		bed := openPG(s, t, "ours", l, func(s *scope, url string) { makeGuide(s, url, tracked); fillGuide(s, url, l) })
		if stage != stageBefore {
			if _, err := s.manager(s.store(bed.pool)).Cleanup(s.ctx, sessioncleanup.Run{}); err != nil {
				s.Fatal(err)
			}
		}
		if stage == stageVacuumed {
			s.exec(bed.pool, "VACUUM ANALYZE") // as autovacuum does after a while
		}
		pools[stage] = bed.pool
	}
	var samples []QuerySample
	mix := map[string]float64{}
	for _, q := range hostQueries() {
		mean := q.means(s, pools, stages, l)
		for _, stage := range stages {
			mix[stage] += mean[stage] * float64(q.weight) / 100
			samples = append(samples, QuerySample{q.name, stage, l.size, round, mean[stage]})
		}
	}
	for _, stage := range stages {
		samples = append(samples, QuerySample{mixName, stage, l.size, round, mix[stage]})
	}
	return samples
}

// Each query is asked again and again for a while in each stage, in slices as short as a mood of the machine.
const (
	queryTime  = 1200 * time.Millisecond // for all stages
	querySlice = 20 * time.Millisecond
)

// means are how long the query takes in each stage, in milliseconds, of one client that asks it again and again: the
// mean of a slice, and of those the median, which a few slices that were disturbed do not move.
func (q hostQuery) means(s *scope, pools map[string]*pgxpool.Pool, stages []string, l layout) map[string]float64 {
	for _, stage := range stages {
		q.ask(s, pools[stage], l, 0) // the plan, and what is read for the first time
	}
	all := map[string][]float64{}
	for turn, started := 0, time.Now(); turn < len(stages) || time.Since(started) < queryTime; turn++ {
		for _, stage := range rotated(stages, turn) {
			began, n := time.Now(), 0
			for n == 0 || time.Since(began) < querySlice {
				n++
				q.ask(s, pools[stage], l, (turn*1000+n)*7919) // the same sessions in every stage
			}
			all[stage] = append(all[stage], ms(time.Since(began))/float64(n))
		}
	}
	mean := map[string]float64{}
	for _, stage := range stages {
		mean[stage] = median(all[stage])
	}
	return mean
}

func (q hostQuery) ask(s *scope, pool *pgxpool.Pool, l layout, n int) {
	var args []any
	if q.arg != nil {
		args = []any{q.arg(l, n)}
	}
	if err := readAll(s.ctx, pool, q.sql, args...); err != nil {
		s.Fatalf("%s: %w", q.name, err)
	}
}

// readAll runs a query and reads its rows.
func readAll(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) error {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (int, error) { return len(row.RawValues()), nil })
	return err
}
