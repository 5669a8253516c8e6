package sessioncleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Conflict says what a restore does with an entry when one of its unique values, such as the ID, is in use again.
type Conflict string

// How a restore treats conflicts. Other obstacles always keep all of the entries from being restored.
const (
	ConflictFail Conflict = "fail" // restore none of the entries
	ConflictSkip Conflict = "skip" // leave that entry in the archive, and restore the others
	// ConflictNewID restores that session under a new ID, which the database generates, and has all that is restored refer to it.
	// It does not help against other values that are in use, such as a code.
	ConflictNewID Conflict = "new-id"
)

// Conflicts lists every value of RestoreOptions.OnConflict.
func Conflicts() []Conflict { return []Conflict{ConflictFail, ConflictSkip, ConflictNewID} }

// RestoreOptions say how entries of the archive are restored.
type RestoreOptions struct {
	// DryRun finds obstacles and changes nothing: Restored is what would be done. Default: false.
	DryRun bool
	// OnConflict says what to do with an entry when one of its unique values is in use again. Default: ConflictFail.
	OnConflict Conflict
}

// maxRestored is how many entries one call restores.
const maxRestored = 100

// ArchiveOptions select entries of the archive for Manager.Archived. The zero value lists the newest 50.
type ArchiveOptions struct {
	OwnerID   string // only this owner's. Default: all that the caller may see
	SessionID string // only this session's. Default: all
	Held      Switch // On: only entries that are held; Off: only others. Default: all
	Before    int64  // Archived.ID of the last entry of the page before. Default: from the newest on
	Limit     int    // entries in the page, at most MaxPage. Default: 50
}

// HasArchive reports whether the store can keep deleted sessions in an archive.
func (m *Manager) HasArchive() bool {
	_, ok := StoreAs[Archiver](m.store)
	return ok
}

// archiver finds the store's archive.
func (m *Manager) archiver(operation string) (Archiver, error) {
	return storeAs[Archiver](m, operation, "has no archive")
}

// wholeArchive is the archive for an operation on the entries of all owners.
func (m *Manager) wholeArchive(operation string) (Archiver, error) {
	if err := m.allowAll(operation); err != nil {
		return nil, err
	}
	return m.archiver(operation)
}

// archiveOf is the archive for an operation on the sessions of an owner, of all when asked is empty, as far as the Manager's
// principal may see them.
func (m *Manager) archiveOf(operation, asked string) (archiver Archiver, owner string, err error) {
	if owner, err = m.scope(operation, asked); err != nil {
		return nil, "", err
	}
	archiver, err = m.archiver(operation)
	return archiver, owner, err
}

// Archived lists the archive, newest first. An owner sees only its own sessions.
func (m *Manager) Archived(ctx context.Context, o ArchiveOptions) ([]Archived, error) {
	const operation = "list the archive"
	archiver, owner, err := m.archiveOf(operation, o.OwnerID)
	if err != nil {
		return nil, err
	}
	if err := checkLimit(&o.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	all, err := m.archived(ctx, archiver, ArchiveQuery{OwnerID: owner, SessionID: o.SessionID, Held: o.Held, Before: o.Before, Limit: o.Limit})
	return wrapped(operation, all, err)
}

// archived asks the store and fills in what follows from the policy.
func (m *Manager) archived(ctx context.Context, archiver Archiver, q ArchiveQuery) ([]Archived, error) {
	all, err := within(ctx, readTimeout, func(ctx context.Context) ([]Archived, error) { return archiver.Archived(ctx, q) })
	m.dateEntries(all)
	return all, err
}

// countArchived counts entries of the archive, with a deadline.
func countArchived(ctx context.Context, archiver Archiver, q ArchiveQuery) (int, error) {
	return within(ctx, readTimeout, func(ctx context.Context) (int, error) { return archiver.CountArchived(ctx, q) })
}

// dateEntries fills in when entries are purged.
func (m *Manager) dateEntries(all []Archived) {
	for i, a := range all {
		if keep := m.policy.ArchiveKeepOf(a.Tags); keep != Never && !a.Held {
			all[i].PurgeAt = a.At.Add(keep)
		}
	}
}

// ArchivedEntry returns one entry of the archive. It fails with ErrNotArchived when the entry does not exist or belongs
// to somebody else.
func (m *Manager) ArchivedEntry(ctx context.Context, id int64) (Archived, error) {
	const operation = "get archive entry"
	archiver, owner, err := m.archiveOf(operation, "")
	if err != nil {
		return Archived{}, err
	}
	all, err := m.archived(ctx, archiver, ArchiveQuery{IDs: []int64{id}, OwnerID: owner, Limit: 1})
	if err == nil && len(all) == 0 {
		err = ErrNotArchived
	}
	if err != nil {
		return Archived{}, fmt.Errorf("%s %d: %w", operation, id, err)
	}
	return all[0], nil
}

// ArchivedRows returns at most limit rows of one entry, with numbers above after. It fails with ErrForbidden unless the
// caller may see every session: the rows have columns that the application may not show to the owner.
func (m *Manager) ArchivedRows(ctx context.Context, id int64, after, limit int) ([]ArchivedRow, error) {
	const operation = "read the rows of an archive entry"
	archiver, err := m.wholeArchive(operation)
	if err != nil {
		return nil, err
	}
	if after < 0 || limit < 1 || limit > MaxPage {
		return nil, invalid.Errorf("%s: after %d, limit %d: want 0 or more, and 1 to %d", operation, after, limit, MaxPage)
	}
	rows, err := within(ctx, readTimeout, func(ctx context.Context) ([]ArchivedRow, error) { return archiver.ArchivedRows(ctx, id, after, limit) })
	return wrapped(operation, rows, err)
}

// Restore brings deleted sessions back from the archive, each as it was when it was last deleted, with all rows of
// other tables that were deleted or unlinked along with it. It restores all of them or, when it returns an error, none.
// The sessions count as used just now, so that no run acts on them soon. Owners can restore their own sessions.
//
//	restored, err := sessions.Restore(ctx, []string{"42"}, sessioncleanup.RestoreOptions{})
//	if blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err); ok {
//		… // blocked.Obstacles says what is in the way
//	}
//
// ErrNotArchived means that one of the sessions is not in the archive, ErrHeld that one is held. A dry run returns
// obstacles without an error.
func (m *Manager) Restore(ctx context.Context, sessionIDs []string, o RestoreOptions) (Restored, error) {
	const operation = "restore session"
	archiver, owner, err := m.archiveOf(operation, "")
	if err != nil {
		return Restored{}, err
	}
	if len(sessionIDs) == 0 || len(sessionIDs) > maxRestored {
		return Restored{}, invalid.Errorf("%s: %d sessions: want 1 to %d", operation, len(sessionIDs), maxRestored)
	}
	var entries []int64
	for _, id := range sessionIDs {
		if id == "" {
			return Restored{}, invalid.Errorf("%s: session id is empty: want the id of a session", operation)
		}
		found, err := m.archived(ctx, archiver, ArchiveQuery{SessionID: id, OwnerID: owner, Limit: 1})
		if err == nil && len(found) == 0 {
			err = m.notArchived(ctx, Target{ID: id, OwnerID: owner})
		}
		if err != nil {
			return Restored{}, failed(operation, id, err)
		}
		entries = append(entries, found[0].ID)
	}
	return m.RestoreEntries(ctx, entries, o)
}

// notArchived is the error about a session that the archive does not have.
func (m *Manager) notArchived(ctx context.Context, t Target) error {
	switch _, err := m.find(ctx, t); {
	case err == nil:
		return fmt.Errorf("%w: the session is not deleted", ErrNotArchived)
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: it was never archived, or it was purged", ErrNotArchived)
	default:
		return err
	}
}

// RestoreEntries is Restore for entries of the archive, given by Archived.ID. For a session that was deleted more than
// once, it can restore an earlier state.
func (m *Manager) RestoreEntries(ctx context.Context, ids []int64, o RestoreOptions) (Restored, error) {
	const operation = "restore archive entries"
	archiver, owner, err := m.archiveOf(operation, "")
	if err != nil {
		return Restored{}, err
	}
	setIfZero(&o.OnConflict, ConflictFail)
	switch {
	case len(ids) == 0 || len(ids) > maxRestored:
		return Restored{}, invalid.Errorf("%s: %d entries: want 1 to %d", operation, len(ids), maxRestored)
	case !slices.Contains(Conflicts(), o.OnConflict):
		return Restored{}, invalid.Errorf("%s: on conflict is %q: want one of %s", operation, o.OnConflict, joined(Conflicts()))
	}
	ids = distinct(ids)
	r := RestoreRequest{IDs: slices.Clone(ids), OwnerID: owner, DryRun: o.DryRun, Cause: m.cause("")}
	out, err := m.restore(ctx, archiver, r, o.OnConflict)
	if err == nil && len(out.Obstacles) > 0 && !o.DryRun {
		err = &ObstructedError{out.Obstacles}
	}
	if err != nil {
		err = m.naming(ctx, archiver, ids, owner, err)
		m.log.WarnContext(ctx, operation+" failed", "entries", ids, "actor", m.actor(), "error", err)
		return out, fmt.Errorf("%s: %w", operation, err)
	}
	if !o.DryRun {
		for _, e := range out.Entries {
			m.log.InfoContext(ctx, "session restored", "session_id", e.SessionID, "entry", e.ID, "new_id", out.NewIDs[e.ID], "actor", m.actor())
		}
	}
	return out, nil
}

// restore restores entries. When unique values of some are taken, it tries again: without those entries for ConflictSkip, with
// new IDs for them for ConflictNewID.
func (m *Manager) restore(ctx context.Context, archiver Archiver, r RestoreRequest, c Conflict) (Restored, error) {
	var skipped []Archived
	for {
		out, err := within(ctx, sweepTimeout, func(ctx context.Context) (Restored, error) { return archiver.Restore(ctx, r) })
		taken := map[int64]bool{}
		for _, o := range out.Obstacles {
			if o.Kind == ObstacleTaken {
				taken[o.Entry] = true
			}
		}
		if err == nil && c == ConflictNewID && len(taken) > 0 && len(r.NewIDs) == 0 {
			r.NewIDs = slices.Collect(maps.Keys(taken))
			continue
		}
		if err != nil || c != ConflictSkip || len(taken) == 0 {
			out.Skipped = skipped
			m.dateEntries(out.Entries)
			return out, err
		}
		for id := range taken {
			entry, err := m.entryOf(ctx, r, id)
			if err != nil {
				return Restored{}, err
			}
			skipped = append(skipped, entry)
		}
		slices.SortFunc(skipped, func(a, b Archived) int { return cmp.Compare(a.ID, b.ID) })
		r.IDs = slices.DeleteFunc(r.IDs, func(id int64) bool { return taken[id] })
		r.Copies = slices.DeleteFunc(r.Copies, func(c ArchivedCopy) bool { return taken[c.ID] })
		if len(r.IDs)+len(r.Copies) == 0 {
			return Restored{Skipped: skipped}, nil
		}
	}
}

// entryOf is an entry of a request: one of its copies, or one of the archive.
func (m *Manager) entryOf(ctx context.Context, r RestoreRequest, id int64) (Archived, error) {
	if i := slices.IndexFunc(r.Copies, func(c ArchivedCopy) bool { return c.ID == id }); i >= 0 {
		return r.Copies[i].Archived, nil
	}
	return m.ArchivedEntry(ctx, id)
}

// distinct is a list without repetitions.
func distinct(ids []int64) []int64 {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
