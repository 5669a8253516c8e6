package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// The first chunk of a backfill, the largest, and how long one may take.
const (
	firstChunk  = 500
	mostChunk   = 4000
	chunkBudget = 25 * time.Millisecond
)

// calm is how long a backfill waits before it begins: each of the host's connections has to read the changed tables'
// definitions and to prepare the new triggers, and should not have to do so beside the first look at all of the rows.
const calm = 100 * time.Millisecond

// addBackfill gives old sessions a last activity, from what is known of them.
func (p *plan) addBackfill(context.Context) error {
	if p.create || p.set.backfilled {
		return nil
	}
	p.add(step{about: "fill in the last activity of old sessions", fill: true, sql: []string{
		p.backfillTable(), p.l.statement("backfill_all"), "DROP TABLE " + p.l.names["backfill"] + ";", p.l.statement("settings_backfilled"),
	}})
	return nil
}

func (p *plan) backfillTable() string { return backfillTable(p.l) }

// backfillTable makes a table of each session's newest activity, in one look at each source.
func backfillTable(l *layout) string {
	var parts []string
	for _, src := range l.sources {
		if src.At == "" {
			continue
		}
		_, at := l.timesOf(src.columns[src.At], "c.")
		parts = append(parts, l.statement("backfill_source", sqlfile.Names{
			"session": sqlfile.Column(src.Session), "source": src.sql(), "at": at,
		}))
	}
	if len(parts) == 0 {
		return l.statement("backfill_empty")
	}
	return l.statement("backfill_table", sqlfile.Names{"backfill_union": strings.Join(parts, "\nUNION ALL\n")})
}

// backfill goes through the sessions by id, in short transactions, until none lacks a last activity. Sessions that are
// touched meanwhile have one already.
func (s *Store) backfill(ctx context.Context, l *layout) error {
	var made, missing bool
	err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", l.names["backfill"]).Scan(&made)
	if err != nil {
		return mapError("look for an earlier backfill", err)
	}
	if err := pause(ctx, calm); err != nil {
		return err
	}
	if !made { // in one transaction: when it is there, it is complete
		if err := s.runStep(ctx, l, step{sql: []string{backfillTable(l), "ANALYZE " + l.names["backfill"] + ";"}}); err != nil {
			return err
		}
	}
	quiet, err := s.mayQuietTriggers(ctx, l)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(s.cfg.MigrateWait); ; {
		if err := s.pool.QueryRow(ctx, l.statement("backfill_missing")).Scan(&missing); err != nil {
			return mapError("look for sessions without a last activity", err)
		}
		if !missing {
			break
		}
		written, err := s.backfillPass(ctx, l, quiet)
		switch {
		case err != nil:
			return err
		case written > 0:
			deadline = time.Now().Add(s.cfg.MigrateWait)
		case time.Now().After(deadline):
			return fmt.Errorf("%w: others kept sessions locked for %v; migrate again", sessioncleanup.ErrUnavailable, s.cfg.MigrateWait)
		default:
			if err := pause(ctx, pollLock); err != nil {
				return err
			}
		}
	}
	return s.runStep(ctx, l, step{sql: []string{"DROP TABLE IF EXISTS " + l.names["backfill"] + ";", l.statement("settings_backfilled")}})
}

func (s *Store) backfillPass(ctx context.Context, l *layout, quiet bool) (written int, err error) {
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
				batch.Queue(l.statement("backfill_chunk"), after, size).QueryRow(func(row pgx.Row) error { return row.Scan(&last, &seen, &wrote) })
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

// mayQuietTriggers reports whether the host's triggers on updates of sessions, which may set updated_at, can be kept
// out of the backfill. That takes a superuser.
func (s *Store) mayQuietTriggers(ctx context.Context, l *layout) (bool, error) {
	var triggers, super bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
		                WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 16 = 16),
		       (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)`, l.table.oid).Scan(&triggers, &super)
	if triggers && !super {
		s.cfg.Logger.WarnContext(ctx, "migrate: the triggers on updates of "+l.table.path()+
			" run for every session whose last activity is filled in; to avoid that, migrate as a superuser")
	}
	return triggers && super, mapError("look for triggers", err)
}
