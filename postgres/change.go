package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// errNothing ends a transaction that turned out to have nothing to do.
var errNothing = errors.New("nothing to do")

// Update changes one session under its lock.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	var after sessioncleanup.Session
	err := s.change(ctx, "update session", t, func(ctx context.Context, l *layout, conn *pgxpool.Conn, before sessioncleanup.Session, now time.Time) error {
		after = before
		used := applyChange(&after, c, now)
		if after == before {
			return errNothing
		}
		batch := &pgx.Batch{}
		batch.Queue(l.statement("change_one"), t.ID, after.Active, after.AutoCleanup, moment(used), moment(after.ExpiresAt))
		queueEvent(batch, l, sessioncleanup.Event{Action: c.Action, Actor: c.Cause.Actor, Reason: c.Cause.Reason, RunID: c.Cause.RunID,
			Sessions: []sessioncleanup.SessionRef{reference(before)}}, nil)
		batch.Queue(l.statement("get"), t.ID).QueryRow(func(row pgx.Row) error {
			var err error
			after, err = scanSession(row)
			return err
		})
		return conn.SendBatch(ctx, batch).Close()
	})
	return after, err
}

// applyChange makes the change to a session in memory. It gives the last activity to write, zero for the one it has.
func applyChange(session *sessioncleanup.Session, c sessioncleanup.Change, now time.Time) (used time.Time) {
	if c.AutoCleanup != nil {
		session.AutoCleanup = *c.AutoCleanup
	}
	if c.ExpiresAt != nil && !c.ExpiresAt.Equal(session.ExpiresAt) {
		session.ExpiresAt = c.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	if c.Active != nil && *c.Active != session.Active {
		session.Active = *c.Active
		if session.Active {
			used = now
			if c.ExpiresAt == nil && !session.ExpiresAt.IsZero() && !session.ExpiresAt.After(now) {
				session.ExpiresAt = time.Time{}
			}
		}
	}
	return used
}

// Delete removes one session under its lock.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	var was sessioncleanup.Session
	err := s.change(ctx, "delete session", t, func(ctx context.Context, l *layout, conn *pgxpool.Conn, before sessioncleanup.Session, _ time.Time) error {
		was = before
		batch := &pgx.Batch{}
		batch.Queue(l.statement("delete_one"), t.ID)
		queueEvent(batch, l, sessioncleanup.Event{Action: sessioncleanup.ActionDeleted, Actor: cause.Actor, Reason: cause.Reason, RunID: cause.RunID,
			Sessions: []sessioncleanup.SessionRef{reference(before)}}, nil)
		return conn.SendBatch(ctx, batch).Close()
	})
	return was, err
}

// change locks one session and hands it to work, with the database's clock. errNothing from work is no error.
func (s *Store) change(ctx context.Context, doing string, t sessioncleanup.Target,
	work func(context.Context, *layout, *pgxpool.Conn, sessioncleanup.Session, time.Time) error,
) error {
	l, err := s.ready(ctx)
	if err != nil {
		return err
	}
	notFound := fmt.Errorf("%s %q: %w", doing, t.ID, sessioncleanup.ErrNotFound)
	if !l.isID(t.ID) || t.OwnerID != "" && !l.isOwner(t.OwnerID) {
		return notFound
	}
	var before sessioncleanup.Session
	var now time.Time
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(l.statement("lock_one"), t.ID, orNull(t.OwnerID)).QueryRow(func(row pgx.Row) error {
			var err error
			before, err = scanSession(row, &now)
			return err
		})
	}, func(ctx context.Context, conn *pgxpool.Conn) error {
		return work(ctx, l, conn, before, now)
	})
	switch {
	case err == nil, errors.Is(err, errNothing):
		return nil
	case errors.Is(err, pgx.ErrNoRows), hasCode(err, codeBadText, codeOutOfRange):
		return notFound
	default:
		return s.failed(doing, err)
	}
}

func reference(s sessioncleanup.Session) sessioncleanup.SessionRef {
	return sessioncleanup.SessionRef{ID: s.ID, OwnerID: s.OwnerID, Name: s.Name}
}
