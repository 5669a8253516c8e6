package sqlite

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// A note changes a session anywhere in the table, so folding one in takes as long as deactivating many sessions that lie
// together. A transaction folds in foldStep notes, then twice as many, and so on: each step takes about as long as those
// before it together, so that the transaction takes about foldFor.
const (
	foldStep = 50
	foldFor  = 20 * time.Millisecond
)

// activityCause is the cause of reactivations by the rows of activity tables.
var activityCause = sessioncleanup.Cause{Actor: "system", Reason: "activity"}

// foldOlder folds in notes of before a run, for foldFor, and returns how many, and whether there are more. Those that were
// written since keep their session by themselves, and are left to the next run: others may write them faster than they can
// be folded in.
func (c *conn) foldOlder(ctx context.Context, run time.Time) (folded int, more bool, err error) {
	p := params{"run": formatTime(run), "clock": formatTime(c.clock())}
	started := time.Now()
	for step := foldStep; ; step *= 2 {
		p["limit"] = step
		var n int
		var last any
		if err := c.row(ctx, c.notes("last_of_notes", "choose_older_notes"), p, &n, &last); err != nil || n == 0 {
			return folded, false, err
		}
		p["last"] = last
		if err := c.fold(ctx, "choose_older_notes_up_to", p); err != nil || n < step {
			return folded + n, false, err
		}
		if folded += n; time.Since(started) >= foldFor/2 {
			return folded, true, nil
		}
	}
}

// foldOf folds in the notes of some sessions.
func (c *conn) foldOf(ctx context.Context, ids []string) error {
	p := c.listOf(ids)
	var any bool
	if err := c.row(ctx, c.notes("has_notes", "choose_notes_of"), p, &any); err != nil || !any {
		return err
	}
	return c.fold(ctx, "choose_notes_of", p)
}

// dropNotesOf forgets the notes of sessions that were deleted.
func (c *conn) dropNotesOf(ctx context.Context, ids []string) error {
	_, err := c.exec(ctx, c.notes("drop_notes", "choose_notes_of"), c.listOf(ids))
	return err
}

// listOf are the parameters of a statement about some sessions.
func (c *conn) listOf(ids []string) params {
	return params{"ids": sqlstore.JSON(c.adopted.ID.list(ids))}
}

// fold writes the notes that a condition chooses to the sessions table. Where a constraint or a trigger of the
// application refuses that, it leaves the notes of the sessions concerned, marked.
func (c *conn) fold(ctx context.Context, chosen string, p params) error {
	err := c.savepoint(ctx, func() error { return c.foldAll(ctx, chosen, p) })
	if !constraint(err) {
		return err
	}
	var sessions []any
	err = c.query(ctx, c.notes("list_notes", chosen), p, sqlstore.Each(&sessions))
	for _, session := range sessions {
		one := params{"one": session}
		if err == nil {
			err = c.savepoint(ctx, func() error { return c.foldAll(ctx, "choose_note", one) })
		}
		if constraint(err) {
			_, err = c.exec(ctx, c.notes("refuse_notes", "choose_note"), one)
		}
	}
	return err
}

func (c *conn) foldAll(ctx context.Context, chosen string, p params) error {
	all := []string{"fold", "drop_notes"}
	if c.adopted.Classed {
		all = []string{"fold", "class_noted", "drop_notes"}
		var more bool
		if err := c.row(ctx, c.notes("has_more", chosen), p, &more); err != nil {
			return err
		}
		if !more { // tags were changed, and nothing else: the statement "fold" is a long one
			all = all[1:]
		}
	}
	var revived []sessioncleanup.SessionRef
	if c.reactivate && all[0] == "fold" {
		var err error
		if revived, err = c.refs(ctx, c.notes("revived", chosen), p); err != nil {
			return err
		}
	}
	for _, name := range all {
		if _, err := c.exec(ctx, c.notes(name, chosen), p); err != nil {
			return err
		}
	}
	if len(revived) == 0 {
		return nil
	}
	return c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionReactivated, activityCause, revived))
}

// notes is a statement about the notes that a condition chooses.
func (c *conn) notes(name, chosen string) string {
	n := with(c.names, sqlfile.Names{"notes_chosen": c.sql(chosen, sqlfile.Names{"older": statements["choose_older_notes"]})})
	switch name {
	case "fold", "revived":
		n["noted"] = filled("noted", n)
	}
	return filled(name, n)
}
