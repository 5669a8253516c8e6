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
	refs   []sessioncleanup.SessionRef
	took   time.Duration
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
	ids := make([]string, len(b.refs))
	for i, ref := range b.refs {
		ids[i] = ref.ID
	}
	switch {
	case err == nil:
		return sessioncleanup.Outcome{IDs: ids, Next: b.next.String(), Took: b.took}, nil
	case len(ids) > 0 && (constraint(err) || errors.Is(err, errLeft)): // in the commit, where a key is deferred
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

// errLeft: a trigger of the host's skipped sessions of the batch.
var errLeft = errors.New("a trigger leaves some of the sessions as they are")

// commit is the transaction of a batch. Of its sessions, those that are not due any more are passed over.
func (s *Store) commit(ctx context.Context, b *batch) error {
	var started time.Time
	b.refs = nil
	err := s.writingSessions(ctx, func(w *work) error {
		started = time.Now()
		err := w.fence(ctx, b.Lease)
		if err == nil && !s.host { // a connection of the host's may be another one each time
			err = s.lookAround(ctx, w)
		}
		if err != nil {
			return err
		}
		v, kind, most := cutoffs(b.Cutoffs), "_listed", len(b.keys)
		if b.from.Stretch {
			kind, most, err = "_stretch", b.Limit, w.stretch(ctx, b, v)
		} else {
			v["keys"], err = w.listKeys(b.keys)
		}
		if err != nil {
			return err
		}
		err = w.refs(ctx, b, "write"+kind, v)
		if changed := len(b.refs); changed < most && (err == nil || constraint(err)) {
			if readErr := w.refs(ctx, b, "select"+kind, v); readErr != nil { // those that are still due
				return errors.Join(readErr, err)
			}
			if err == nil && len(b.refs) > changed {
				err = errLeft
			}
		}
		if err != nil || len(b.refs) == 0 {
			return err
		}
		return w.log(ctx, b.action, b.Cause, b.refs)
	})
	b.took = s.pace.held(started)
	return err
}

// lookAround has the pace see whether others have written.
func (s *Store) lookAround(ctx context.Context, w *work) error {
	var version int64
	err := w.row(ctx, "PRAGMA data_version", nil, &version)
	s.pace.sees(version)
	return err
}

// stretch finds the end of a stretch of so many sessions, and adds the parameters that say where it lies.
func (w *work) stretch(ctx context.Context, b *batch, v values) error {
	v["after_place"], v["after_id"] = b.from.Place, w.adopted.ID.least()
	bind := func(id string) (any, error) {
		value, ok := w.adopted.ID.bind(id)
		if !ok {
			return nil, invalidf("batch is at the session %q, which cannot be", id)
		}
		return value, nil
	}
	var err error
	if b.from.ID != "" {
		if v["after_id"], err = bind(b.from.ID); err != nil {
			return err
		}
	}
	v["limit"] = b.Limit
	var place, id string
	err = w.row(ctx, w.passSQL("end_of_stretch", b.at), v, &place, &id)
	if errors.Is(err, sql.ErrNoRows) {
		b.next = b.at.next()
		v["to_place"], v["to_id"] = "", nil
		if cutoff, ok := v[b.at.cutoff].(string); ok {
			v["to_place"] = cutoff + "~" // behind the cutoff, and before what is not due
		}
		return nil
	}
	if err != nil {
		return err
	}
	b.next = &cursor{Pass: b.at.name, Stretch: true, Place: place, ID: id}
	v["to_place"] = place
	v["to_id"], err = bind(id)
	return err
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

// refs adds to a batch the sessions that a statement gives.
func (w *work) refs(ctx context.Context, b *batch, statement string, v values) error {
	return w.query(ctx, w.passSQL(statement, b.at), v, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name)
		b.refs = append(b.refs, ref)
		return err
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
