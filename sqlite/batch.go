package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// pass is one scan of an index for what is due.
type pass struct {
	name  string // in cursors, and of the index and the rule
	place string // what the index is ordered by, before the id
	write string // the statement
	then  *pass
}

var (
	expiredPass = &pass{name: "expired", place: "expires_at_at", write: "deactivate_due"}
	idlePass    = &pass{name: "idle", place: "last_activity_at", write: "deactivate_due", then: expiredPass}
	gonePass    = &pass{name: "gone", place: "last_sign_at", write: "delete_due"}
)

// cursor says where a batch starts.
type cursor struct {
	Pass  string `json:"p"`
	Place string `json:"k,omitempty"`
	ID    string `json:"i,omitempty"`
}

// DeactivateDue deactivates sessions that are due: first those that went unused, in the order of their last activity,
// then those that expired. A batch stays within one of the two.
func (s *Store) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, sessioncleanup.ActionDeactivated, idlePass)
}

// DeleteDue deletes sessions that are due, those first whose last sign of life is oldest. Rows that refer to them go with
// them where their foreign key says ON DELETE CASCADE; where it does not, the session cannot be deleted.
func (s *Store) DeleteDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, sessioncleanup.ActionDeleted, gonePass)
}

func (s *Store) batch(ctx context.Context, b sessioncleanup.Batch, action sessioncleanup.Action, first *pass) (sessioncleanup.Outcome, error) {
	var out sessioncleanup.Outcome
	if b.Limit <= 0 {
		return out, invalidf("limit of the batch is %d: want at least 1", b.Limit)
	}
	from := cursor{Pass: first.name}
	if b.After != "" {
		if err := json.Unmarshal([]byte(b.After), &from); err != nil {
			return out, invalidf("batch starts after %q: want what an earlier batch gave", b.After)
		}
	}
	at := first
	for at != nil && at.name != from.Pass {
		at = at.then
	}
	if at == nil {
		return out, invalidf("batch starts after %q: want what an earlier batch of the same phase gave", b.After)
	}
	if err := s.pace.wait(ctx); err != nil {
		return out, s.failed(err)
	}
	var started time.Time
	err := s.writingSessions(ctx, func(w *work) error {
		started = time.Now()
		if err := w.fence(ctx, b.Lease); err != nil {
			return err
		}
		due, err := w.due(ctx, b, at, from)
		for err == nil && len(due.refs) == 0 && at.then != nil {
			at = at.then
			due, err = w.due(ctx, b, at, cursor{Pass: at.name})
		}
		if err != nil {
			return err
		}
		if out.Next, err = due.next(b.Limit, at); err != nil || len(due.refs) == 0 {
			return err
		}
		for _, ref := range due.refs {
			out.IDs = append(out.IDs, ref.ID)
		}
		if _, err := w.exec(ctx, w.passSQL(at.write, at), due.values); err != nil {
			return err
		}
		return w.log(ctx, action, b.Cause, due.refs)
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

// due are the sessions that a batch has selected.
type due struct {
	refs   []sessioncleanup.SessionRef
	place  string // of the last one
	values values // the parameters that select these sessions and no others
}

// next is where the batch after this one starts; empty when nothing can be left.
func (d due) next(limit int, at *pass) (string, error) {
	next := cursor{Pass: at.name, Place: d.place}
	switch {
	case len(d.refs) == limit:
		next.ID = d.refs[limit-1].ID
	case at.then != nil:
		next = cursor{Pass: at.then.name}
	default:
		return "", nil
	}
	text, err := json.Marshal(next)
	return string(text), err
}

// due selects what a batch is about.
func (w *work) due(ctx context.Context, b sessioncleanup.Batch, at *pass, from cursor) (due, error) {
	d := due{values: cutoffs(b.Cutoffs)}
	d.values["limit"], d.values["after_place"], d.values["after_id"] = b.Limit, from.Place, w.adopted.ID.least()
	if from.ID != "" {
		id, ok := w.adopted.ID.bind(from.ID)
		if !ok {
			return d, invalidf("batch starts after the session %q, which cannot be", from.ID)
		}
		d.values["after_id"] = id
	}
	err := w.query(ctx, w.passSQL("select_due", at), d.values, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		var id any
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &id, &d.place)
		d.refs = append(d.refs, ref)
		d.values["last_place"], d.values["last_id"] = d.place, id
		return err
	})
	return d, err
}

// passSQL is a statement of a pass.
func (l *layout) passSQL(name string, at *pass) string {
	return l.once(name+" "+at.name, func() string {
		return filled(name, with(l.names, sqlfile.Names{
			"index": text["index_"+at.name], "due": l.names["due_"+at.name], "place": l.names[at.place],
		}))
	})
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
