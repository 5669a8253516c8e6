package sqlite

import (
	"context"
	"database/sql"

	"github.com/sessioncleanup/sessioncleanup"
)

// Update applies a change to one session, as sessioncleanup.Change.Apply does. The application's updated_at stays as it is.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, change sessioncleanup.Change) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		after := change.Apply(before, before.AsOf)
		if after.Equal(before) {
			return before, nil
		}
		p := params{
			"id": id, "active": change.Active, "auto_cleanup": change.AutoCleanup, "last_activity": nil,
			"set_expires_at": !after.ExpiresAt.Equal(before.ExpiresAt), "expires_at": formatTime(after.ExpiresAt),
		}
		if !after.LastActivity.Equal(before.LastActivity) {
			p["last_activity"] = formatTime(after.LastActivity)
		}
		if err := c.writeOne(ctx, "change", p); err != nil {
			return before, err
		}
		after, err := c.one(ctx, id) // with the times as the application's columns keep them
		if err != nil {
			return before, err
		}
		return after, c.addEvent(ctx, change.Action, change.Cause, []sessioncleanup.SessionRef{after.Ref()})
	})
}

// Delete removes one session and returns it as it was.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		if err := c.writeOne(ctx, "delete", params{"id": id}); err != nil {
			return before, err
		}
		return before, c.addEvent(ctx, sessioncleanup.ActionDeleted, cause, []sessioncleanup.SessionRef{before.Ref()})
	})
}

// change finds the session of a target and calls do, in one transaction.
func (s *Store) change(ctx context.Context, t sessioncleanup.Target,
	do func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error),
) (sessioncleanup.Session, error) {
	var session sessioncleanup.Session
	err := s.writingSessions(ctx, func(c *conn) error {
		id, ok := c.adopted.ID.bind(t.ID)
		if !ok || t.ID == "" {
			return sessioncleanup.ErrNotFound
		}
		before, err := c.one(ctx, id)
		if err == nil {
			err = t.Check(before)
		}
		if err == nil {
			session, err = do(c, id, before)
		}
		return err
	})
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return session, nil
}

// one reads a session. ErrNotFound when there is none.
func (c *conn) one(ctx context.Context, id any) (sessioncleanup.Session, error) {
	var found []sessioncleanup.Session
	now := clock()
	err := c.query(ctx, c.sql("select_one", nil), params{"id": id}, func(rows *sql.Rows) error {
		session, err := scanSession(rows, now)
		found = append(found, session)
		return err
	})
	if err == nil && len(found) == 0 {
		err = sessioncleanup.ErrNotFound
	}
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return found[0], nil
}

// writeOne runs a statement that changes one session.
func (c *conn) writeOne(ctx context.Context, name string, p params) error {
	n, err := c.exec(ctx, c.sql(name, nil), p)
	if err == nil && n == 0 {
		err = errLeftAlone
	}
	return err
}
