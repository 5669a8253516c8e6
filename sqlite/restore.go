package sqlite

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// restoration is a restore in progress.
type restoration struct {
	*conn
	catalog *catalog
	now     time.Time
	out     sessioncleanup.Restored
	tables  map[string]*restoredTable
	written []restoredRow

	obstacles archive.Obstacles
	newIDs    archive.NewIDs
	idColumns archive.IDColumns
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
func (s *Store) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
	var out sessioncleanup.Restored
	err := s.writingSessions(ctx, func(c *conn) error {
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		w := &restoration{conn: c, catalog: catalog, now: s.clock(), tables: map[string]*restoredTable{}}
		copies, err := w.insertCopies(ctx, r.Copies)
		if err != nil {
			return err
		}
		if len(w.obstacles.Found) == 0 {
			err = w.do(ctx, copies.Asked(r))
		}
		w.out.Obstacles = w.obstacles.Found
		out = copies.Answer(w.out)
		if err == nil && (r.DryRun || len(out.Obstacles) > 0) {
			err = archive.ErrUndo
		}
		return err
	})
	return archive.Restored(out, err)
}

func (w *restoration) do(ctx context.Context, r sessioncleanup.RestoreRequest) error {
	entries, err := w.entriesOf(ctx, r)
	if err != nil {
		return err
	}
	if _, err := w.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
		return err
	}
	if err := w.assignNewIDs(ctx, entries, r.NewIDs); err != nil {
		return err
	}
	for _, step := range []func(context.Context, sessioncleanup.Archived, sessioncleanup.ArchivedRow) error{w.insert, w.relink} {
		for _, e := range entries {
			if err := w.eachRow(ctx, e, step); err != nil {
				return err
			}
		}
	}
	for _, row := range w.written {
		if err := w.findOrphan(ctx, row); err != nil {
			return err
		}
	}
	w.out.Entries = entries
	if len(w.obstacles.Found) > 0 {
		return nil
	}
	ids, refs := w.newIDs.Refs(entries)
	if err := sqlstore.Forget(ctx, ownConn{w.conn}, ids); err != nil {
		return err
	}
	return w.addEventAt(ctx, w.now, sessioncleanup.ActionRestored, r.Cause, refs)
}

// entriesOf are the entries that are asked for, the oldest first.
func (w *restoration) entriesOf(ctx context.Context, r sessioncleanup.RestoreRequest) ([]sessioncleanup.Archived, error) {
	if len(r.IDs) == 0 {
		return nil, nil
	}
	found, err := sqlstore.Archived(ctx, ownConn{w.conn}, sessioncleanup.ArchiveQuery{IDs: r.IDs, OwnerID: r.OwnerID, Limit: len(r.IDs)}, "")
	if err != nil {
		return nil, err
	}
	return archive.Requested(found, r.IDs)
}

// eachRow takes a step for each row of an entry, until there are enough obstacles.
func (w *restoration) eachRow(ctx context.Context, e sessioncleanup.Archived,
	step func(context.Context, sessioncleanup.Archived, sessioncleanup.ArchivedRow) error,
) error {
	for after := 0; ; {
		rows, err := w.archivedRows(ctx, e.ID, after, archivedPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := step(ctx, e, row); err != nil {
				return err
			}
			after = row.Number
		}
	}
}

// obstruct notes what is in the way.
func (w *restoration) obstruct(kind sessioncleanup.ObstacleKind, e sessioncleanup.Archived, row sessioncleanup.ArchivedRow, text string) {
	w.obstacles.Add(kind, e, row.Table, text)
}
