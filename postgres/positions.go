package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// EventsAfter reads the log forward, up to the last event before which no other one can still be committed: IDs are not
// in the order of commits.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) (events []sessioncleanup.Event, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	enough := sessioncleanup.EventQuery{Limit: limit, Part: true}
	var through *int64
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("settled"), after).QueryRow(func(row pgx.Row) error { return row.Scan(&through) })
	}, func(batch *pgx.Batch) error {
		if through == nil {
			return errNothing
		}
		batch.Queue(m.statement("events_forward"), after, *through, limit).Query(func(rows pgx.Rows) error {
			for !enough.Enough(events) && rows.Next() {
				event, err := scanEvent(rows)
				if err != nil {
					return err
				}
				events = append(events, event)
			}
			return rows.Err()
		})
		return nil
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failed("read events", err)
	}
	return events, nil
}

// Position returns how far a consumer has read.
func (s *Store) Position(ctx context.Context, consumer string) (position int64, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	err = s.pool.QueryRow(ctx, m.statement("position_read"), consumer).Scan(&position)
	return position, s.failed("read a consumer's position", err)
}

// SetPosition stores how far a consumer has read.
func (s *Store) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	m, err := s.ready(ctx)
	if err != nil {
		return err
	}
	return s.failed("store a consumer's position", s.inTx(ctx, func(batch *pgx.Batch) {
		queueGuard(batch, m, held)
		batch.Queue(m.statement("position_write"), consumer, position)
	}, nil))
}
