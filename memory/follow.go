package memory

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup"
)

// EventsAfter reads the log forward.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) ([]sessioncleanup.Event, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	enough := sessioncleanup.EventQuery{Limit: limit, Part: true}
	var found []sessioncleanup.Event
	for _, e := range s.events {
		if enough.Enough(found) {
			break
		}
		if e.ID > after {
			found = append(found, copied(e))
		}
	}
	return found, nil
}

// Position returns how far a consumer has read.
func (s *Store) Position(ctx context.Context, consumer string) (int64, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.places[consumer], nil
}

// SetPosition stores how far a consumer has read.
func (s *Store) SetPosition(ctx context.Context, consumer string, position int64, held sessioncleanup.Lease) error {
	if err := s.lockFor(ctx, held); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.places[consumer] = position
	return nil
}
