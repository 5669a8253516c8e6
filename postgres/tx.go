package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settle is how long an unfinished transaction may take to end, whatever became of the caller's context.
const settle = 5 * time.Second

// inTx runs a transaction: what first queues goes to the server together with its beginning, in one round trip; then
// may do more. A nil then does nothing. The context counts until the commit is sent: a commit is waited for, so that
// the caller knows what became of it.
func (s *Store) inTx(ctx context.Context, first func(*pgx.Batch), then func(context.Context, *pgxpool.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // destroys the connection if it is still in a transaction
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', $2::text, true)",
		milliseconds(s.cfg.BatchTimeout), milliseconds(s.cfg.LockTimeout))
	first(batch)
	err = conn.SendBatch(ctx, batch).Close()
	if err == nil && then != nil {
		err = then(ctx, conn)
	}
	if err == nil {
		err = ctx.Err()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if err != nil {
		if !conn.Conn().IsClosed() {
			_, _ = conn.Exec(end, "ROLLBACK") // the release sees to it when this fails
		}
		return err
	}
	_, err = conn.Exec(end, "COMMIT")
	return err
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}
