package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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

// batch is one batch at work.
type batch struct {
	sessioncleanup.Batch
	action sessioncleanup.Action
	at     *pass
	from   cursor
	keys   []key   // what it is about, unless that is a stretch of the index
	next   *cursor // where the one after it starts; nil at the end
	kind   string  // of its statements: _stretch or _listed
	aim    values  // their parameters
	most   int     // that it may change
	refs   []sessioncleanup.SessionRef
	took   time.Duration // for which it held the lock
}

func (s *Store) batch(ctx context.Context, given sessioncleanup.Batch, action sessioncleanup.Action, first *pass) (sessioncleanup.Outcome, error) {
	var out sessioncleanup.Outcome
	if given.Limit <= 0 {
		return out, invalidf("limit of the batch is %d: want at least 1", given.Limit)
	}
	b := &batch{Batch: given, action: action}
	var err error
	if b.from, b.at, err = startOf(given, first); err != nil {
		return out, err
	}
	if err := s.choose(ctx, b); err != nil {
		return out, err
	}
	if err := s.pace.wait(ctx, s.checkpoint); err != nil {
		return out, s.failed(err)
	}
	err = s.commit(ctx, b)
	if constraint(err) {
		b.refs, err = s.blame(ctx, b, err)
	}
	ids := make([]string, len(b.refs))
	for i, ref := range b.refs {
		ids[i] = ref.ID
	}
	switch {
	case err == nil:
		return sessioncleanup.Outcome{IDs: ids, Next: b.next.String(), Took: b.took}, nil
	case len(ids) > 0 && (constraint(err) || errors.Is(err, errLeft)):
		return out, &sessioncleanup.BatchError{IDs: ids, Next: b.next.String(), Err: err}
	default:
		return out, err
	}
}

// choose says what the batch is about: the stretch behind its cursor, or the next keys of a window that has any left. A
// pass goes the way that suits what it finds first.
func (s *Store) choose(ctx context.Context, b *batch) error {
	for {
		if b.from == (cursor{Pass: b.at.name}) && !s.listOnly {
			err := s.readingSessions(ctx, func(w *work) (err error) {
				b.from.Stretch, err = w.inOrder(ctx, b)
				return err
			})
			if err != nil {
				return err
			}
		}
		if b.from.Stretch {
			return nil
		}
		win, err := s.window(ctx, b.at, b.Cutoffs, b.from)
		if err != nil {
			return err
		}
		if b.keys, b.next = win.take(b.from, b.Limit); len(b.keys) > 0 || b.next == nil {
			return nil
		}
		b.from = *b.next
		if b.from.Pass != b.at.name {
			b.at = b.at.then
		}
	}
}

// errLeft: the database skipped sessions of the batch without an error.
var errLeft = errors.New("a trigger, or a column's ON CONFLICT IGNORE, leaves some of the sessions as they are")

// commit is the transaction of a batch. Of its sessions, those that are not due any more are passed over.
func (s *Store) commit(ctx context.Context, b *batch) error {
	var started time.Time
	err := s.writingSessions(ctx, func(w *work) error {
		started = time.Now()
		err := w.fence(ctx, b.Lease)
		if err == nil && !s.host { // a connection of the host's may be another one each time
			err = s.lookAround(ctx, w)
		}
		if err == nil {
			err = w.aim(ctx, b)
		}
		if err == nil {
			b.refs, err = w.change(ctx, b)
		}
		if err != nil || len(b.refs) == 0 {
			return err
		}
		return w.log(ctx, b.action, b.Cause, b.refs)
	})
	b.took = s.pace.held(started)
	return err
}

// aim says which sessions a batch is about, as the parameters of its statements.
func (w *work) aim(ctx context.Context, b *batch) error {
	b.aim = cutoffs(b.Cutoffs)
	if b.from.Stretch {
		b.kind, b.most = "_stretch", b.Limit
		return w.stretch(ctx, b)
	}
	b.kind, b.most = "_listed", len(b.keys)
	var err error
	b.aim["keys"], err = w.listKeys(b.keys)
	return err
}

// change writes the sessions that are due and gives them. Fewer than there may be leave the question whether the
// others are not due any more, or were skipped.
func (w *work) change(ctx context.Context, b *batch) ([]sessioncleanup.SessionRef, error) {
	var due []sessioncleanup.SessionRef
	var err error
	if w.spreads && b.action == sessioncleanup.ActionDeleted { // what goes with another one is not given back
		if due, err = w.refs(ctx, b, "select"+b.kind); err != nil {
			return nil, err
		}
	}
	changed, err := w.refs(ctx, b, "write"+b.kind)
	if err != nil {
		return nil, err
	}
	if len(changed) < b.most {
		left, err := w.refs(ctx, b, "select"+b.kind)
		if err != nil {
			return nil, err
		}
		if len(left) > 0 {
			return append(changed, left...), errLeft
		}
	}
	if due != nil {
		return due, nil
	}
	return changed, nil
}

// blame finds the sessions of a batch that failed for its rows, and was rolled back: those that are due. Where there are
// none any more, there is nothing to blame.
func (s *Store) blame(ctx context.Context, b *batch, failure error) ([]sessioncleanup.SessionRef, error) {
	var due []sessioncleanup.SessionRef
	err := s.readingSessions(ctx, func(w *work) (err error) {
		due, err = w.refs(ctx, b, "select"+b.kind)
		return err
	})
	switch {
	case err != nil:
		return nil, errors.Join(err, failure)
	case len(due) == 0:
		return nil, nil
	default:
		return due, failure
	}
}

// lookAround has the pace see whether others have written.
func (s *Store) lookAround(ctx context.Context, w *work) error {
	var version int64
	err := w.row(ctx, "PRAGMA data_version", nil, &version)
	s.pace.sees(version)
	return err
}

// stretch finds the end of a stretch of so many sessions, and adds the parameters that say where it lies.
func (w *work) stretch(ctx context.Context, b *batch) error {
	var err error
	b.aim["limit"], b.aim["after_place"] = b.Limit, b.from.Place
	if b.aim["after_id"], err = storedID(b.from.ID); err != nil {
		return err
	}
	var place string
	var id any
	err = w.row(ctx, w.passSQL("end_of_stretch", b.at), b.aim, &place, &id)
	if errors.Is(err, sql.ErrNoRows) {
		b.next = b.at.next()
		b.aim["to_place"], b.aim["to_id"] = "", nil
		if cutoff, ok := b.aim[b.at.cutoff].(string); ok {
			b.aim["to_place"] = cutoff + "~" // behind the cutoff, and before what is not due
		}
		return nil
	}
	if err != nil {
		return err
	}
	b.next = &cursor{Pass: b.at.name, Stretch: true, Place: place, ID: idText(id)}
	b.aim["to_place"], b.aim["to_id"] = place, id
	return nil
}

// inOrder reports whether what is due stands in the index as it lies in the table: whether the sessions that are due the
// longest lie close together.
func (w *work) inOrder(ctx context.Context, b *batch) (bool, error) {
	v := cutoffs(b.Cutoffs)
	v["limit"] = sampleSize
	var list string
	if err := w.row(ctx, w.passSQL("first_keys", b.at), v, &list); err != nil {
		return false, err
	}
	keys, err := w.readKeys(list)
	slices.SortFunc(keys, compareKeys)
	apart := 0
	for i := 1; i < len(keys); i++ {
		if keys[i].number-keys[i-1].number > 64 { // about a page
			apart++
		}
	}
	return apart <= len(keys)/8, err
}

// sampleSize is the number of sessions that tell how those that are due lie in the table.
const sampleSize = 500

// refs gives the sessions that a statement of a batch gives.
func (w *work) refs(ctx context.Context, b *batch, statement string) ([]sessioncleanup.SessionRef, error) {
	var refs []sessioncleanup.SessionRef
	err := w.query(ctx, w.passSQL(statement, b.at), b.aim, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
		refs = append(refs, ref)
		return err
	})
	return refs, err
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
