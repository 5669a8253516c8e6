package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Update applies a change to one session, with its event, and gives the session as it is afterwards. The host's
// updated_at stays as it is.
func (s *Store) Update(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
	var session sessioncleanup.Session
	err := s.writingSessions(ctx, func(w *work) error {
		before, now, err := w.one(ctx, t)
		if err != nil {
			return err
		}
		if session = changed(before, c, now); session == before {
			return nil
		}
		v := values{
			"id": nil, "active": c.Active, "auto_cleanup": c.AutoCleanup, "last_activity": nil,
			"set_expires_at": !session.ExpiresAt.Equal(before.ExpiresAt), "expires_at": formatTime(session.ExpiresAt),
		}
		v["id"], _ = w.adopted.ID.bind(t.ID)
		if !session.LastActivity.Equal(before.LastActivity) {
			v["last_activity"] = formatTime(session.LastActivity)
		}
		if _, err := w.exec(ctx, w.sql("change"), v); err != nil {
			return err
		}
		if session, _, err = w.one(ctx, t); err != nil { // with the times as the host's columns keep them
			return err
		}
		return w.log(ctx, c.Action, c.Cause, []sessioncleanup.SessionRef{refOf(session)})
	})
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return session, nil
}

// changed is a session after a change. Times are cut to milliseconds, as they are kept.
func changed(s sessioncleanup.Session, c sessioncleanup.Change, now time.Time) sessioncleanup.Session {
	if c.ExpiresAt != nil {
		s.ExpiresAt = c.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	if c.AutoCleanup != nil {
		s.AutoCleanup = *c.AutoCleanup
	}
	if c.Active != nil && *c.Active && !s.Active {
		s.LastActivity = now
		if !s.ExpiresAt.After(now) {
			s.ExpiresAt = time.Time{}
		}
	}
	if c.Active != nil {
		s.Active = *c.Active
	}
	return s
}

// Delete removes one session, with its event, and gives it as it was.
func (s *Store) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	var session sessioncleanup.Session
	err := s.writingSessions(ctx, func(w *work) error {
		var err error
		if session, _, err = w.one(ctx, t); err != nil {
			return err
		}
		id, _ := w.adopted.ID.bind(t.ID)
		if _, err := w.exec(ctx, w.sql("delete"), values{"id": id}); err != nil {
			return err
		}
		return w.log(ctx, sessioncleanup.ActionDeleted, cause, []sessioncleanup.SessionRef{refOf(session)})
	})
	if err != nil {
		return sessioncleanup.Session{}, err
	}
	return session, nil
}

// one reads the session of a target, and the clock. ErrNotFound when there is none.
func (w *work) one(ctx context.Context, t sessioncleanup.Target) (sessioncleanup.Session, time.Time, error) {
	v := values{}
	conditions, ok := w.filter(sessioncleanup.Query{ID: t.ID, OwnerID: t.OwnerID}, v)
	if !ok || t.ID == "" {
		return sessioncleanup.Session{}, time.Time{}, sessioncleanup.ErrNotFound
	}
	var session sessioncleanup.Session
	var now string
	found := false
	err := w.query(ctx, w.sql("one", conditions...), v, func(rows *sql.Rows) (err error) {
		found = true
		session, err = scanSession(rows, &now)
		return err
	})
	if err == nil && !found {
		err = sessioncleanup.ErrNotFound
	}
	if err != nil {
		return sessioncleanup.Session{}, time.Time{}, err
	}
	at, err := parseTime(now)
	return session, at, err
}

func refOf(s sessioncleanup.Session) sessioncleanup.SessionRef {
	return sessioncleanup.SessionRef{ID: s.ID, OwnerID: s.OwnerID, Name: s.Name}
}
