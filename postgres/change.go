package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// errNothing ends a transaction that turned out to have nothing to do.
var errNothing = errors.New("nothing to do")

// Update changes one session under its lock.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	return s.change(ctx, "update session", t, func(m *mapping, batch *pgx.Batch, session *sessioncleanup.Session) error {
		before := *session
		after := c.Apply(before, before.AsOf)
		if after.Equal(before) {
			return errNothing
		}
		batch.Queue(m.statement("change_one"), t.ID, after.Active, after.AutoCleanup,
			!after.LastActivity.Equal(before.LastActivity), after.LastActivity,
			!after.ExpiresAt.Equal(before.ExpiresAt), moment(after.ExpiresAt))
		queueEvent(batch, m, eventOf(c.Action, c.Cause, before), nil)
		batch.Queue(m.statement("get"), t.ID).QueryRow(func(row pgx.Row) (err error) {
			*session, err = scanMeasured(row)
			return err
		})
		return nil
	})
}

// Delete removes one session under its lock.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return s.change(ctx, "delete session", t, func(m *mapping, batch *pgx.Batch, session *sessioncleanup.Session) error {
		batch.Queue(m.statement("delete_one"), t.ID)
		queueEvent(batch, m, eventOf(sessioncleanup.ActionDeleted, cause, *session), nil)
		return nil
	})
}

// change locks one session, in a first round trip, and commits what work queues for it, in a second one. It returns the
// session as work leaves it. errNothing from work is no error.
func (s *Store) change(ctx context.Context, doing string, t sessioncleanup.Target,
	work func(*mapping, *pgx.Batch, *sessioncleanup.Session) error,
) (sessioncleanup.Session, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	if m.matchesNothing(sessioncleanup.Filter{ID: t.ID, OwnerID: t.OwnerID}) || t.ID == "" {
		return sessioncleanup.Session{}, fmt.Errorf("%s: %w", doing, sessioncleanup.ErrNotFound)
	}
	var session sessioncleanup.Session
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("get_locked"), t.ID).QueryRow(func(row pgx.Row) (err error) {
			session, err = scanMeasured(row)
			if errors.Is(err, pgx.ErrNoRows) || hasCode(err, codeBadText, codeOutOfRange) { // no value of the column's type
				return sessioncleanup.ErrNotFound
			}
			return err
		})
	}, func(batch *pgx.Batch) error {
		if err := t.Check(session); err != nil {
			return err
		}
		return work(m, batch, &session)
	})
	if err != nil && !errors.Is(err, errNothing) {
		return sessioncleanup.Session{}, s.failed(doing, err)
	}
	return session, nil
}

// scanMeasured reads the session_columns and the clock.
func scanMeasured(row pgx.Row) (sessioncleanup.Session, error) {
	var now time.Time
	session, err := scanSession(row, &now)
	session.AsOf = now.UTC()
	return session, err
}

func eventOf(a sessioncleanup.Action, c sessioncleanup.Cause, s sessioncleanup.Session) sessioncleanup.Event {
	return sessioncleanup.Event{Action: a, Actor: c.Actor, Reason: c.Reason, RunID: c.RunID, Sessions: []sessioncleanup.SessionRef{s.Ref()}}
}
