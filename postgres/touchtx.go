package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// TouchTx records, in a transaction of the application, that sessions are used. They count as used once the transaction
// commits, and not if it is rolled back. Policy.TouchInterval and Policy.ReactivateOnActivity apply as Migrate stored
// them.
//
// TouchTx waits neither for a lock nor for a connection of the pool. It records the touch at once and writes it at the
// commit; when another transaction has the session locked then, the next run writes it. IDs of sessions that do not
// exist are ignored. An error means that nothing was recorded, for example because the role lacks a privilege or the
// library is not installed. The transaction continues as if TouchTx had not been called, so it may be enough to log the
// error. It costs one round trip.
func (s *Store) TouchTx(ctx context.Context, tx pgx.Tx, ids ...string) error {
	return s.touchIn(ctx, ids, func(touch, ids string) error {
		const failed = 'E' // as the protocol has it
		conn := tx.Conn().PgConn()
		if conn.TxStatus() == failed {
			return errors.New("the transaction has failed before")
		}
		// The simple protocol sends them together, and prepares none of them before the savepoint is there.
		statements := strings.Join([]string{savepoint, touch, releaseSavepoint}, "; ")
		_, err := tx.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol, ids)
		if err != nil && conn.TxStatus() == failed {
			_, undoErr := tx.Exec(ctx, undoSavepoint)
			err = errors.Join(err, undoErr)
		}
		return err
	})
}

// TouchSQLTx is TouchTx for database/sql, with any driver for PostgreSQL. It costs three round trips.
func (s *Store) TouchSQLTx(ctx context.Context, tx *sql.Tx, ids ...string) error {
	return s.touchIn(ctx, ids, func(touch, ids string) error {
		if _, err := tx.ExecContext(ctx, savepoint); err != nil {
			return err
		}
		last := releaseSavepoint
		_, err := tx.ExecContext(ctx, touch, ids)
		if err != nil {
			last = undoSavepoint
		}
		_, endErr := tx.ExecContext(ctx, last)
		return errors.Join(err, endErr)
	})
}

const (
	savepoint        = "SAVEPOINT sessioncleanup_touch"
	releaseSavepoint = "RELEASE SAVEPOINT sessioncleanup_touch"
	undoSavepoint    = "ROLLBACK TO SAVEPOINT sessioncleanup_touch; " + releaseSavepoint
)

// touchIn has exec run the statement of a touch in a transaction of the application's, with the ids as JSON.
func (s *Store) touchIn(ctx context.Context, ids []string, exec func(touch, ids string) error) error {
	m, err := s.within.ready(ctx, s)
	if err != nil {
		return fmt.Errorf("touch sessions in a transaction: %w", err)
	}
	if ids, _ = m.used(sessioncleanup.Touch{IDs: ids}); len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err == nil {
		err = mapError("touch sessions in a transaction", exec(strings.TrimSuffix(strings.TrimSpace(m.statement("touch_in")), ";"), string(list)))
	}
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		s.within.forget()
	}
	return err
}

// within is the mapping for transactions of the application's. They may hold all connections of the pool, and those that wait
// for one may hold Store.mu: so it is read over a connection of its own, once, and kept until it no longer fits.
type within struct {
	mu      sync.Mutex
	mapping *mapping
}

func (w *within) ready(ctx context.Context, s *Store) (*mapping, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mapping != nil {
		return w.mapping, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config := s.pool.pool.Config()
	config.MaxConns, config.MinConns, config.MinIdleConns = 1, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, mapError("connect", err)
	}
	defer pool.Close()
	w.mapping, err = (&Store{pool: guardPool(pool), cfg: s.cfg}).ready(ctx)
	return w.mapping, err
}

func (w *within) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mapping = nil
}
