package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// pass is one way through what is due: in the order of one index.
type pass struct {
	name  string // of the index and the rule
	place string // the expression that the index is ordered by, before the id
	write string // the statement that changes what is due
}

var passes = map[sessioncleanup.Action][]pass{
	sessioncleanup.ActionDeactivated: {
		{"idle", "last_activity_at", "deactivate_batch"}, {"expired", "expires_at_at", "deactivate_batch"},
	},
	sessioncleanup.ActionDeleted: {{"gone", "kept_since", "delete_batch"}},
}

// Sweep does one batch, in one transaction. It takes first the sessions that have been due the longest: when deactivating,
// those that went unused and then those that expired. Rows that refer to a deleted session go with it where their foreign
// key says ON DELETE CASCADE; where it does not, the session cannot be deleted.
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
	if (constraint(err) || errors.Is(err, errLeftAlone)) && len(w.refs) > 0 {
		return result, &sessioncleanup.BatchError{IDs: w.ids(), Next: w.next, Err: err}
	}
	if err == nil {
		result.IDs, result.Next = w.ids(), w.next
	}
	return result, err
}

// errLeftAlone: the database skipped sessions without an error.
var errLeftAlone = errors.New("a trigger, or a column's ON CONFLICT IGNORE, leaves some of the sessions as they are")

// sweep is one batch in progress.
type sweep struct {
	sessioncleanup.Batch
	from cursor
	left []pass // the batch's, and those after it

	refs []sessioncleanup.SessionRef // the sessions selected, in order
	next string                      // BatchResult.Next
}

// do is the transaction.
func (w *sweep) do(ctx context.Context, c *conn) error {
	if w.Lease.Name != "" {
		stored, err := c.readLease(ctx, w.Lease.Name)
		if err != nil {
			return err
		}
		if !stored.Guards(w.Lease, clock()) {
			return sessioncleanup.ErrLeaseLost
		}
	}
	if _, ok := c.key(w.from); !ok {
		return errNoCursor(w.Batch)
	}
	if err := w.choose(ctx, c); err != nil || len(w.refs) == 0 {
		return err
	}
	if err := w.write(ctx, c); err != nil {
		return err
	}
	return c.addEvent(ctx, w.Action, w.Cause, w.refs)
}

// choose selects the sessions of the batch, from the first pass that has any left.
func (w *sweep) choose(ctx context.Context, c *conn) error {
	for {
		var last cursor
		var err error
		if w.refs, last, err = w.selected(ctx, c); err != nil {
			return err
		}
		w.next = ""
		switch {
		case len(w.refs) == w.Limit:
			w.next = last.String()
		case len(w.left) > 1:
			w.next = cursor{Pass: w.left[1].name}.String()
		}
		if len(w.refs) > 0 || len(w.left) == 1 {
			return nil
		}
		w.left = w.left[1:]
		w.from = cursor{Pass: w.left[0].name}
	}
}

// selected returns the sessions that are due behind the batch's start, and the cursor behind the last of them.
func (w *sweep) selected(ctx context.Context, c *conn) (refs []sessioncleanup.SessionRef, last cursor, err error) {
	statement, p, possible := w.statement(c.layout, "select_batch")
	if !possible {
		return nil, last, nil
	}
	last.Pass = w.left[0].name
	err = c.query(ctx, statement, p, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &last.Place, &last.Key)
		refs = append(refs, ref)
		return err
	})
	return refs, last, err
}

// statement is a statement of the batch, with its parameters. It is false when no session can match the filter.
func (w *sweep) statement(l *layout, name string) (string, params, bool) {
	at := w.left[0]
	p := cutoffParams(w.Cutoffs)
	condition, possible := l.where(w.Filter, "", p)
	p["limit"], p["after_place"] = w.Limit, w.from.Place
	p["after_key"], _ = l.key(w.from)
	names := sqlfile.Names{"index": "sessioncleanup_" + at.name, "place": l.names[at.place], "due": l.names["due_"+at.name], "condition": condition}
	names["batch"] = l.sql("batch", names)
	return l.sql(name, names), p, possible
}

// write changes the sessions selected. Fewer than these are changed when some went with others, by a foreign key within
// the table, or when the database left some as they are; those are due as before.
func (w *sweep) write(ctx context.Context, c *conn) error {
	statement, p, _ := w.statement(c.layout, w.left[0].write)
	n, err := c.exec(ctx, statement, p)
	if err != nil || n == int64(len(w.refs)) {
		return err
	}
	due, _, err := w.selected(ctx, c)
	chosen := map[string]bool{}
	for _, ref := range w.refs {
		chosen[ref.ID] = true
	}
	if err == nil && slices.ContainsFunc(due, func(r sessioncleanup.SessionRef) bool { return chosen[r.ID] }) {
		err = errLeftAlone
	}
	return err
}

func (w *sweep) ids() []string {
	ids := make([]string, len(w.refs))
	for i, ref := range w.refs {
		ids[i] = ref.ID
	}
	return ids
}
