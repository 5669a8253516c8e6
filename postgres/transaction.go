package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// settle is how long the end of a transaction may take, and abandoned how long when the caller's context has ended.
const (
	settle    = 5 * time.Second
	abandoned = 500 * time.Millisecond
)

// connectTimeout is how long it may take to connect to the server, or to wait for one of the pool's connections.
const connectTimeout = 15 * time.Second

// idleLimit is how long the server keeps a transaction of this process that sends nothing: the process may be frozen, or cut
// off, with the application's rows locked.
const idleLimit = 4 * time.Second

// noTransactionTimeout lifts a limit that PostgreSQL 17 and later may set for transactions: those of this library have limits of
// their own.
const noTransactionTimeout = "CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL THEN set_config('transaction_timeout', '0', true) END"

// inTx runs a transaction in two round trips: what first queues is sent together with its beginning; what last queues, if
// it is not nil, together with its end.
func (s *Store) inTx(ctx context.Context, first func(*pgx.Batch), last func(*pgx.Batch) error) error {
	if last == nil {
		return s.transact(ctx, s.cfg.BatchTimeout, first)
	}
	return s.transact(ctx, s.cfg.BatchTimeout, first, last)
}

// transact runs a transaction in round trips: what first queues is sent together with its beginning, what the last of then
// queues together with its end. No statement takes longer than limit. Nothing is committed when ctx ends, or a step fails,
// before the last one is sent. From then on the answer is waited for, so that the caller knows whether the transaction was
// committed.
func (s *Store) transact(ctx context.Context, limit time.Duration, first func(*pgx.Batch), then ...func(*pgx.Batch) error) error {
	// A connection that does not answer any more is given up when the server would have canceled the statement long ago.
	send := func(ctx context.Context, conn *pgxpool.Conn, batch *pgx.Batch) error {
		limited, cancel := context.WithTimeout(ctx, limit+settle)
		defer cancel()
		return s.noAnswer(ctx, conn.SendBatch(limited, batch).Close())
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // destroys the connection if it is still in a transaction
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED") // each statement sees what was committed before it
	batch.Queue(s.pool.begin())
	batch.Queue(`SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', $2::text, true),
		set_config('idle_in_transaction_session_timeout', $3::text, true), `+noTransactionTimeout,
		milliseconds(limit), milliseconds(s.cfg.LockTimeout), milliseconds(idleLimit))
	batch.Queue(readWriters).QueryRow(scanReading(s.writers.began))
	first(batch)
	err = send(ctx, conn, batch)
	patience, batch := settle, &pgx.Batch{}
	for i, step := range then {
		if err == nil {
			err = step(batch)
		}
		if i == len(then)-1 {
			patience += limit
		} else if err == nil {
			err = send(ctx, conn, batch)
			batch = &pgx.Batch{}
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	outlived, letGo := wait.Outlive(ctx, abandoned)
	defer letGo()
	end, cancel := context.WithTimeout(outlived, patience)
	defer cancel()
	committed := false
	if err == nil {
		batch.Queue("SET LOCAL search_path TO DEFAULT") // for the application's deferred triggers
		batch.Queue("COMMIT").Exec(func(pgconn.CommandTag) error { committed = true; return nil })
		batch.Queue(readWriters).QueryRow(scanReading(s.writers.ended))
		err = s.noAnswer(ctx, conn.SendBatch(end, batch).Close())
	}
	if committed {
		return nil
	}
	if !conn.Conn().IsClosed() {
		_, _ = conn.Exec(end, "ROLLBACK") // if this fails, the release closes the connection
	}
	return err
}

// acquire takes a connection of the pool, which may have to make one.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := s.pool.pool.Acquire(limited)
	return conn, s.noAnswer(ctx, err)
}

// noAnswer makes an error about a deadline one about the server, unless the caller's own context ended. The pool's other
// connections are probably as dead, and must not each cost as long: it makes new ones.
func (s *Store) noAnswer(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.pool.pool.Reset()
		return fmt.Errorf("%w: the server does not answer", sessioncleanup.ErrUnavailable)
	}
	return err
}

func scanReading(use func(reading)) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var r reading
		err := row.Scan(&r.writers, &r.at)
		if err == nil {
			use(r)
		}
		return err
	}
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}
