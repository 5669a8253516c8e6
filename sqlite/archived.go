package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// ArchivedRows returns rows of an entry, in the order of their numbers.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) ([]sessioncleanup.ArchivedRow, error) {
	return sqlstore.Answer(ctx, s.readingOwn, func(c *conn) ([]sessioncleanup.ArchivedRow, error) {
		return c.archivedRows(ctx, id, after, limit)
	})
}

func (c *conn) archivedRows(ctx context.Context, id int64, after, limit int) (all []sessioncleanup.ArchivedRow, err error) {
	err = c.query(ctx, statements["archived_rows"], params{"entry": id, "after": after, "limit": limit}, func(rows *sql.Rows) error {
		row, err := scanArchivedRow(rows)
		all = append(all, row)
		return err
	})
	return all, err
}

// scanArchivedRow reads a row of an entry, and what comes before it into before.
func scanArchivedRow(rows *sql.Rows, before ...any) (r sessioncleanup.ArchivedRow, err error) {
	var content string
	err = rows.Scan(append(before, &r.Number, &r.Table, &r.Unlinked, &content)...)
	r.Row = json.RawMessage(content)
	return r, err
}

// ArchivedContents returns all rows of some entries, in one statement: it sees all rows of an entry or none.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	err := s.readingOwn(ctx, func(c *conn) error {
		return c.query(ctx, statements["archived_contents"], params{"ids": sqlstore.JSON(ids)}, func(rows *sql.Rows) error {
			var id int64
			row, err := scanArchivedRow(rows, &id)
			all[id] = append(all[id], row)
			return err
		})
	})
	return all, err
}

// ArchiveForm names the form of rows that archivedvalue.go describes.
func (*Store) ArchiveForm() string { return "sqlite" }
