package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// TouchTx records, in a transaction of the application, that sessions are used. They count as used once the transaction
// commits, and not if it is rolled back. Policy.TouchInterval and Policy.ReactivateOnActivity apply as Migrate stored
// them.
//
// TouchTx never waits. Call it after the transaction's first write, or begin the transaction with BEGIN IMMEDIATE: then
// the transaction already has SQLite's write lock. Without that lock, it fails with ErrUnavailable while another
// connection has it. IDs of sessions that do not exist are ignored. An error means that nothing was recorded. The
// transaction continues as if TouchTx had not been called, so it may be enough to log the error.
func (s *Store) TouchTx(ctx context.Context, tx *sql.Tx, ids ...string) error {
	if len(ids) == 0 {
		return ctx.Err()
	}
	// The lock comes first: a transaction that has read something could not write any more once another connection did.
	c := s.naming.conn(tx, s.clock)
	err := c.atOnce(ctx, func() error { _, err := c.ExecContext(ctx, statements["lock_in"]); return err })
	if isCode(err, sqlite3.SQLITE_BUSY) {
		return fmt.Errorf("touch sessions in a transaction: %w: it has not written yet, and another connection has the write lock: %w", sessioncleanup.ErrUnavailable, err)
	}
	if err == nil {
		err = s.touchIn(ctx, c, ids)
	}
	if err != nil {
		return fmt.Errorf("touch sessions in a transaction: %w", s.failed(err))
	}
	return nil
}

func (s *Store) touchIn(ctx context.Context, c *conn, ids []string) (err error) {
	if c.layout, err = s.currentLayout(ctx, c); err != nil {
		return err
	}
	names := with(c.names, sqlfile.Names{"now": statements["clock"]})
	names["touched_rows"] = filled("touched_in", names)
	names["touched"] = names["touched_rows"]
	return c.savepoint(ctx, func() error {
		_, err := c.exec(ctx, filled("note_use", names), c.listOf(ids))
		return err
	})
}
