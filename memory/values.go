package memory

import (
	"bytes"
	"context"
	"maps"

	"github.com/sessioncleanup/sessioncleanup"
)

// value is a named value that processes would share, and its version.
type value struct {
	data    []byte
	version int64
}

// Value returns the value that was stored last under a name.
func (s *Store) Value(ctx context.Context, name string) ([]byte, int64, error) {
	if err := s.lock(ctx); err != nil {
		return nil, 0, err
	}
	defer s.mu.Unlock()
	v := s.values[name]
	return bytes.Clone(v.data), v.version, nil
}

// SetValue stores a value after the given version.
func (s *Store) SetValue(ctx context.Context, name string, data []byte, version int64) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if s.values[name].version != version {
		return false, nil
	}
	s.values[name] = value{bytes.Clone(data), version + 1}
	return true, nil
}

// Profile looks at every session.
func (s *Store) Profile(ctx context.Context, t sessioncleanup.Thresholds, tags string) (sessioncleanup.Profile, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Profile{}, err
	}
	defer s.mu.Unlock()
	of := sessioncleanup.Filter{Tags: tags}
	return sessioncleanup.ProfileOf(func(yield func(sessioncleanup.Session) bool) {
		for _, session := range s.sessions {
			if of.Matches(session) && !yield(session) {
				return
			}
		}
	}, t.At(clock())), nil
}

// CountOwners looks at every session.
func (s *Store) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (sessioncleanup.OwnerCounts, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.OwnerCounts{}, err
	}
	defer s.mu.Unlock()
	return sessioncleanup.OwnersOf(maps.Values(s.sessions), t.At(clock()), limit), nil
}
