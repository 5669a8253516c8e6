package sqlite

import (
	"context"

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

// insertEvent writes an event and fills in its ID and, when zero, its time.
func (c *conn) insertEvent(ctx context.Context, e *sessioncleanup.Event) error {
	if e.At = e.At.UTC(); e.At.IsZero() {
		e.At = c.clock()
	}
	return c.row(ctx, statements["insert_event"], paramForm.Of(sqlstore.EventParams(e)), &e.ID)
}
