package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// pass is one way through what is due: in the order of one index.
type pass struct {
	name  string // of the rule
	index string
	place string // the expression that the index is ordered by, before the id; none when they all have the same place
	write string // the statement that changes what is due
	class string // of sessions: see class.go
}

var passes = map[sessioncleanup.Action][]pass{
	sessioncleanup.ActionDated: {{"undated", "gone", "", "date_batch", ""}},
	sessioncleanup.ActionCorrected: {
		{"ahead", "idle", "last_activity_at", "correct_batch", ""}, {"inactive_ahead", "gone", "kept_since", "correct_batch", ""},
	},
	sessioncleanup.ActionDeactivated: {
		{"idle", "idle", "last_activity_at", "deactivate_batch", ""}, {"expired", "expired", "expires_at_at", "deactivate_batch", ""},
	},
	sessioncleanup.ActionDeleted: {{"gone", "gone", "kept_since", "delete_batch", ""}},
	sessioncleanup.ActionNoticed: {{"to_warn", "gone", "kept_since", "insert_notices", ""}},
}

// Sweep does one batch in one transaction, and starts with the sessions that have been due the longest. Deactivation
// takes idle sessions first, then expired ones. A foreign key with ON DELETE CASCADE deletes the rows that refer to a
// session along with it; any other foreign key prevents the deletion.
//
// The first batches of a phase fold in the notes that triggers wrote before the run. A batch that finds many of them
// does nothing else.
func (s *Store) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	var result sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	from, left, err := startOf(b)
	if err != nil {
		return result, err
	}
	var h hold
	w := &sweep{Batch: b, from: from, left: left}
	err = s.writingSessions(ctx, func(c *conn) (err error) {
		if h, err = s.beginHold(ctx, c); err != nil {
			return err
		}
		return w.do(ctx, c)
	})
	result.Held, result.Pause = s.endHold(ctx, h, b)
	if len(w.refs) > 0 && ofSessions(err) {
		return result, &sessioncleanup.BatchError{IDs: sqlstore.IDs(w.refs), Next: w.next, Err: err, Code: kindOfFailure(err)}
	}
	if err == nil {
		result.IDs, result.Next, result.Skipped, result.Rows, result.Bytes = sqlstore.IDs(w.changed), w.next, w.skipped, w.rows, w.freed
	}
	return result, err
}

// errLeftAlone: the database skipped sessions without an error.
var errLeftAlone = errors.New("a trigger, or a column's ON CONFLICT IGNORE, leaves some of the sessions as they are")

// errUnseen: what a trigger deletes is not archived.
var errUnseen = errors.New("a trigger of the application deletes other sessions along with it, which cannot be archived")

// errUnnamed: the archive has one entry for each ID, so a session that it does not find by its ID must not be deleted.
var errUnnamed = errors.New("the ID does not identify exactly one session, so the session cannot be archived")

// ofSessions reports whether some of the sessions of a batch are at fault for an error.
func ofSessions(err error) bool {
	return constraint(err) || errors.Is(err, sessioncleanup.ErrTooLarge) ||
		errors.Is(err, errLeftAlone) || errors.Is(err, errUnseen) || errors.Is(err, errUnnamed)
}

// sweep is one batch in progress.
type sweep struct {
	sessioncleanup.Batch
	from cursor
	left []pass // the batch's, and those after it
	now  time.Time
	find repeated // class by class

	refs    []sessioncleanup.SessionRef // the sessions selected, in order
	keys    []string                    // of their rows
	places  []string                    // in the order of the index
	changed []sessioncleanup.SessionRef // those and others that went along, without those skipped
	skipped []sessioncleanup.Skipped
	next    string // BatchResult.Next
	rows    int    // BatchResult.Rows
	freed   int64  // BatchResult.Bytes
}

// do is the transaction.
func (w *sweep) do(ctx context.Context, c *conn) error {
	defer w.find.close()
	if err := c.guard(ctx, w.Lease); err != nil {
		return err
	}
	if c.unnoticed != nil {
		return c.unnoticed
	}
	if err := c.unfilled(ctx); err != nil {
		return err
	}
	if _, ok := c.key(w.from); !ok {
		return errNoCursor(w.Batch)
	}
	if w.Only != nil {
		if err := c.foldOf(ctx, w.Only); err != nil {
			return err
		}
	} else if w.from.Place == "" {
		if w.Action == sessioncleanup.ActionNoticed {
			if _, err := c.exec(ctx, statements["forget_notices"], params{"before": formatTime(w.Cutoffs.ForgetWarnings())}); err != nil {
				return err
			}
		}
		folded, more, err := c.foldOlder(ctx, w.Cutoffs.Now)
		if err == nil && !more && c.adopted.Classed {
			folded, more, err = w.classify(ctx, c)
		}
		if err != nil || more {
			w.from.Folded += folded
			w.next = w.from.String()
			return err
		}
	}
	if err := w.divide(ctx, c); err != nil || len(w.left) == 0 {
		return err
	}
	w.now = c.clock().Truncate(c.adopted.DeactivatedAt.precision())
	if err := w.choose(ctx, c); err != nil || len(w.refs) == 0 {
		return err
	}
	if err := w.write(ctx, c); err != nil || len(w.changed) == 0 || w.Action == sessioncleanup.ActionDated {
		return err
	}
	return c.insertEvent(ctx, sqlstore.EventOf(w.now, w.Action, w.Cause, w.changed))
}

// guard fails unless a batch still has its lease.
func (c *conn) guard(ctx context.Context, batch sessioncleanup.Lease) error {
	if batch.Name == "" {
		return nil
	}
	stored, err := sqlstore.ReadLease(ctx, ownConn{c}, batch.Name)
	if err == nil && !stored.Guards(batch, c.clock()) {
		err = sessioncleanup.ErrLeaseLost
	}
	return err
}

// choose selects the sessions of the batch, from the first pass that has any left.
func (w *sweep) choose(ctx context.Context, c *conn) error {
	for {
		var last cursor
		var err error
		if w.refs, w.keys, w.places, last, err = w.selected(ctx, c); err != nil {
			return err
		}
		w.next = ""
		switch {
		case w.Only != nil:
		case len(w.refs) == w.Limit:
			w.next = last.String()
		case len(w.left) > 1:
			w.next = cursor{Pass: w.left[1].name, Class: w.left[1].class}.String()
		}
		if len(w.refs) > 0 || len(w.left) == 1 {
			return nil
		}
		w.left = w.left[1:]
		w.from = cursor{Pass: w.left[0].name, Class: w.left[0].class}
	}
}

// selected returns the sessions that are due behind the batch's start, with their keys and places, and the cursor behind the last
// of them.
func (w *sweep) selected(ctx context.Context, c *conn) (refs []sessioncleanup.SessionRef, keys, places []string, last cursor, err error) {
	statement, p, possible := w.search(c.layout)
	if !possible {
		return nil, nil, nil, last, nil
	}
	if w.Only != nil {
		p["only"] = c.listOf(w.Only)["ids"]
	}
	last.Pass, last.Class = w.left[0].name, w.left[0].class
	err = w.find.query(ctx, c, statement, p, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &last.Place, &last.Key)
		refs, keys, places = append(refs, ref), append(keys, last.Key), append(places, last.Place)
		return err
	})
	return refs, keys, places, last, err
}

// change runs the statement that writes the batch and returns the number of rows that it changed.
func (w *sweep) change(ctx context.Context, c *conn) (int64, error) {
	return c.exec(ctx, c.sql(w.left[0].write, nil), params{"keys": sqlstore.JSON(c.layout.keys().list(w.keys)), "now": formatTime(w.now)})
}

// write changes the sessions selected. Deletions take others along, or are left to the next run because of that.
func (w *sweep) write(ctx context.Context, c *conn) error {
	switch w.Action {
	case sessioncleanup.ActionDeleted:
		return w.delete(ctx, c)
	case sessioncleanup.ActionNoticed:
		w.changed = w.refs
		return sqlstore.InsertNotices(ctx, ownConn{c}, w.refs, sqlstore.List(w.places), w.now)
	}
	n, err := w.change(ctx, c)
	if err == nil && n != int64(len(w.refs)) { // the database left some as they are; those are due as before
		var due []sessioncleanup.SessionRef
		due, _, _, _, err = w.selected(ctx, c)
		selected := setOf(w.refs)
		if err == nil && slices.ContainsFunc(due, func(r sessioncleanup.SessionRef) bool { return selected[r.ID] }) {
			err = errLeftAlone
		}
	}
	w.changed = w.refs
	return err
}

// delete deletes the sessions selected: all at once, or one by one when that would delete others that are not due.
func (w *sweep) delete(ctx context.Context, c *conn) error {
	watch, err := c.watchDeletions(ctx)
	if err != nil {
		return err
	}
	if w.Cutoffs.Warns() {
		if err := c.keepNoticeTags(ctx, w.refs); err != nil {
			return err
		}
	}
	kept, err := w.deleteWatched(ctx, c, watch, w.refs, func() (int64, error) { return w.change(ctx, c) })
	if err == nil && kept != "" {
		went := map[string]bool{}
		for _, ref := range w.refs {
			if went[ref.ID] {
				continue // along with another
			}
			id, _ := c.adopted.ID.bind(ref.ID)
			before := len(w.changed)
			kept, err = w.deleteWatched(ctx, c, watch, []sessioncleanup.SessionRef{ref}, func() (int64, error) {
				return c.exec(ctx, c.sql("delete", nil), params{"id": id, "now": formatTime(w.now)})
			})
			if err != nil {
				break
			}
			for _, s := range w.changed[before:] {
				went[s.ID] = true
			}
			if kept != "" {
				w.skipped = append(w.skipped, sessioncleanup.Skipped{SessionID: ref.ID, Action: w.Action, Reason: fmt.Sprintf(
					"deleting it would also delete session %q, which is not due for deletion", kept)})
			}
		}
	}
	if err == nil {
		err = c.dropNotesOf(ctx, sqlstore.IDs(w.changed))
	}
	if err == nil && w.Cutoffs.Warns() {
		err = c.tellDeleted(ctx, w.changed, w.now)
	}
	if err == nil { // else the rollback does that
		err = watch.end(ctx)
	}
	return err
}

// deleteWatched deletes some sessions, unless that would delete others that are not due: it returns the first of those,
// and nothing is deleted.
func (w *sweep) deleteWatched(ctx context.Context, c *conn, watch *watch, refs []sessioncleanup.SessionRef, remove func() (int64, error)) (kept string, err error) {
	if watch.off {
		if _, err := w.archive(ctx, c, refs); err != nil {
			return "", err
		}
		n, err := w.counted(ctx, c, remove)
		if err == nil && n != int64(len(refs)) {
			err = errLeftAlone
		}
		w.changed = refs
		return "", err
	}
	rows, freed := w.rows, w.freed
	err = c.savepoint(ctx, func() error {
		archived, err := w.archive(ctx, c, refs)
		if err != nil {
			return err
		}
		if _, err := w.counted(ctx, c, remove); err != nil {
			return err
		}
		gone, err := watch.take(ctx, len(refs), w.Batch)
		if err != nil {
			return err
		}
		w.rows -= len(gone) // the rows that the watch noted
		selected := setOf(refs)
		changed := slices.Clone(refs)
		for _, s := range gone {
			switch {
			case selected[s.ID]:
				delete(selected, s.ID)
			case s.due && w.May(s.ID):
				if w.Archive != nil && !archived[s.ID] {
					return errUnseen
				}
				changed = append(changed, s.SessionRef)
			default:
				kept = s.ID
				return errUndo
			}
		}
		if len(selected) > 0 {
			return errLeftAlone
		}
		w.changed = append(w.changed, changed...)
		return nil
	})
	if kept != "" {
		w.rows, w.freed = rows, freed
	}
	return kept, err
}

// counted deletes, and counts the rows that this changes, those of other tables as well, and the pages that become free.
func (w *sweep) counted(ctx context.Context, c *conn, remove func() (int64, error)) (int64, error) {
	if c.schema.SoftDelete { // the rows stay
		return remove()
	}
	var rows, rowsAfter int
	var free, freeAfter int64
	if err := c.row(ctx, statements["space"], nil, &rows, &free); err != nil {
		return 0, err
	}
	n, err := remove()
	if err == nil {
		err = c.row(ctx, statements["space"], nil, &rowsAfter, &freeAfter)
	}
	w.rows += rowsAfter - rows
	if w.Archive == nil {
		w.freed += max(0, freeAfter-free)
	}
	return n, err
}

// archive archives some sessions if the batch is to.
func (w *sweep) archive(ctx context.Context, c *conn, refs []sessioncleanup.SessionRef) (archived map[string]bool, err error) {
	if w.Archive == nil || c.schema.SoftDelete {
		return nil, nil
	}
	return c.archive(ctx, *w.Archive, w.Cause, w.now, sqlstore.IDs(refs))
}

func setOf(refs []sessioncleanup.SessionRef) map[string]bool {
	set := make(map[string]bool, len(refs))
	for _, ref := range refs {
		set[ref.ID] = true
	}
	return set
}
