package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// errNothing ends a transaction that turned out to have nothing to do.
var errNothing = errors.New("nothing to do")

// Update changes one session under its lock.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	return s.change(ctx, "update session", t, func(m *mapping, batch *pgx.Batch, session *sessioncleanup.Session) error {
		if err := m.schema.CheckTags(c.Tags); err != nil {
			return err
		}
		before := *session
		after := c.Apply(before, before.AsOf)
		if after.Equal(before) {
			return errNothing
		}
		if !slices.Equal(after.Tags, before.Tags) {
			batch.Queue(m.statement("tags_write"), t.ID, c.Tags.Add, c.Tags.Remove)
		}
		untagged := after
		if untagged.Tags = before.Tags; !untagged.Equal(before) {
			queueWrite(batch, m, before, after)
		}
		queueEvent(batch, m, eventOf(c.Action, c.Cause, before.Ref()), nil)
		batch.Queue(m.statement("get"), t.ID).QueryRow(func(row pgx.Row) (err error) {
			*session, err = scanMeasured(row)
			if errors.Is(err, pgx.ErrNoRows) || err == nil && (session.Active != after.Active || session.AutoCleanup != after.AutoCleanup) {
				return m.suppressed(t.ID, "changed")
			}
			return err
		})
		return nil
	})
}

// queueWrite writes what differs between two versions of a session.
func queueWrite(batch *pgx.Batch, m *mapping, before, after sessioncleanup.Session) {
	batch.Queue(m.statement("write"), after.ID, after.Active, after.AutoCleanup,
		!after.LastActivity.Equal(before.LastActivity), after.LastActivity,
		!after.ExpiresAt.Equal(before.ExpiresAt), moment(after.ExpiresAt),
		!after.DeactivatedAt.Equal(before.DeactivatedAt), moment(after.DeactivatedAt))
}

// Delete removes one session under its lock, and others along with it only if the target allows that.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	var along []sessioncleanup.SessionRef
	return s.change(ctx, "delete session", t, func(m *mapping, batch *pgx.Batch, _ *sessioncleanup.Session) error {
		batch.Queue(m.statement("taken"), t.ID).Query(func(rows pgx.Rows) (err error) {
			along, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sessioncleanup.SessionRef])
			return err
		})
		return nil
	}, func(m *mapping, batch *pgx.Batch, session *sessioncleanup.Session) error {
		ids := []string{t.ID}
		for _, ref := range along {
			ids = append(ids, ref.ID)
		}
		if err := t.CheckAlong(ids[1:]); err != nil {
			return err
		}
		if t.Archive != nil && !m.schema.SoftDelete {
			batch.Queue(m.statement("archive"), ids, cause.Actor, cause.Reason, cause.RunID, t.Archive.MaxRows, t.Archive.MaxBytes)
		}
		batch.Queue(m.statement("delete"), ids).QueryRow(func(row pgx.Row) error {
			var left int
			if err := row.Scan(&left); err != nil || left == 0 {
				return err
			}
			return m.suppressed(t.ID, "deleted")
		})
		queueEvent(batch, m, eventOf(sessioncleanup.ActionDeleted, cause, append([]sessioncleanup.SessionRef{session.Ref()}, along...)...), nil)
		return nil
	})
}

// suppressed is the error of a write that changed nothing.
func (m *mapping) suppressed(id, done string) error {
	return fmt.Errorf("session %s was not %s: a trigger or a rule of the table %s suppresses it; list them with \\d in psql", id, done, m.table.path())
}

// change locks one session, in a first round trip, sends what each work queues for it in one more, and commits. It returns
// the session as work leaves it. errNothing from work is no error.
func (s *Store) change(ctx context.Context, doing string, t sessioncleanup.Target,
	works ...func(*mapping, *pgx.Batch, *sessioncleanup.Session) error,
) (sessioncleanup.Session, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	if m.matchesNothing(sessioncleanup.Filter{ID: t.ID, OwnerID: t.OwnerID}) || t.ID == "" {
		return sessioncleanup.Session{}, fmt.Errorf("%s: %w", doing, sessioncleanup.ErrNotFound)
	}
	var session sessioncleanup.Session
	var steps []func(*pgx.Batch) error
	for i, work := range works {
		steps = append(steps, func(batch *pgx.Batch) error {
			if i == 0 {
				if err := t.Check(session); err != nil {
					return err
				}
			}
			return work(m, batch, &session)
		})
	}
	steps = append(steps, func(*pgx.Batch) error { return nil }) // the commit, once all answers are known
	err = s.transact(ctx, s.cfg.BatchTimeout, func(batch *pgx.Batch) {
		batch.Queue(m.statement("get_locked"), t.ID).QueryRow(func(row pgx.Row) (err error) {
			session, err = scanMeasured(row)
			if errors.Is(err, pgx.ErrNoRows) || hasCode(err, codeBadText, codeOutOfRange) { // no value of the column's type
				return sessioncleanup.ErrNotFound
			}
			return err
		})
	}, steps...)
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

func eventOf(a sessioncleanup.Action, c sessioncleanup.Cause, refs ...sessioncleanup.SessionRef) sessioncleanup.Event {
	return sessioncleanup.Event{Action: a, Actor: c.Actor, Reason: c.Reason, RunID: c.RunID, Sessions: refs}
}
