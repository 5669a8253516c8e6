package sqlite

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Record adds one event that is no session's, and removes old ones.
func (s *Store) Record(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
	event, err := s.library.Record(ctx, r)
	if err == nil {
		s.truncateLog(ctx)
	}
	return event, err
}

// addEvent writes the event of a change to sessions.
func (c *conn) addEvent(ctx context.Context, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	return c.addEventAt(ctx, time.Time{}, action, cause, refs)
}

// addEventAt is addEvent with the time of the change.
func (c *conn) addEventAt(ctx context.Context, at time.Time, action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) error {
	e := sqlstore.EventOf(action, cause, refs)
	e.At = at
	return c.insertEvent(ctx, e)
}

// insertEvent writes an event and fills in its ID and, when zero, its time.
func (c *conn) insertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	if e.At = e.At.UTC(); e.At.IsZero() {
		e.At = c.clock()
	}
	p, err := sqlstore.EventParams(e)
	if err != nil {
		return err
	}
	return c.row(ctx, statements["insert_event"], paramForm.Of(p), &e.ID)
}
