package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
)

// EventsAfter reads the log forward.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
	enough := sessioncleanup.EventQuery{Limit: limit, Part: true}
	var events []sessioncleanup.Event
	err := s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		return c.query(ctx, statements["events_forward"], params{"after": after, "limit": limit}, func(rows *sql.Rows) error {
			if enough.Enough(events) {
				return errEnough
			}
			event, err := scanEvent(rows)
			events = append(events, event)
			return err
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return events, nil
}

// Position is how far a consumer has read.
func (s *Store) Position(ctx context.Context, consumer string) (position int64, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		err := c.row(ctx, statements["read_position"], params{"consumer": consumer}, &position)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return position, err
}

// SetPosition stores how far a consumer has read.
func (s *Store) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	return s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, held); err != nil {
			return err
		}
		_, err := c.exec(ctx, statements["write_position"], params{"consumer": consumer, "position": position})
		return err
	})
}
