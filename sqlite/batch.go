package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// DeactivateDue deactivates sessions that are due: first those that went unused, those unused the longest before others
// by and large, then those that expired. A batch stays within one of the two.
func (s *Store) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, sessioncleanup.ActionDeactivated, idlePass)
}

// DeleteDue deletes sessions that are due, those whose last sign of life is oldest before others by and large. Rows that
// refer to them go with them where their foreign key says ON DELETE CASCADE; where it does not, the session cannot be
// deleted.
func (s *Store) DeleteDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, sessioncleanup.ActionDeleted, gonePass)
}

// batch changes the next of what is due. What to change is read before the transaction, and looked at again in it, by
// the statement that writes.
func (s *Store) batch(ctx context.Context, b sessioncleanup.Batch, action sessioncleanup.Action, first *pass) (sessioncleanup.Outcome, error) {
	var out sessioncleanup.Outcome
	if b.Limit <= 0 {
		return out, invalidf("limit of the batch is %d: want at least 1", b.Limit)
	}
	from, err := startOf(b, first)
	if err != nil {
		return out, err
	}
	var at *pass
	var keys []key
	next := &from
	for len(keys) == 0 && next != nil {
		from = *next
		at = first
		for at.name != from.Pass {
			at = at.then
		}
		win, err := s.window(ctx, at, b.Cutoffs, from)
		if err != nil {
			return out, err
		}
		keys, next = win.take(from, b.Limit)
	}
	if next != nil {
		text, err := json.Marshal(next)
		if err != nil {
			return out, err
		}
		out.Next = string(text)
	}
	if err := s.pace.wait(ctx, s.checkpoint); err != nil {
		return sessioncleanup.Outcome{}, s.failed(err)
	}
	var started time.Time
	err = s.writingSessions(ctx, func(w *work) error {
		started = time.Now()
		if err := w.fence(ctx, b.Lease); err != nil || len(keys) == 0 {
			return err
		}
		refs, due, err := w.stillDue(ctx, b, at, keys)
		if err != nil || len(refs) == 0 {
			return err
		}
		for _, ref := range refs {
			out.IDs = append(out.IDs, ref.ID)
		}
		list, err := w.listKeys(due)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, w.passSQL(at.write, at), values{"keys": list})
		if err == nil && n != int64(len(refs)) {
			err = fmt.Errorf("%d of %d sessions were changed: a trigger of the host's interferes", n, len(refs))
		}
		if err != nil {
			return err
		}
		return w.log(ctx, action, b.Cause, refs)
	})
	s.pace.held(started)
	if err == nil {
		return out, nil
	}
	if constraint(err) && len(out.IDs) > 0 { // of the statement, or of the commit where a key is deferred
		return sessioncleanup.Outcome{}, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: err}
	}
	return sessioncleanup.Outcome{}, err
}

// startOf reads where a batch starts.
func startOf(b sessioncleanup.Batch, first *pass) (cursor, error) {
	from := cursor{Pass: first.name}
	if b.After == "" {
		return from, nil
	}
	from = cursor{}
	err := json.Unmarshal([]byte(b.After), &from)
	for at := first; at != nil && err == nil; at = at.then {
		if at.name == from.Pass {
			return from, nil
		}
	}
	return from, invalidf("batch starts after %q: want what an earlier batch of the same phase gave", b.After)
}

// stillDue gives those of the keys whose sessions are due now.
func (w *work) stillDue(ctx context.Context, b sessioncleanup.Batch, at *pass, keys []key) ([]sessioncleanup.SessionRef, []key, error) {
	list, err := w.listKeys(keys)
	if err != nil {
		return nil, nil, err
	}
	v := cutoffs(b.Cutoffs)
	v["keys"] = list
	refs, due := make([]sessioncleanup.SessionRef, 0, len(keys)), make([]key, 0, len(keys))
	err = w.query(ctx, w.passSQL("select_due", at), v, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		var text string
		if err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &text); err != nil {
			return err
		}
		k, err := w.keyOf(text)
		refs, due = append(refs, ref), append(due, k)
		return err
	})
	return refs, due, err
}

// fence fails unless a lease is still its holder's. A lease without a name always is.
func (w *work) fence(ctx context.Context, l sessioncleanup.Lease) error {
	if l.Name == "" {
		return nil
	}
	var held bool
	if err := w.row(ctx, text["check_lease"], values{"name": l.Name, "holder": l.Holder, "epoch": l.Epoch}, &held); err != nil {
		return err
	}
	if !held {
		return sessioncleanup.ErrLeaseLost
	}
	return nil
}

// log writes the event of a change to sessions.
func (w *work) log(ctx context.Context, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	_, err := w.addEvent(ctx, sessioncleanup.Event{
		Action: action, Sessions: refs, Actor: cause.Actor, Reason: cause.Reason, RunID: cause.RunID,
	})
	return err
}
