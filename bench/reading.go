package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// The questions of measureReading, and the ways to answer them.
const (
	nothingDue = "nothing due"
	statistics = "statistics"
	pageFirst  = "first page"
	pageDeep   = "page at 90 %"

	fiveCounts = "five counts"
	byOffset   = "OFFSET"
)

// repeats is how often a question is asked in a round; the median counts.
const repeats = 7

// measureReading asks a growing table questions whose answers should not cost more and more.
func measureReading(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Reading = otherSizes(b.results.Reading, b.sizes, func(s ReadingSample) int { return s.Size })
	for _, size := range b.sizes {
		err := b.untilKnown(fmt.Sprintf("reading: %d sessions", size), func(round int) error {
			return within(s.ctx, func(s *scope) error {
				all := questions(s, t, size)
				for _, q := range rotated(all, round) {
					took, err := medianTime(s.ctx, q.ask)
					if err != nil {
						return fmt.Errorf("%s, %s, %d sessions: %w", q.question, q.way, size, err)
					}
					b.results.Reading = append(b.results.Reading, ReadingSample{q.question, q.way, size, round, took})
				}
				return nil
			})
		}, func() [][]float64 { return page{b.results}.readRatios(size) })
		if err != nil {
			return err
		}
	}
	return nil
}

// question is one way to answer a question.
type question struct {
	question, way string
	ask           func(ctx context.Context) error
}

func questions(s *scope, t *templates, size int) []question {
	none, some := layout{size, 0}, layout{size, 20}
	idle := openPG(s, t, "ours", none, func(s *scope, url string) { makeGuide(s, url, tracked); fillGuide(s, url, none) })
	mixed := openPG(s, t, "ours", some, func(s *scope, url string) { makeGuide(s, url, tracked); fillGuide(s, url, some) })
	hand := func(l layout) pgBed {
		return openPG(s, t, "by hand", l, func(s *scope, url string) { makeGuide(s, url, untracked); fillGuide(s, url, l) })
	}
	idleHand, mixedHand := hand(none), hand(some)
	store := s.store(mixed.pool)
	m, quiet := s.manager(store), s.manager(s.store(idle.pool))
	deep := positionAt(s, store, size*9/10)
	return []question{
		{nothingDue, ours, func(ctx context.Context) error {
			_, err := quiet.Cleanup(ctx, sessioncleanup.Run{})
			return err
		}},
		{nothingDue, byHandOnce, func(ctx context.Context) error {
			_, err := handBed{idleHand, onceByHand}.clean(ctx)
			return err
		}},
		{statistics, ours, func(ctx context.Context) error {
			_, err := m.Stats(ctx, "")
			return err
		}},
		{statistics, fiveCounts, func(ctx context.Context) error { return countFive(ctx, mixedHand.pool) }},
		{pageFirst, ours, func(ctx context.Context) error { return listPage(ctx, store, nil) }},
		{pageDeep, ours, func(ctx context.Context) error { return listPage(ctx, store, deep) }},
		{pageFirst, byOffset, func(ctx context.Context) error { return offsetPage(ctx, mixedHand.pool, 0) }},
		{pageDeep, byOffset, func(ctx context.Context) error { return offsetPage(ctx, mixedHand.pool, size*9/10) }},
	}
}

// countFive are the statistics by hand: total, active, inactive, old, and what is due.
func countFive(ctx context.Context, pool *pgxpool.Pool) error {
	for _, where := range []string{"true", "active", "NOT active", "last_activity < now() - interval '30 days'",
		"(" + pgToDeactivate + ") OR (" + pgToDelete + ")"} {
		var n int
		if err := pool.QueryRow(ctx, "SELECT count(*) FROM sessions WHERE "+where).Scan(&n); err != nil {
			return err
		}
	}
	return nil
}

const pageSize = 50

func listPage(ctx context.Context, store sessioncleanup.Store, after *sessioncleanup.Position) error {
	page, err := store.List(ctx, sessioncleanup.Query{After: after, Limit: pageSize})
	if err == nil && len(page.Sessions) != pageSize {
		err = fmt.Errorf("the page has %d sessions", len(page.Sessions))
	}
	return err
}

// positionAt is where the next page starts when so many sessions were read.
func positionAt(s *scope, store sessioncleanup.Store, depth int) *sessioncleanup.Position {
	page, err := store.List(s.ctx, sessioncleanup.Query{Limit: depth})
	if err != nil {
		s.Fatal(err)
	}
	return page.Next
}

// offsetPage reads what a page of this project shows, in the same order.
func offsetPage(ctx context.Context, pool *pgxpool.Pool, offset int) error {
	rows, err := pool.Query(ctx, `
		SELECT s.id, s.streamer_id, u.username, s.name, s.code, s.active, s.auto_cleanup, s.created_at, s.updated_at, s.last_activity,
		       (SELECT count(*) FROM propositions p WHERE p.session_id = s.id)
		  FROM sessions s LEFT JOIN users u ON u.id = s.streamer_id
		 ORDER BY s.last_activity, s.id LIMIT $1 OFFSET $2`, pageSize, offset)
	if err != nil {
		return err
	}
	page, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err == nil && len(page) != pageSize {
		err = fmt.Errorf("the page has %d sessions", len(page))
	}
	return err
}

// medianTime does something several times and gives the median, in milliseconds. The first time does not count.
func medianTime(ctx context.Context, work func(ctx context.Context) error) (float64, error) {
	var times []float64
	for n := range repeats + 1 {
		started := time.Now()
		if err := work(ctx); err != nil {
			return 0, err
		}
		if n > 0 {
			times = append(times, ms(time.Since(started)))
		}
	}
	return median(times), nil
}
