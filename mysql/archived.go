package mysql

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// archivedRow is a row of an entry with its key in the archive.
type archivedRow struct {
	sessioncleanup.ArchivedRow
	id int64
}

func scanArchivedRow(rows *sql.Rows, more ...any) (r archivedRow, err error) {
	var content string
	err = rows.Scan(append([]any{&r.id, &r.Table, &r.Unlinked, &content}, more...)...)
	r.Row = json.RawMessage(content)
	return r, err
}

// ArchivedRows returns rows of an entry, in the order of their numbers: their places among its rows.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) (all []sessioncleanup.ArchivedRow, err error) {
	err = s.readingOwn(ctx, func(c *conn) error {
		return c.query(ctx, statements["archived_rows"], params{"entry": id, "after": after, "limit": limit}, func(rows *sql.Rows) error {
			row, err := scanArchivedRow(rows)
			row.Number = after + len(all) + 1
			all = append(all, row.ArchivedRow)
			return err
		})
	})
	return all, err
}

// ArchivedContents returns all rows of some entries, in one statement: it sees all rows of an entry or none.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	err := s.readingOwn(ctx, func(c *conn) error {
		return c.query(ctx, statements["archived_contents"], params{"ids": sqlstore.List(ids)}, func(rows *sql.Rows) error {
			var entry int64
			row, err := scanArchivedRow(rows, &entry)
			row.Number = len(all[entry]) + 1
			all[entry] = append(all[entry], row.ArchivedRow)
			return err
		})
	})
	return all, err
}

// ArchiveForm names the form of rows that archivedvalue.go describes.
func (*Store) ArchiveForm() string { return "mysql" }

// size is what limits of Archiving are about.
type size struct {
	Rows  int
	Bytes int64
	// TooLong says that the server could not send one of the rows.
	TooLong bool
}

// sizes are those of entries.
func (c *conn) sizes(ctx context.Context, entries params) (map[int64]size, error) {
	all := map[int64]size{}
	err := c.query(ctx, statements["archived_sizes"], entries, func(rows *sql.Rows) error {
		var entry int64
		var of size
		err := rows.Scan(&entry, &of.Rows, &of.Bytes, &of.TooLong)
		all[entry] = of
		return err
	})
	return all, err
}
