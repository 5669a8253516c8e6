package mysql

import (
	"context"
	"database/sql"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// NotBackedUp returns entries of the archive that are not marked, the oldest first.
func (s *Store) NotBackedUp(ctx context.Context, after int64, limit int) (all []sessioncleanup.Archived, err error) {
	err = s.reading(ctx, func(c *conn) (err error) {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		condition := statements["archived_not_backed_up"] + " AND " + statements["archived_after"]
		all, err = c.listArchived(ctx, sqlfile.Names{"condition": condition, "direction": "ASC", "locking": ""}, params{"after": after, "limit": limit})
		return err
	})
	return all, err
}

// ArchivedContents returns all rows of some entries, in one statement: it sees all rows of an entry or none.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	err := s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return c.query(ctx, statements["archived_contents"], params{"ids": list(ids)}, func(rows *sql.Rows) error {
			var entry int64
			row, err := scanArchivedRow(rows, &entry)
			row.Number = len(all[entry]) + 1
			all[entry] = append(all[entry], row.ArchivedRow)
			return err
		})
	})
	return all, err
}

// MarkBackedUp notes that some entries are in a backup.
func (s *Store) MarkBackedUp(ctx context.Context, ids []int64) error {
	return s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["mark_backed_up"], params{"ids": list(ids)})
		return err
	})
}

// ArchiveForm names the form of rows that archivedvalue.go describes.
func (*Store) ArchiveForm() string { return "mysql" }

// insertCopies puts copies into the archive, for a restore that removes them again.
func (w *restoration) insertCopies(ctx context.Context, copies []sessioncleanup.ArchivedCopy) (archive.Copies, error) {
	ids := archive.Copies{}
	reached := append(w.catalog.archival(w.schema).names(), w.schema.Table)
	for _, given := range copies {
		entry := given.Archived
		made, err := w.insertArchived(ctx, []sessioncleanup.Archived{entry})
		if err != nil {
			return nil, err
		}
		entry.ID = made[0]
		ids[entry.ID] = given.ID
		for i, r := range given.Content {
			if i > 0 && !slices.Contains(reached, r.Table) { // a forged file must not fill others
				w.obstacles.Add(sessioncleanup.ObstacleTable, entry, r.Table, "the table is none that the deletion of a session reaches")
			}
			_, err := w.execLarge(ctx, statements["insert_archived_row"], params{"entry": entry.ID, "table": r.Table, "unlinked": r.Unlinked, "content": string(r.Row)})
			if err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}
