package mysql

import (
	"context"
	"database/sql"
	"maps"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// restoration is a restore in progress.
type restoration struct {
	*conn
	sqlstore.Restoration
	catalog   *catalog
	waiting   map[int64]error // rows that refer to rows that are not there yet, by their keys in the archive
	unchecked bool            // rows are inserted whatever they refer to
}

// Restore brings entries of the archive back, in one transaction.
func (s *Store) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (out sessioncleanup.Restored, err error) {
	err = s.writingSessions(ctx, func(c *conn) error {
		w := &restoration{conn: c, waiting: map[int64]error{}, Restoration: sqlstore.Restoration{
			Conn: ownConn{c}, Schema: c.schema, Value: storedValue, Obstacle: obstacle,
		}}
		now, err := c.now(ctx)
		if err != nil {
			return err
		}
		w.Now = c.cut(now)
		if w.catalog, err = readCatalog(ctx, c); err != nil {
			return err
		}
		return c.leniently(ctx, func() error {
			out, err = w.Restore(ctx, r, w.insertCopies, w.putBack)
			return err
		})
	})
	return archive.Restored(out, err)
}

// leniently calls do with settings of the connection under which it takes every value that a table may have had, and
// makes them as they were. When that fails, the connection must not return to the pool.
func (c *conn) leniently(ctx context.Context, do func() error) error {
	defer func() {
		for _, name := range []string{"set_session", "with_keys"} {
			if _, err := c.ExecContext(context.WithoutCancel(ctx), statements[name]); err != nil {
				c.discard()
				return
			}
		}
	}()
	if _, err := c.ExecContext(ctx, statements["accept_invalid_dates"]); err != nil {
		return err
	}
	return do()
}

// putBack inserts the rows of entries, and links those that were unlinked.
func (w *restoration) putBack(ctx context.Context, entries []sessioncleanup.Archived, renewed []int64) error {
	if err := w.assignNewIDs(ctx, entries, renewed); err != nil {
		return err
	}
	if err := w.insertAll(ctx, entries); err != nil {
		return err
	}
	return w.eachRow(ctx, entries, w.relink)
}

// rounds is how often rows are tried that refer to rows that are not there yet.
const rounds = 10

// insertAll inserts the rows that were deleted. The server checks at once what a row refers to, so rows that refer to
// others that are restored after them are tried again. What is left after that refers to rows in a circle, or to
// nothing: it is inserted unchecked, and checked here.
func (w *restoration) insertAll(ctx context.Context, entries []sessioncleanup.Archived) error {
	if err := w.eachRow(ctx, entries, w.insert); err != nil {
		return err
	}
	again := func(ctx context.Context, e sessioncleanup.Archived, row archivedRow) error {
		if w.waiting[row.id] == nil {
			return nil
		}
		return w.insert(ctx, e, row)
	}
	for round, before := 1, 0; round < rounds && len(w.waiting) > 0 && len(w.waiting) != before; round++ {
		before = len(w.waiting)
		if err := w.eachRow(ctx, entries, again); err != nil {
			return err
		}
	}
	if len(w.waiting) == 0 {
		return nil
	}
	if _, err := w.ExecContext(ctx, statements["without_keys"]); err != nil {
		return err
	}
	w.unchecked = true
	left := maps.Clone(w.waiting)
	if err := w.eachRow(ctx, entries, again); err != nil {
		return err
	}
	if _, err := w.ExecContext(ctx, statements["with_keys"]); err != nil {
		return err
	}
	w.waiting = left
	return w.eachRow(ctx, entries, w.findOrphan)
}

// restoredPage is how many rows are read at once.
const restoredPage = 500

// eachRow takes a step for each row of entries, in their order.
func (w *restoration) eachRow(ctx context.Context, entries []sessioncleanup.Archived,
	step func(context.Context, sessioncleanup.Archived, archivedRow) error,
) error {
	for _, e := range entries {
		for number, behind := 0, int64(0); ; {
			page, err := w.rowsBehind(ctx, e.ID, behind)
			if err != nil {
				return err
			}
			for _, row := range page {
				number++
				row.Number, behind = number, row.id
				if err := step(ctx, e, row); err != nil {
					return err
				}
			}
			if len(page) < restoredPage {
				break
			}
		}
	}
	return nil
}

// rowsBehind reads rows of an entry, without their numbers.
func (w *restoration) rowsBehind(ctx context.Context, entry, behind int64) (page []archivedRow, err error) {
	err = w.query(ctx, statements["archived_rows_behind"], params{"entry": entry, "behind": behind, "limit": restoredPage}, func(rows *sql.Rows) error {
		row, err := scanArchivedRow(rows)
		page = append(page, row)
		return err
	})
	return page, err
}
