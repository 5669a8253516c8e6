package mysql

import (
	"context"
	"database/sql"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// notesAtOnce is how many notes are folded in in one transaction.
const notesAtOnce = 1000

// foldOlder folds in some notes of the triggers of before the run, with the lease of the batch: it writes what they say
// to the sessions and forgets them. It returns how many it found, and whether there are more. Notes whose transactions
// are open, and those of sessions that are locked, are left; notes of no session are forgotten.
func (s *Store) foldOlder(ctx context.Context, b sessioncleanup.Batch) (folded int, more bool, err error) {
	err = s.writingSessions(ctx, func(c *conn) error {
		if err := c.guard(ctx, b.Lease); err != nil {
			return err
		}
		notes, order, err := c.notesBySession(ctx, "find_notes", params{"now": b.Cutoffs.Now, "limit": notesAtOnce})
		if err != nil || len(order) == 0 {
			return err
		}
		for _, of := range notes {
			folded += len(of)
		}
		ids := c.adopted.ID.list(order)
		existing, err := c.some(ctx, ids, false)
		if err != nil {
			return err
		}
		free, err := c.lock(ctx, ids, false)
		if err != nil {
			return err
		}
		rows, err := c.some(ctx, free, false)
		if err != nil {
			return err
		}
		if err := c.fold(ctx, rows); err != nil {
			return err
		}
		done := map[string]bool{}
		for _, r := range rows {
			done[r.table.ID] = true
		}
		var forget []any
		for _, id := range order {
			there := slices.ContainsFunc(existing, func(r row) bool { return r.table.ID == id })
			if done[id] || !there {
				forget = append(forget, notes[id]...)
			}
		}
		more = folded == notesAtOnce && len(forget) > 0
		if len(forget) == 0 {
			return nil
		}
		_, err = c.exec(ctx, statements["forget_notes"], params{"notes": forget})
		return err
	})
	return folded, more, err
}

// notesBySession reads notes, each with the id of a session, and returns them by session, and the sessions in the order of the notes.
func (c *conn) notesBySession(ctx context.Context, statement string, p params) (notes map[string][]any, order []string, err error) {
	notes = map[string][]any{}
	err = c.query(ctx, c.sql(statement, nil), p, func(rows *sql.Rows) error {
		var note uint64
		var session string
		err := rows.Scan(&note, &session)
		if notes[session] == nil {
			order = append(order, session)
		}
		notes[session] = append(notes[session], note)
		return err
	})
	return notes, order, err
}

// forgetNotesOf forgets the notes of sessions that are deleted, but for those whose transactions are open.
func (c *conn) forgetNotesOf(ctx context.Context, ids []any) error {
	var notes []uint64
	err := c.query(ctx, statements["find_notes_of"], params{"ids": ids}, sqlstore.Each(&notes))
	if err == nil && len(notes) > 0 {
		_, err = c.exec(ctx, statements["forget_notes"], params{"notes": sqlstore.List(notes)})
	}
	return err
}
