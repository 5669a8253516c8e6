package sqlite

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// restoration is a restore in progress.
type restoration struct {
	*conn
	sqlstore.Restoration
	catalog  *catalog
	tables   map[string]*restoredTable
	written  []restoredRow
	unlinked []sessioncleanup.Archived // entries that have rows to be linked again
}

// restoredTable is a table of which rows are restored.
type restoredTable struct {
	*table
	orphaned []orphanCheck
}

// orphanCheck finds rows of a table that refer to none.
type orphanCheck struct {
	parent string
	sql    string
}

// restoredRow is a row that was inserted again.
type restoredRow struct {
	entry sessioncleanup.Archived
	row   sessioncleanup.ArchivedRow
	key   params
}

// Restore brings entries of the archive back, in one transaction that checks foreign keys at its end.
func (s *Store) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (out sessioncleanup.Restored, err error) {
	err = s.writingSessions(ctx, func(c *conn) error {
		w := &restoration{conn: c, tables: map[string]*restoredTable{}, Restoration: sqlstore.Restoration{
			Conn: ownConn{c}, Schema: c.schema, Now: s.clock(), Value: storedValue, Obstacle: obstacle,
		}}
		if w.catalog, err = readCatalog(ctx, c); err != nil {
			return err
		}
		return c.preparing(func() error {
			out, err = w.Restore(ctx, r, w.insertCopies, w.putBack)
			return err
		})
	})
	return archive.Restored(out, err)
}

// putBack inserts the rows of entries, and links those that were unlinked.
func (w *restoration) putBack(ctx context.Context, entries []sessioncleanup.Archived, renewed []int64) error {
	if _, err := w.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
		return err
	}
	if err := w.assignNewIDs(ctx, entries, renewed); err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.eachRow(ctx, e, w.insert); err != nil {
			return err
		}
	}
	for _, e := range w.unlinked {
		if err := w.eachRow(ctx, e, w.relink); err != nil {
			return err
		}
	}
	for _, row := range w.written {
		if err := w.findOrphan(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// eachRow takes a step for each row of an entry, until there are enough obstacles.
func (w *restoration) eachRow(ctx context.Context, e sessioncleanup.Archived,
	step func(context.Context, sessioncleanup.Archived, sessioncleanup.ArchivedRow) error,
) error {
	for after := 0; ; {
		rows, err := w.archivedRows(ctx, e.ID, after, archivedPage)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := step(ctx, e, row); err != nil {
				return err
			}
			after = row.Number
		}
		if len(rows) < archivedPage {
			return nil
		}
	}
}
