package memory

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Hold holds or releases entries.
func (s *Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	places, err := s.placesOf(r.IDs)
	if err != nil {
		return nil, err
	}
	var refs []sessioncleanup.SessionRef
	for _, i := range places {
		if a := &s.archive[i]; a.Held != r.Held {
			a.Held, refs = r.Held, append(refs, a.Ref())
		}
		all = append(all, s.archive[i].Archived)
	}
	if len(refs) > 0 {
		s.log(clock(), r.Action(), r.Cause, refs...)
	}
	return all, nil
}

// PurgeEntries removes entries.
func (s *Store) PurgeEntries(ctx context.Context, r sessioncleanup.PurgeRequest) (all []sessioncleanup.Archived, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	places, err := s.placesOf(r.IDs)
	if err != nil {
		return nil, err
	}
	var refs []sessioncleanup.SessionRef
	for _, i := range places {
		a := s.archive[i].Archived
		if a.Held && !r.Held {
			return nil, sessioncleanup.ErrHeld
		}
		all, refs = append(all, a), append(refs, a.Ref())
	}
	for _, i := range places {
		s.archive = slices.Delete(s.archive, i, i+1)
	}
	if len(refs) > 0 {
		s.log(clock(), sessioncleanup.ActionPurged, r.Cause, refs...)
	}
	return all, nil
}

// placesOf are the places of some entries in the archive, from the last on.
func (s *Store) placesOf(ids []int64) (places []int, err error) {
	for _, id := range slices.Backward(slices.Compact(slices.Sorted(slices.Values(ids)))) {
		i := s.archivedAt(id)
		if i < 0 {
			return nil, sessioncleanup.ErrNotArchived
		}
		places = append(places, i)
	}
	return places, nil
}

// Tombstone records that an owner is erased.
func (s *Store) Tombstone(ctx context.Context, owner string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.tombstones[sha256.Sum256([]byte(owner))] = clock().Truncate(time.Millisecond)
	return nil
}

// ErasedAt returns when owners were erased.
func (s *Store) ErasedAt(ctx context.Context, owners []string) (map[string]time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	all := map[string]time.Time{}
	for _, owner := range owners {
		if at, erased := s.tombstones[sha256.Sum256([]byte(owner))]; erased {
			all[owner] = at
		}
	}
	return all, nil
}
