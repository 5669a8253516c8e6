package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// archived is an entry of the archive. Nothing but the session itself belongs to it here, so no limit applies.
type archived struct {
	sessioncleanup.Archived
	session sessioncleanup.Session
}

// keep archives a session that is about to be removed.
func (s *Store) keep(session sessioncleanup.Session, now time.Time, cause sessioncleanup.Cause) {
	session.AsOf = time.Time{}
	s.archives++
	ref := session.Ref()
	e := sessioncleanup.Event{Reason: cause.Reason, Sessions: []sessioncleanup.SessionRef{ref}}.Shortened()
	s.archive = append(s.archive, archived{sessioncleanup.Archived{
		ID: s.archives, SessionID: ref.ID, OwnerID: ref.OwnerID, Name: e.Sessions[0].Name, At: now.Truncate(time.Millisecond),
		Actor: cause.Actor, Reason: e.Reason, RunID: cause.RunID, Tags: slices.Clone(session.Tags),
	}, session})
}

// Archived returns the entries that match the query, newest first.
func (s *Store) Archived(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []sessioncleanup.Archived
	for _, a := range slices.Backward(s.archive) {
		if len(found) == q.Limit {
			break
		}
		if q.Matches(a.Archived) {
			found = append(found, a.Archived)
		}
	}
	return found, nil
}

// CountArchived counts the entries that match the query.
func (s *Store) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	q.Before = 0
	count := 0
	for _, a := range s.archive {
		if q.Matches(a.Archived) {
			count++
		}
	}
	return count, nil
}

// ArchiveSize measures the archive.
func (s *Store) ArchiveSize(ctx context.Context) (sessioncleanup.ArchiveSize, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.ArchiveSize{}, err
	}
	defer s.mu.Unlock()
	size := sessioncleanup.ArchiveSize{Entries: len(s.archive)}
	for _, a := range s.archive {
		size.Bytes += a.Bytes
	}
	return size, nil
}

// ArchivedRows returns the session of an entry: it is the only row.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) ([]sessioncleanup.ArchivedRow, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	i := s.archivedAt(id)
	if i < 0 || after > 0 || limit < 1 {
		return nil, nil
	}
	row, err := json.Marshal(s.archive[i].session)
	return []sessioncleanup.ArchivedRow{{Number: 1, Table: "sessions", Row: row}}, err
}

// archivedAt is the place of an entry in the archive, which is in the order of IDs; -1 when it is not there.
func (s *Store) archivedAt(id int64) int {
	i, found := slices.BinarySearchFunc(s.archive, id, func(a archived, id int64) int { return cmp.Compare(a.ID, id) })
	if !found {
		return -1
	}
	return i
}

// Restore brings entries back. It is obstructed when a session or another entry of the request has the same ID.
func (s *Store) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
	var out sessioncleanup.Restored
	if err := s.lock(ctx); err != nil {
		return out, err
	}
	defer s.mu.Unlock()
	if len(r.NewIDs) > 0 {
		return out, invalid.Errorf("the store does not generate IDs, so a session cannot get a new one")
	}
	now := clock().Truncate(time.Millisecond)
	taken := map[string]bool{}
	found, err := s.restorable(r)
	if err != nil {
		return out, err
	}
	for _, a := range found {
		if _, there := s.sessions[a.SessionID]; there || taken[a.SessionID] {
			out.Obstacles = append(out.Obstacles, sessioncleanup.Obstacle{
				Entry: a.ID, SessionID: a.SessionID, Kind: sessioncleanup.ObstacleTaken, Table: "sessions",
				Text: fmt.Sprintf("the ID %q is in use", a.SessionID),
			})
		}
		taken[a.SessionID] = true
		out.Entries = append(out.Entries, a.Archived)
	}
	if len(out.Obstacles) > 0 {
		out.Entries, out.Obstacles = nil, out.Obstacles[:min(len(out.Obstacles), sessioncleanup.MaxObstacles)]
	}
	if len(out.Obstacles) > 0 || r.DryRun {
		return out, nil
	}
	var refs []sessioncleanup.SessionRef
	for _, a := range found {
		s.replace(sessioncleanup.Session{}, a.session.Restored(now))
		if i := s.archivedAt(a.ID); slices.Contains(r.IDs, a.ID) {
			s.archive = slices.Delete(s.archive, i, i+1)
		}
		refs = append(refs, a.session.Ref())
	}
	s.log(now, sessioncleanup.ActionRestored, r.Cause, refs...)
	return out, nil
}

// restorable are the entries and copies that are asked for, the oldest first.
func (s *Store) restorable(r sessioncleanup.RestoreRequest) ([]archived, error) {
	var all []archived
	for _, id := range slices.Compact(slices.Sorted(slices.Values(r.IDs))) {
		i := s.archivedAt(id)
		if i < 0 || r.OwnerID != "" && s.archive[i].OwnerID != r.OwnerID {
			return nil, sessioncleanup.ErrNotArchived
		}
		if s.archive[i].Held {
			return nil, sessioncleanup.ErrHeld
		}
		all = append(all, s.archive[i])
	}
	for _, c := range r.Copies {
		a := archived{Archived: c.Archived}
		if len(c.Content) != 1 {
			return nil, invalid.Errorf("a copy of session %q has %d rows: want its own", c.SessionID, len(c.Content))
		}
		if err := json.Unmarshal(c.Content[0].Row, &a.session); err != nil || a.session.ID != c.SessionID {
			return nil, invalid.Errorf("a copy of session %q has no such session: %w", c.SessionID, err)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b archived) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// NotBackedUp returns the entries that are not marked, the oldest first.
func (s *Store) NotBackedUp(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []sessioncleanup.Archived
	for _, a := range s.archive {
		if len(found) < limit && a.ID > after && a.BackedUpAt.IsZero() {
			found = append(found, a.Archived)
		}
	}
	return found, nil
}

// ArchivedContents returns the sessions of some entries.
func (s *Store) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	all := map[int64][]sessioncleanup.ArchivedRow{}
	for _, id := range ids {
		rows, err := s.ArchivedRows(ctx, id, 0, 1)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			all[id] = rows
		}
	}
	return all, nil
}

// MarkBackedUp notes that some entries are in a backup.
func (s *Store) MarkBackedUp(ctx context.Context, ids []int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := clock().Truncate(time.Millisecond)
	for _, id := range ids {
		if i := s.archivedAt(id); i >= 0 {
			s.archive[i].BackedUpAt = now
		}
	}
	return nil
}

// ArchiveForm returns the name of the archive's encoding, which is sessions as JSON.
func (*Store) ArchiveForm() string { return "memory" }

// Purge permanently removes the oldest entries that were archived before a given moment.
func (s *Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
	var out sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return out, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	if err := s.lockFor(ctx, b.Lease); err != nil {
		return out, err
	}
	defer s.mu.Unlock()
	var refs []sessioncleanup.SessionRef
	s.archive = slices.DeleteFunc(s.archive, func(a archived) bool {
		if len(refs) == b.Limit || a.Held || !a.At.Before(sessioncleanup.PurgeBefore(before, b.PurgeRules, a.Tags)) || b.BackedUp && a.BackedUpAt.IsZero() {
			return false
		}
		refs = append(refs, a.Ref())
		out.IDs = append(out.IDs, a.SessionID)
		return true
	})
	if len(refs) == b.Limit {
		out.Next = "more"
	}
	if len(refs) > 0 {
		s.log(clock().Truncate(time.Millisecond), sessioncleanup.ActionPurged, b.Cause, refs...)
	}
	return out, nil
}
