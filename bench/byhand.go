package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// pgBed is what beds in PostgreSQL have in common.
type pgBed struct {
	s    *scope
	pool *pgxpool.Pool
	l    layout
}

func openPG(s *scope, t *templates, key string, l layout, fill func(s *scope, url string)) pgBed {
	url := t.copy(s, fmt.Sprintf("%s/%d/%d", key, l.size, l.due), fill)
	b := pgBed{s: s, pool: s.connect(url, nil), l: l}
	s.exec(b.pool, "CHECKPOINT") // so that everybody writes the same full pages
	return b
}

func (b pgBed) wal() int64 { return b.s.walPosition(b.pool) }

func (b pgBed) bytes() int64 {
	return b.s.number(b.pool, `SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`)
}

// doing runs one statement and gives the number of rows that it changed.
type doing func(ctx context.Context, sql string) (int, error)

// byHand cleans up in the way of a script that cron runs.
type byHand func(ctx context.Context, do doing, q handQueries) (cleaned, error)

// handQueries say in a database's own words what is due.
type handQueries struct{ del, deactivate, delSome, deactivateSome string }

var postgresByHand = handQueries{
	del:            "DELETE FROM sessions WHERE " + pgToDelete,
	deactivate:     "UPDATE sessions SET active = false WHERE " + pgToDeactivate,
	delSome:        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE " + pgToDelete + " LIMIT 1000)",
	deactivateSome: "UPDATE sessions SET active = false WHERE id IN (SELECT id FROM sessions WHERE " + pgToDeactivate + " LIMIT 1000)",
}

const (
	pgToDelete     = "NOT active AND auto_cleanup AND last_activity < now() - interval '30 days'"
	pgToDeactivate = "active AND auto_cleanup AND last_activity < now() - interval '24 hours'"
)

// onceByHand is one DELETE and one UPDATE, each its own transaction.
func onceByHand(ctx context.Context, do doing, q handQueries) (cleaned, error) {
	done := cleaned{asked: time.Now()}
	for _, sql := range []string{q.del, q.deactivate} {
		from := time.Now()
		n, err := do(ctx, sql)
		if err != nil {
			return done, err
		}
		done.statement(from, time.Now(), n)
	}
	return done, nil
}

// loopByHand repeats statements that are limited to 1,000 rows until nothing is left.
func loopByHand(ctx context.Context, do doing, q handQueries) (cleaned, error) {
	done := cleaned{asked: time.Now()}
	for _, sql := range []string{q.delSome, q.deactivateSome} {
		for {
			from := time.Now()
			n, err := do(ctx, sql)
			if err != nil {
				return done, err
			}
			done.statement(from, time.Now(), n)
			if n == 0 {
				break
			}
		}
	}
	return done, nil
}

type handBed struct {
	pgBed
	way byHand
}

func openByHand(way byHand) func(s *scope, t *templates, size, due int) bed {
	return func(s *scope, t *templates, size, due int) bed {
		l := layout{size, due}
		return handBed{openPG(s, t, "by hand", l, func(s *scope, url string) {
			makeGuide(s, url, untracked)
			fillGuide(s, url, l)
		}), way}
	}
}

func (b handBed) clean(ctx context.Context) (cleaned, error) {
	return b.way(ctx, func(ctx context.Context, sql string) (int, error) {
		tag, err := b.pool.Exec(ctx, sql)
		return int(tag.RowsAffected()), err
	}, postgresByHand)
}

const addActivity = "INSERT INTO propositions (session_id, title) VALUES ($1, 'a song')"

func (b handBed) use(ctx context.Context, n int) error {
	_, err := b.pool.Exec(ctx, addActivity, b.l.alive(n))
	return err
}

// comeBack writes down that the session was used, as whoever cleans up by hand must.
func (b handBed) comeBack() func(ctx context.Context, n int) error {
	return func(ctx context.Context, n int) error {
		id := b.l.stale(n)
		if _, err := b.pool.Exec(ctx, addActivity, id); err != nil {
			return err
		}
		_, err := b.pool.Exec(ctx, "UPDATE sessions SET last_activity = now() WHERE id = $1", id)
		return err
	}
}
