package sqlite

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Update applies a change to one session, as sessioncleanup.Change.Apply does. It does not change the application's
// updated_at.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, change sessioncleanup.Change) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		if err := c.schema.CheckTags(change.Tags); err != nil {
			return before, err
		}
		now := before.AsOf.Truncate(c.adopted.DeactivatedAt.precision())
		after := change.Apply(before, now)
		if after.Equal(before) {
			return before, nil
		}
		p := params{
			"id": id, "active": given(change.Active), "auto_cleanup": given(change.AutoCleanup), "last_activity": nil,
			"set_expires_at": !after.ExpiresAt.Equal(before.ExpiresAt), "expires_at": formatTime(after.ExpiresAt),
			"set_deactivated_at": !after.DeactivatedAt.Equal(before.DeactivatedAt), "deactivated_at": formatTime(after.DeactivatedAt),
		}
		if !after.LastActivity.Equal(before.LastActivity) {
			p["last_activity"] = formatTime(after.LastActivity)
		}
		if err := c.writeTags(ctx, before.ID, change.Tags); err != nil {
			return before, err
		}
		untagged := after
		if untagged.Tags = before.Tags; !untagged.Equal(before) {
			if err := c.writeOne(ctx, "change", p); err != nil {
				return before, err
			}
		}
		after, err := c.one(ctx, id) // with the times as the application's columns keep them
		if err != nil {
			return before, err
		}
		return after, c.insertEvent(ctx, sqlstore.EventOf(now, change.Action, change.Cause, []sessioncleanup.SessionRef{after.Ref()}))
	})
}

// given is the value of a switch, or NULL where it leaves the column as it is.
func given(s sessioncleanup.Switch) any {
	if s == sessioncleanup.Default {
		return nil
	}
	return s == sessioncleanup.On
}

// Delete removes one session and returns it as it was.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	return s.change(ctx, t, func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error) {
		watch, err := c.watchDeletions(ctx)
		if err != nil {
			return before, err
		}
		var archived map[string]bool
		if t.Archive != nil && !c.schema.SoftDelete {
			if archived, err = c.archive(ctx, *t.Archive, cause, before.AsOf, []string{before.ID}); err != nil {
				return before, err
			}
		}
		if err := c.writeOne(ctx, "delete", params{"id": id, "now": formatTime(before.AsOf)}); err != nil {
			return before, err
		}
		gone, err := watch.take(ctx, math.MaxInt, sessioncleanup.Batch{})
		if err != nil {
			return before, err
		}
		refs := []sessioncleanup.SessionRef{before.Ref()}
		for _, other := range gone {
			if other.ID != before.ID {
				refs = append(refs, other.SessionRef)
			}
			if t.Archive != nil && !archived[other.ID] {
				return before, errUnseen
			}
		}
		if err := t.CheckAlong(sqlstore.IDs(refs[1:])); err != nil {
			return before, err
		}
		if err := watch.end(ctx); err != nil {
			return before, err
		}
		if err := c.dropNotesOf(ctx, sqlstore.IDs(refs)); err != nil {
			return before, err
		}
		return before, c.insertEvent(ctx, sqlstore.EventOf(time.Time{}, sessioncleanup.ActionDeleted, cause, refs))
	})
}

// change finds the session of a target and calls do, in one transaction.
func (s *Store) change(ctx context.Context, t sessioncleanup.Target,
	do func(c *conn, id any, before sessioncleanup.Session) (sessioncleanup.Session, error),
) (sessioncleanup.Session, error) {
	return sqlstore.Answer(ctx, s.writingSessions, func(c *conn) (session sessioncleanup.Session, err error) {
		id, ok := c.adopted.ID.bind(t.ID)
		if !ok || t.ID == "" {
			return session, sessioncleanup.ErrNotFound
		}
		if err := c.foldOf(ctx, []string{t.ID}); err != nil {
			return session, err
		}
		before, err := c.one(ctx, id)
		if err == nil {
			err = t.Check(before)
		}
		if err != nil {
			return session, err
		}
		return do(c, id, before)
	})
}

// one reads a session. ErrNotFound when there is none.
func (c *conn) one(ctx context.Context, id any) (sessioncleanup.Session, error) {
	var found []sessioncleanup.Session
	now := c.clock()
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
