package sqlite

import (
	"context"
	"database/sql"
	"errors"
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

// batch is one batch at work.
type batch struct {
	sessioncleanup.Batch
	action sessioncleanup.Action
	at     *pass
	from   cursor
	next   *cursor // where the one after it starts; nil at the end
	keys   []key   // what it is about, unless that is a stretch of the index
	refs   []sessioncleanup.SessionRef
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
	err = s.commit(ctx, b, "select_listed")
	if errors.Is(err, errNotAllDue) { // of a list some may not be due any more: a look at each tells which
		err = s.commit(ctx, b, "select_listed_due")
	}
	ids := make([]string, len(b.refs))
	for i, ref := range b.refs {
		ids[i] = ref.ID
	}
	switch {
	case err == nil:
		return sessioncleanup.Outcome{IDs: ids, Next: b.next.String()}, nil
	case len(ids) > 0 && (constraint(err) || errors.Is(err, errNotAllDue)): // in the commit, where a key is deferred
		return out, &sessioncleanup.BatchError{IDs: ids, Next: b.next.String(), Err: err}
	default:
		return out, err
	}
}

// choose says what the batch is about: the stretch behind its cursor, or the next keys of a window. A pass goes the
// way that suits its first window.
func (s *Store) choose(ctx context.Context, b *batch) error {
	for !b.from.Stretch {
		win, err := s.window(ctx, b.at, b.Cutoffs, b.from)
		if err != nil {
			return err
		}
		if b.from == (cursor{Pass: b.at.name}) && len(win.keys) > 0 && !win.scattered && !s.listOnly {
			b.from = cursor{Pass: b.at.name, Stretch: true}
			return nil
		}
		if b.keys, b.next = win.take(b.from, b.Limit); len(b.keys) > 0 || b.next == nil {
			return nil
		}
		b.from = *b.next
		if b.from.Pass != b.at.name {
			b.at = b.at.then
		}
	}
	return nil
}

// errNotAllDue: fewer sessions were changed than were selected.
var errNotAllDue = errors.New("a trigger leaves some of the sessions as they are")

// commit is the transaction of a batch.
func (s *Store) commit(ctx context.Context, b *batch, selection string) error {
	var started time.Time
	b.refs = nil
	err := s.writingSessions(ctx, func(w *work) error {
		started = time.Now()
		if err := w.fence(ctx, b.Lease); err != nil {
			return err
		}
		kind, choose := "_listed", w.selectListed
		if b.from.Stretch {
			kind, choose = "_stretch", w.selectStretch
		}
		v, err := choose(ctx, b, selection)
		if err != nil || len(b.refs) == 0 {
			return err
		}
		n, err := w.exec(ctx, w.passSQL(b.at.write+kind, b.at), v)
		if err != nil {
			return err
		}
		if n != int64(len(b.refs)) {
			return fmt.Errorf("%w: %d of %d were changed", errNotAllDue, n, len(b.refs))
		}
		return w.log(ctx, b.action, b.Cause, b.refs)
	})
	s.pace.held(started)
	return err
}

// selectListed selects the sessions with the batch's keys, and gives the parameters of the statement that writes.
func (w *work) selectListed(ctx context.Context, b *batch, selection string) (values, error) {
	v := cutoffs(b.Cutoffs)
	var err error
	if v["keys"], err = w.listKeys(b.keys); err != nil {
		return nil, err
	}
	keys, err := w.selected(ctx, b, selection, v)
	if err == nil && len(keys) < len(b.keys) {
		v["keys"], err = w.listKeys(keys)
	}
	return v, err
}

// selectStretch selects the next sessions in the index, and gives the parameters of the statement that writes.
func (w *work) selectStretch(ctx context.Context, b *batch, _ string) (values, error) {
	v := cutoffs(b.Cutoffs)
	v["limit"], v["after_place"], v["after_id"] = b.Limit, b.from.Place, w.adopted.ID.least()
	if b.from.ID != "" {
		id, ok := w.adopted.ID.bind(b.from.ID)
		if !ok {
			return nil, invalidf("batch starts after the session %q, which cannot be", b.from.ID)
		}
		v["after_id"] = id
	}
	var place string
	keys, err := w.selected(ctx, b, "select_stretch", v, &place)
	if err != nil {
		return nil, err
	}
	b.next = b.at.next()
	if n := len(b.refs); n == b.Limit {
		b.next = &cursor{Pass: b.at.name, Stretch: true, Place: place, ID: b.refs[n-1].ID}
	}
	v["keys"], err = w.listKeys(keys)
	return v, err
}

// selected reads what a statement selects, into the batch and, for what stands behind that, into more.
func (w *work) selected(ctx context.Context, b *batch, statement string, v values, more ...any) ([]key, error) {
	var keys []key
	err := w.query(ctx, w.passSQL(statement, b.at), v, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		var text string
		if err := rows.Scan(append([]any{&ref.ID, &ref.OwnerID, &ref.Name, &text}, more...)...); err != nil {
			return err
		}
		k, err := w.keyOf(text)
		b.refs, keys = append(b.refs, ref), append(keys, k)
		return err
	})
	return keys, err
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
