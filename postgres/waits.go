package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// reportEvery is how often Migrate and Uninstall say what they wait for.
const reportEvery = 10 * time.Second

// reports says what is waited for, now and then.
type reports struct {
	s    *Store
	last time.Time
}

func (s *Store) reports() *reports { return &reports{s, time.Now()} }

// locked reports the transactions that keep tables locked, if it is time for that.
func (r *reports) locked(ctx context.Context) {
	if time.Since(r.last) < min(reportEvery, r.s.cfg.MigrateWait) {
		return
	}
	r.last = time.Now()
	if holders, err := r.s.oldest(ctx); err == nil && holders != "" {
		r.s.cfg.Logger.WarnContext(ctx, "migrate waits for a lock; the oldest open transactions that hold any: "+holders)
	}
}

// oldest describes the oldest open transactions that hold locks on tables.
func (s *Store) oldest(ctx context.Context) (string, error) {
	return s.holders(ctx, `
		SELECT a.pid, extract(epoch FROM now() - a.xact_start)::float8, a.query
		  FROM pg_catalog.pg_stat_activity a
		 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start < now() - interval '1 second'
		   AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted)
		 ORDER BY a.xact_start LIMIT 3`)
}

// holders describes other server processes: their number, for how long their transaction has been open, their query.
func (s *Store) holders(ctx context.Context, sql string, args ...any) (string, error) {
	rows, err := s.pool.own().Query(ctx, sql, args...) // the role may be one that sees less
	if err != nil {
		return "", err
	}
	type holder struct {
		PID   int32
		Age   *float64
		Query *string
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[holder])
	var words []string
	for _, h := range found {
		text := fmt.Sprintf("pid %d", h.PID)
		if h.Age != nil {
			age := time.Duration(*h.Age) * time.Second
			text += fmt.Sprintf(", in a transaction since %s (%v)", time.Now().Add(-age).UTC().Format(time.RFC3339), age)
		}
		if h.Query != nil {
			query := []rune(strings.Join(strings.Fields(*h.Query), " "))
			text += ", query: " + string(query[:min(len(query), 120)])
		}
		words = append(words, text)
	}
	return strings.Join(words, "; "), err
}

// lockedBy adds to an error about a lock who has the sessions' table locked, where that can be found out.
func (s *Store) lockedBy(ctx context.Context, m *mapping, err error) error {
	if !hasCode(err, codeLockNotAvailable) {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	holders, lookup := s.holders(soon, `
		SELECT a.pid, extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.query
		  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		 WHERE l.relation = $1::oid AND a.datname = current_database() AND l.granted AND a.pid <> pg_backend_pid()
		   AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
		 ORDER BY a.xact_start LIMIT 3`, m.table.oid)
	if lookup != nil || holders == "" {
		return err
	}
	return fmt.Errorf("table %s is locked by %s: %w", m.table.path(), holders, err)
}

// watched does something in a server process, says now and then what that process waits for, and gives up when it has
// waited for MigrateWait.
func (s *Store) watched(ctx context.Context, process uint32, do func(context.Context) error) error {
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	every := min(reportEvery, s.cfg.MigrateWait)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for waited := time.Duration(0); ; {
			select {
			case <-working.Done():
				return
			case <-tick.C:
			}
			holders, err := s.holders(working, `
				SELECT a.pid, extract(epoch FROM now() - a.xact_start)::float8, a.query
				  FROM unnest(pg_catalog.pg_blocking_pids($1::integer)) b (pid) JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
				 ORDER BY a.xact_start`, int32(process))
			switch {
			case err != nil || holders == "":
				waited = 0
				continue
			case waited+every > s.cfg.MigrateWait:
				cancel(fmt.Errorf("%w: waited for %v for other transactions to end: %s; end them, or migrate when it is quieter",
					sessioncleanup.ErrUnavailable, s.cfg.MigrateWait, holders))
				return
			}
			waited += every
			s.cfg.Logger.WarnContext(working, "migrate waits for transactions to end: "+holders)
		}
	}()
	err := do(working)
	gaveUp := context.Cause(working)
	cancel(nil)
	<-done
	if err != nil && gaveUp != nil && ctx.Err() == nil {
		return gaveUp
	}
	return err
}
