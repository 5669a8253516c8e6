package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func newSalt() []byte {
	salt := make([]byte, sessioncleanup.SaltSize)
	_, _ = rand.Read(salt) // never fails
	return salt
}

// lastSeal is the newest seal, a zero one before the first.
func (s *Store) lastSeal() sessioncleanup.Seal {
	if len(s.seals) == 0 {
		return sessioncleanup.Seal{LastID: math.MinInt64}
	}
	return s.seals[len(s.seals)-1]
}

// Seal seals the oldest events without a seal.
func (s *Store) Seal(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Seal{}, err
	}
	defer s.mu.Unlock()
	entries := s.entries(s.lastSeal().LastID, math.MaxInt64, limit)
	if len(entries) == 0 {
		return sessioncleanup.Seal{}, nil
	}
	next := sessioncleanup.NextSeal(s.lastSeal(), entries)
	s.seals = append(s.seals, next)
	return next, nil
}

// Seals returns seals in their order.
func (s *Store) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	from := min(max(after, 0), int64(len(s.seals)))
	return slices.Clone(s.seals[from:min(from+int64(limit), int64(len(s.seals)))]), nil
}

// Entries returns events as they are sealed.
func (s *Store) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return s.entries(after, through, limit), nil
}

func (s *Store) entries(after, through int64, limit int) (found []sessioncleanup.Entry) {
	from, _ := slices.BinarySearchFunc(s.events, after, func(e sessioncleanup.Event, id int64) int { return cmp.Compare(e.ID, id+1) })
	for _, e := range s.events[from:] {
		if e.ID > through || len(found) == limit {
			break
		}
		found = append(found, s.entry(e))
	}
	return found
}

func (s *Store) entry(e sessioncleanup.Event) sessioncleanup.Entry {
	return sessioncleanup.EntryOf(e, e.Details(), s.proofs[e.ID])
}

// EraseOwner removes an owner from all events.
func (s *Store) EraseOwner(ctx context.Context, owner string) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	erased := 0
	for i, e := range s.events {
		bare, found := e.WithoutOwner(owner)
		if !found {
			continue
		}
		if e.ID <= s.lastSeal().LastID {
			s.proofs[e.ID] = s.entry(e).Erased(s.entry(bare).Personal)
		}
		s.events[i] = bare
		erased++
	}
	return erased, nil
}

// forget removes events from before a moment; of those that are sealed, only all of a seal.
func (s *Store) forget(before time.Time) {
	for i, seal := range s.seals {
		if seal.Newest.Before(before) {
			s.seals[i] = seal.Forget()
		}
	}
	s.events = slices.DeleteFunc(s.events, func(e sessioncleanup.Event) bool {
		old := e.At.Before(before)
		if e.ID <= s.lastSeal().LastID {
			i, _ := slices.BinarySearchFunc(s.seals, e.ID, func(seal sessioncleanup.Seal, id int64) int { return cmp.Compare(seal.LastID, id) })
			old = s.seals[i].Forgotten
		}
		if old {
			delete(s.proofs, e.ID)
		}
		return old
	})
}
