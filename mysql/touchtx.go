package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// TouchTx records, in a transaction of the application, that sessions are used. They count as used once the transaction
// commits, and not if it is rolled back. The next run writes that to the sessions and applies
// Policy.ReactivateOnActivity as Migrate stored it. The transaction may use any settings of its connection. It waits
// for no other transaction, and none waits for it. IDs of sessions that do not exist are ignored.
func (s *Store) TouchTx(ctx context.Context, tx *sql.Tx, ids ...string) error {
	var l *layout
	err := s.reading(ctx, func(c *conn) (err error) {
		l, err = s.currentLayout(ctx, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("touch sessions in a transaction: %w", err)
	}
	used := l.adopted.ID.list(ids)
	for part := range slices.Chunk(used, touchesAtOnce) {
		rows := strings.Repeat(", "+statements["note_row"], len(part))[2:]
		if _, err := tx.ExecContext(ctx, s.naming.sql(filled("note_use", map[string]string{"rows": rows})), part...); err != nil {
			return fmt.Errorf("touch sessions in a transaction: %w", s.failed(ctx, err))
		}
	}
	return nil
}
