package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// The first chunk of a backfill, the largest, and how long one may take.
const (
	firstChunk  = 500
	mostChunk   = 4000
	chunkBudget = 25 * time.Millisecond
)

// calm is how long a backfill waits before it begins: each of the application's connections has to read the changed tables'
// definitions and to prepare the new triggers, and should not have to do so while all of the rows are read first.
const calm = 100 * time.Millisecond

// addBackfill gives old sessions a last activity, from what is known of them.
func (p *plan) addBackfill(context.Context) error {
	if p.create || p.set.backfilled {
		return nil
	}
	p.add(step{about: "fill in the last activity of old sessions", fill: true, sql: []string{
		backfillTable(p.m), p.m.statement("backfill_all"), "DROP TABLE " + p.m.names["backfill"] + ";", p.m.statement("settings_backfilled"),
	}})
	return nil
}

// backfillTable makes a table of each session's newest activity, in one scan of each activity table.
func backfillTable(m *mapping) string {
	var parts []string
	for _, src := range m.sources {
		if src.At == "" {
			continue
		}
		_, at := m.timesOf(src.columns[src.At], "c.")
		parts = append(parts, m.statement("backfill_source", sqlfile.Names{
			"session": sqlfile.Column(src.Session), "source": src.sql(), "at": at,
		}))
	}
	if len(parts) == 0 {
		return m.statement("backfill_empty")
	}
	return m.statement("backfill_table", sqlfile.Names{"backfill_union": strings.Join(parts, "\nUNION ALL\n")})
}

// backfill goes through the sessions by id, in short transactions, until none lacks a last activity. Sessions that are
// touched meanwhile have one already.
func (s *Store) backfill(ctx context.Context, m *mapping) error {
	var made, missing bool
	err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", m.names["backfill"]).Scan(&made)
	if err != nil {
		return mapError("look for an earlier backfill", err)
	}
	if err := wait.For(ctx, calm); err != nil {
		return err
	}
	if !made { // in one transaction: when it is there, it is complete
		if err := s.runStep(ctx, m, step{sql: []string{backfillTable(m), "ANALYZE " + m.names["backfill"] + ";"}}); err != nil {
			return err
		}
	}
	quiet, err := s.mayQuietTriggers(ctx, m)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(s.cfg.MigrateWait); ; {
		if err := s.pool.QueryRow(ctx, m.statement("backfill_missing")).Scan(&missing); err != nil {
			return mapError("look for sessions without a last activity", err)
		}
		if !missing {
			break
		}
		written, err := s.backfillPass(ctx, m, quiet)
		switch {
		case err != nil:
			return err
		case written > 0:
			deadline = time.Now().Add(s.cfg.MigrateWait)
		case time.Now().After(deadline):
			return fmt.Errorf("%w: others kept sessions locked for %v; migrate again", sessioncleanup.ErrUnavailable, s.cfg.MigrateWait)
		default:
			if err := wait.For(ctx, pollLock); err != nil {
				return err
			}
		}
	}
	return s.runStep(ctx, m, step{sql: []string{"DROP TABLE IF EXISTS " + m.names["backfill"] + ";", m.statement("settings_backfilled")}})
}

func (s *Store) backfillPass(ctx context.Context, m *mapping, quiet bool) (written int, err error) {
	size := firstChunk
	var after *string
	for {
		var seen, wrote int
		var last *string
		started := time.Now()
		err := s.persist(ctx, func() error {
			return s.inTx(ctx, func(batch *pgx.Batch) {
				if quiet {
					batch.Queue("SELECT set_config('session_replication_role', 'replica', true)")
				}
				batch.Queue(m.statement("backfill_chunk"), after, size).QueryRow(func(row pgx.Row) error { return row.Scan(&last, &seen, &wrote) })
			}, nil)
		})
		if err != nil {
			return written, err
		}
		written, after = written+wrote, last
		if seen < size {
			return written, nil
		}
		if took := time.Since(started); took > chunkBudget {
			size = max(int(float64(size)*float64(chunkBudget)/float64(took)), 1)
		} else if took < chunkBudget/2 {
			size = min(size*2, mostChunk)
		}
	}
}

// mayQuietTriggers reports whether the application's triggers on updates of sessions, which may set updated_at, can be kept
// out of the backfill. Only a superuser may.
func (s *Store) mayQuietTriggers(ctx context.Context, m *mapping) (bool, error) {
	var triggers, super bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
		                WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 16 = 16),
		       (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)`, m.table.oid).Scan(&triggers, &super)
	if triggers && !super {
		s.cfg.Logger.WarnContext(ctx, "migrate: the triggers on updates of "+m.table.path()+
			" run for every session whose last activity is filled in; to avoid that, migrate as a superuser")
	}
	return triggers && super, mapError("look for triggers", err)
}
