package memory

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// DeactivateDue deactivates the next sessions that are due: first those that were idle, longest first, then those
// that expired. It takes O(k log n) for k sessions.
func (s *Store) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, step{
		action: sessioncleanup.ActionDeactivated,
		due:    s.all.dueForDeactivation(b.Cutoffs),
		holds:  b.Cutoffs.DueForDeactivation,
		apply: func(e *entry) {
			session := e.session()
			session.Active = false
			s.store(e, session)
		},
	})
}

// DeleteDue deletes the next sessions that are due: first those that were idle, longest first, then those that
// expired. It takes O(k log n) for k sessions. A BatchError reports what Config.BeforeDelete said.
func (s *Store) DeleteDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, b, step{
		action: sessioncleanup.ActionDeleted,
		due:    s.all.dueForDeletion(b.Cutoffs),
		holds:  b.Cutoffs.DueForDeletion,
		hook:   s.beforeDelete,
		apply:  s.drop,
	})
}

// step is what a batch does.
type step struct {
	action sessioncleanup.Action
	due    due
	holds  func(sessioncleanup.Session) bool // whether a session is due
	hook   func(context.Context, sessioncleanup.Session) error
	apply  func(*entry)
}

// batch does one step. With a hook it lets the lock go between choosing sessions and writing them, and looks again
// whether they are due.
func (s *Store) batch(ctx context.Context, b sessioncleanup.Batch, do step) (sessioncleanup.Outcome, error) {
	from, err := parseCursor(b.After)
	if err != nil {
		return sessioncleanup.Outcome{}, err
	}
	if b.Limit <= 0 {
		return sessioncleanup.Outcome{}, invalidf("limit of the batch is %d: want at least 1", b.Limit)
	}
	if err := s.lockFresh(ctx, cutoffKey(b.Cutoffs)); err != nil {
		return sessioncleanup.Outcome{}, err
	}
	if err := s.fence(b.Lease); err != nil {
		s.mu.Unlock()
		return sessioncleanup.Outcome{}, err
	}
	picked, next := do.pick(from, b.Limit)
	if do.hook != nil && len(picked) > 0 {
		chosen := make([]sessioncleanup.Session, len(picked))
		for i, e := range picked {
			chosen[i] = e.session()
		}
		s.mu.Unlock()
		if err := do.prepare(ctx, chosen, next); err != nil {
			return sessioncleanup.Outcome{}, err
		}
		if err := s.lock(ctx); err != nil {
			return sessioncleanup.Outcome{}, err
		}
	}
	defer s.mu.Unlock()
	if err := s.fence(b.Lease); err != nil {
		return sessioncleanup.Outcome{}, err
	}
	return s.commit(b.Cause, do, picked, next), nil
}

// pick gives the next sessions that are due, and the cursor behind them when there are more.
func (do step) pick(from cursor, limit int) (picked []*entry, next string) {
	last := from
	take := func(expired bool, it item[moment]) bool {
		switch {
		case !do.holds(it.entry.session()):
			return true
		case len(picked) == limit:
			next = last.String()
			return false
		}
		picked = append(picked, it.entry)
		last = cursor{expired: expired, key: it.key, id: it.entry.stored.ID}
		return true
	}
	after := from.place()
	if !from.expired {
		for it := range do.due.idled(after) {
			if !take(false, it) {
				return picked, next
			}
		}
		after = nil
	}
	for it := range do.due.expired(after) {
		if !take(true, it) {
			break
		}
	}
	return picked, next
}

// prepare calls the hook for the sessions that a batch has chosen. What it says is the batch's error, unless the
// context ended: that is no session's fault.
func (do step) prepare(ctx context.Context, chosen []sessioncleanup.Session, next string) error {
	for _, session := range chosen {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := do.hook(ctx, session)
		if err == nil {
			continue
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		ids := make([]string, len(chosen))
		for i := range chosen {
			ids[i] = chosen[i].ID
		}
		return &sessioncleanup.BatchError{IDs: ids, Next: next, Err: fmt.Errorf("session %q: %w", session.ID, err)}
	}
	return nil
}

// commit writes what is still due, with its event.
func (s *Store) commit(cause sessioncleanup.Cause, do step, picked []*entry, next string) sessioncleanup.Outcome {
	out := sessioncleanup.Outcome{Next: next}
	var refs []sessioncleanup.SessionRef
	for _, e := range picked {
		if s.sessions.get(e.stored.ID) != e || !do.holds(e.session()) {
			continue
		}
		out.IDs = append(out.IDs, e.stored.ID)
		refs = append(refs, ref(e))
		do.apply(e)
	}
	if len(refs) > 0 {
		s.log.add(sessioncleanup.Event{Action: do.action, Sessions: refs}, cause)
	}
	return out
}

// cursor is a place between two batches: among the idle sessions, or behind them among the expired ones.
type cursor struct {
	expired bool
	key     moment
	id      string // empty before the first session
}

const (
	idleMark    = "idle"
	expiredMark = "expired"
)

// String is the cursor as Outcome.Next has it.
func (c cursor) String() string {
	mark := idleMark
	if c.expired {
		mark = expiredMark
	}
	return mark + ":" + strconv.FormatInt(int64(c.key), 10) + ":" + c.id
}

// place is the cursor in the tree it belongs to; nil before the first session.
func (c cursor) place() *item[moment] {
	if c.id == "" {
		return nil
	}
	place := at(c.key, c.id)
	return &place
}

func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	mark, rest, _ := strings.Cut(text, ":")
	number, id, _ := strings.Cut(rest, ":")
	key, err := strconv.ParseInt(number, 10, 64)
	if mark != idleMark && mark != expiredMark || err != nil || id == "" {
		return cursor{}, invalidf("cursor of the batch is %.100q: want one that an earlier batch gave", text)
	}
	return cursor{expired: mark == expiredMark, key: moment(key), id: id}, nil
}

// ref is what an event keeps of a session.
func ref(e *entry) sessioncleanup.SessionRef {
	return sessioncleanup.SessionRef{ID: e.stored.ID, OwnerID: e.stored.OwnerID, Name: e.stored.Name}
}
