package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// NotBackedUp returns entries of the archive that are not marked, the oldest first.
func (s *Store) NotBackedUp(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
	return collect(ctx, s, "not_backed_up", scanArchived, after, limit)
}

// ArchivedContents returns all rows of some entries, in one statement: it sees all rows of an entry or none. Only the owner of
// the tables may.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	_, err := collect(ctx, s, "archived_contents", func(row pgx.CollectableRow) (struct{}, error) {
		var id int64
		var r sessioncleanup.ArchivedRow
		var data string
		err := row.Scan(&id, &r.Number, &r.Table, &r.Unlinked, &data)
		r.Row = json.RawMessage(data)
		all[id] = append(all[id], r)
		return struct{}{}, err
	}, ids)
	return all, err
}

// MarkBackedUp notes that some entries are in a backup. Only the owner of the tables may.
func (s *Store) MarkBackedUp(ctx context.Context, ids []int64) error {
	m, err := s.ready(ctx)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, m.statement("mark_backed_up"), ids)
	return s.failed("mark entries of the archive", err)
}

// ArchiveForm names the form of rows that migrations/postgres/00001_library.sql describes.
func (*Store) ArchiveForm() string { return "postgres" }

// errUndo rolls a transaction back without being an error.
var errUndo = errors.New("undo")

// copies are put into the archive, for a restore that removes them again. Only the owner of the tables may: it is no function.
type copies struct {
	m       *mapping
	given   []sessioncleanup.ArchivedCopy
	entries []byte  // without the rows of other tables, as JSON
	ids     []int64 // that they have there, in their order
}

// check requires that each copy has the row of its session.
func (c *copies) check() (err error) {
	type entry struct {
		sessioncleanup.Archived
		Table string          `json:"table"`
		Row   json.RawMessage `json:"row"`
	}
	all := make([]entry, len(c.given))
	for i, e := range c.given {
		own := slices.IndexFunc(e.Content, isSession)
		if own < 0 {
			return invalid.Errorf("the copy of session %q has no row with the number 1: want that of the session", e.SessionID)
		}
		all[i] = entry{e.Archived, e.Content[own].Table, e.Content[own].Row}
	}
	if c.entries, err = json.Marshal(all); err != nil {
		return invalid.Errorf("the copies are no JSON: %w", err)
	}
	return nil
}

// insert makes the entries, in their order.
func (c *copies) insert(batch *pgx.Batch) {
	batch.Queue(c.m.statement("insert_archived"), string(c.entries)).Query(func(rows pgx.Rows) (err error) {
		c.ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		slices.Sort(c.ids) // they rise in the order of the entries
		return err
	})
}

// isSession reports whether an archived row is the session itself, which its entry has.
func isSession(r sessioncleanup.ArchivedRow) bool { return r.Number == 1 }

// insertRows makes the rows of all entries.
func (c *copies) insertRows(batch *pgx.Batch) {
	var entries []int64
	var numbers []int
	var tables, rows []string
	var unlinked []bool
	for i, e := range c.given {
		for _, r := range e.Content {
			if !isSession(r) {
				entries, numbers, tables = append(entries, c.ids[i]), append(numbers, r.Number), append(tables, r.Table)
				unlinked, rows = append(unlinked, r.Unlinked), append(rows, string(r.Row))
			}
		}
	}
	batch.Queue(c.m.statement("insert_archived_rows"), entries, numbers, tables, unlinked, rows)
}

// findElsewhere finds rows of tables that the deletion of a session does not reach: a forged file must not fill those.
func (c *copies) findElsewhere(batch *pgx.Batch, obstacles *string) {
	batch.Queue(c.m.statement("copied_elsewhere"), c.ids).QueryRow(func(row pgx.Row) error { return row.Scan(obstacles) })
}

// renewed are the IDs here of the entries and copies of which the sessions get new IDs.
func (c *copies) renewed(r sessioncleanup.RestoreRequest) (ids []int64) {
	for _, id := range r.IDs {
		if slices.Contains(r.NewIDs, id) {
			ids = append(ids, id)
		}
	}
	for i, id := range c.ids {
		if slices.Contains(r.NewIDs, c.given[i].ID) {
			ids = append(ids, id)
		}
	}
	return ids
}
