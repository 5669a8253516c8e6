package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// lockClass is the first half of the advisory lock that migrations take; the other is a hash of the schema's name.
const lockClass = 0x5e55c1e

const pollLock = 100 * time.Millisecond

// migrationLock is held while a database is migrated. It is an advisory lock of an open transaction: it ends with its
// connection, however the process ends, and a pooler keeps that connection for it.
type migrationLock struct {
	conn *pgxpool.Conn
}

// lock waits until no other process migrates in the schema. It polls instead of waiting in the server: a statement that
// waits has a snapshot, for which an index that is built concurrently would wait.
func (s *Store) lock(ctx context.Context, space string) (*migrationLock, error) {
	if s.pool.pool.Config().MaxConns < 2 {
		return nil, invalid.Errorf("the pool has one connection: migrating takes two")
	}
	for deadline, reports := time.Now().Add(s.cfg.MigrateWait), s.reports(); ; {
		held, err := s.tryLock(ctx, space)
		if err != nil {
			return nil, mapError("lock the migration", err)
		}
		if held != nil {
			return held, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w: another migration, or whoever holds its advisory lock (see pg_locks), did not finish within %v", sessioncleanup.ErrUnavailable, s.cfg.MigrateWait)
		}
		reports.locked(ctx)
		if err := wait.For(ctx, pollLock); err != nil {
			return nil, fmt.Errorf("wait for another migration to finish: %w", err)
		}
	}
}

func (s *Store) tryLock(ctx context.Context, space string) (*migrationLock, error) {
	conn, err := s.pool.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var got bool
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(s.pool.own().begin())
	batch.Queue("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
	batch.Queue("SELECT pg_try_advisory_xact_lock($1::integer, hashtext($2::text))", int32(lockClass), space).
		QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
	err = conn.SendBatch(ctx, batch).Close()
	if err != nil || !got {
		conn.Release() // with its transaction: the pool closes it
		return nil, err
	}
	return &migrationLock{conn: conn}, nil
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
