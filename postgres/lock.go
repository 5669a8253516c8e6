package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const pollLock = 100 * time.Millisecond

// migrationLock is held while a database is migrated. It is a lock of an open transaction: it ends with its connection,
// however the process ends, and a pooler keeps that connection for it. What is locked is a table of the library's own, which
// only its owner may lock.
type migrationLock struct {
	conn  *pgxpool.Conn
	table string
}

// lock waits until no other process migrates the schema of a mapping. It polls instead of waiting in the server: a statement
// that waits has a snapshot, for which an index that is built concurrently would wait.
func (s *Store) lock(ctx context.Context, m *mapping) (*migrationLock, error) {
	if s.pool.pool.Config().MaxConns < 2 {
		return nil, invalid.Errorf("the pool has one connection: migrating takes two")
	}
	table := m.own("migrating")
	for deadline, reports := time.Now().Add(s.cfg.MigrateWait), s.reports(); ; {
		held, err := s.tryLock(ctx, m, table)
		if err != nil {
			return nil, mapError("lock the migration", err)
		}
		if held != nil {
			if err := s.needSecond(ctx); err != nil {
				held.release(ctx)
				return nil, err
			}
			return held, nil
		}
		if time.Now().After(deadline) {
			holder, _ := s.holders(ctx, `
				SELECT a.pid, extract(epoch FROM now() - a.xact_start)::float8, a.query
				  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
				 WHERE l.relation = to_regclass($1::text) AND l.granted`, table)
			return nil, fmt.Errorf("%w: another migration did not finish within %v: %s", sessioncleanup.ErrUnavailable, s.cfg.MigrateWait, holder)
		}
		reports.locked(ctx)
		if err := wait.For(ctx, pollLock); err != nil {
			return nil, fmt.Errorf("wait for another migration to finish: %w", err)
		}
	}
}

// needSecond fails when there is no second connection to the server beside that of the lock: a pooler may have only one.
func (s *Store) needSecond(ctx context.Context) error {
	most := min(connectTimeout, s.cfg.MigrateWait)
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_, err := s.pool.Exec(limited, "SELECT")
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return invalid.Errorf("migrating takes two connections to the server at a time, and got no second one within %v: "+
			"give the pooler at least two (PgBouncer: default_pool_size), or connect without it", most)
	}
	return mapError("connect a second time", err)
}

// lockTable makes the table that is locked. No row is ever in it; the key is for databases that publish all tables.
func lockTable(table string) string {
	return "CREATE TABLE IF NOT EXISTS " + table + " (id integer PRIMARY KEY);"
}

func (s *Store) tryLock(ctx context.Context, m *mapping, table string) (*migrationLock, error) {
	made, err := s.pool.oidOf(ctx, sqlfile.Qualified(m.space, "sessioncleanup_migrating"))
	if err != nil {
		return nil, err
	}
	if made == 0 {
		err = s.runStep(ctx, m, step{sql: []string{lockTable(table), give([]string{table}, m.role)}})
		if err != nil && !hasCode(err, "23505", "42P07") { // another one makes it just now
			return nil, err
		}
	}
	conn, err := s.pool.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED") // any other one keeps its snapshot, for which an index that is built concurrently waits
	batch.Queue(s.pool.begin())
	batch.Queue("SELECT set_config('idle_in_transaction_session_timeout', '0', true), " + noTransactionTimeout)
	batch.Queue("LOCK TABLE " + table + " IN EXCLUSIVE MODE NOWAIT")
	err = conn.SendBatch(ctx, batch).Close()
	if err != nil {
		conn.Release()                                            // with its transaction: the pool closes it
		if hasCode(err, codeLockNotAvailable, "42P01", "40P01") { // or uninstalled just now
			return nil, nil
		}
		if m.role != "" && hasCode(err, codeNoPrivilege) { // the sessions have another owner now
			err = s.runStep(ctx, m, step{self: true, sql: []string{give([]string{table}, m.role)}})
		}
		return nil, err
	}
	return &migrationLock{conn: conn, table: table}, nil
}

// drop removes the lock's table, after everything else, with the table that told that there is something to remove.
func (l *migrationLock) drop(ctx context.Context, last string) error {
	_, err := l.conn.Exec(ctx, "DROP TABLE IF EXISTS "+last+", "+l.table)
	if err == nil {
		_, err = l.conn.Exec(ctx, "COMMIT")
	}
	return mapError("remove the last tables", err)
}

// check fails when the lock was lost with its connection.
func (l *migrationLock) check(ctx context.Context) error {
	_, err := l.conn.Exec(ctx, "SELECT")
	return mapError("keep the migration's lock", err)
}

func (l *migrationLock) release(ctx context.Context) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if !l.conn.Conn().IsClosed() {
		_, _ = l.conn.Exec(end, "ROLLBACK") // else the release closes the connection, and with it the lock
	}
	l.conn.Release()
}
