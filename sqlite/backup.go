package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// NotBackedUp returns entries of the archive that are not marked, the oldest first.
func (s *Store) NotBackedUp(ctx context.Context, after int64, limit int) (all []sessioncleanup.Archived, err error) {
	err = s.reading(ctx, func(c *conn) (err error) {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		condition := statements["archived_not_backed_up"] + " AND " + statements["archived_after"]
		all, err = c.listArchived(ctx, condition, "ASC", params{"after": after, "limit": limit})
		return err
	})
	return all, err
}

// ArchivedContents returns all rows of some entries, in one statement: it sees all rows of an entry or none.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	all := map[int64][]sessioncleanup.ArchivedRow{}
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		return c.query(ctx, statements["archived_contents"], params{"ids": string(list)}, func(rows *sql.Rows) error {
			var id int64
			var r sessioncleanup.ArchivedRow
			var row string
			err := rows.Scan(&id, &r.Number, &r.Table, &r.Unlinked, &row)
			r.Row = json.RawMessage(row)
			all[id] = append(all[id], r)
			return err
		})
	})
	return all, err
}

// MarkBackedUp notes that some entries are in a backup.
func (s *Store) MarkBackedUp(ctx context.Context, ids []int64) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["mark_backed_up"], params{"ids": string(list), "now": formatTime(s.clock())})
		return err
	})
}

// ArchiveForm names the form of rows that archivedvalue.go describes.
func (*Store) ArchiveForm() string { return "sqlite" }

// insertCopies puts copies into the archive, for a restore that removes them again, and returns their IDs by those that they
// have there.
func (w *restoration) insertCopies(ctx context.Context, copies []sessioncleanup.ArchivedCopy) (archive.Copies, error) {
	ids := archive.Copies{}
	if len(copies) == 0 {
		return ids, nil
	}
	var last int64
	if err := w.row(ctx, statements["number_entries"], params{"count": len(copies)}, &last); err != nil {
		return nil, err
	}
	a := &archiving{conn: w.conn}
	reached := append(w.archival.names(), w.archival.sessions.name, tagsTable)
	for i, c := range copies {
		entry := c.Archived
		entry.ID = last - int64(len(copies)-1-i)
		ids[entry.ID] = c.ID
		for _, r := range c.Content {
			if r.Number > 1 && !slices.Contains(reached, r.Table) { // a forged file must not fill others
				w.obstruct(sessioncleanup.ObstacleTable, entry, r, "the table is none that the deletion of a session reaches")
			}
			a.keep(entry.ID, r.Number, r.Table, r.Unlinked, string(r.Row))
		}
		if err := a.flush(ctx); err != nil {
			return nil, err
		}
		if err := w.insertArchived(ctx, entry); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
