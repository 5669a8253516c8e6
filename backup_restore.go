package sessioncleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// BackupRestore says which sessions of a backup file to restore, and how.
type BackupRestore struct {
	RestoreOptions
	// SessionIDs and Entries select sessions, by their IDs or by Archived.ID; set only one of the two. Default: all
	// sessions of the file.
	SessionIDs []string
	Entries    []int64
}

const (
	restoredBytes = 32 << 20  // of copies that are restored at once, from a whole file
	selectedBytes = 256 << 20 // of copies that are restored at once, when they are named
)

// RestoreBackup restores sessions from a backup file, each as it was when it was last deleted before the file was
// written. Sessions that are named are restored all or none. A whole file is restored in groups of up to 100 sessions,
// each group all or none; when it returns an error, Restored holds the groups that were restored before.
//
// It changes nothing until it has read the whole file and found it intact; see Backups.Read for ErrDamaged,
// ErrNewerBackup and fs.ErrNotExist. ErrNotArchived means that the file lacks one of the sessions, ErrInvalid that the
// file comes from another kind of store, ErrErased that a session's owner was erased since. When a whole file is
// restored, sessions of erased owners are left out. Entries that are still in the archive are restored from there.
func (m *Manager) RestoreBackup(ctx context.Context, from Backups, file string, o BackupRestore) (Restored, error) {
	const operation = "restore from a backup"
	archiver, err := m.wholeArchive(operation)
	if err != nil {
		return Restored{}, err
	}
	setIfZero(&o.OnConflict, ConflictFail)
	named := len(o.SessionIDs) + len(o.Entries)
	switch {
	case from == nil:
		return Restored{}, invalid.Errorf("%s: the place of the file is nil: want Backups", operation)
	case len(o.SessionIDs) > 0 && len(o.Entries) > 0 || named > maxRestored:
		return Restored{}, invalid.Errorf("%s: %d sessions and %d entries: want up to %d of one of them, or none for all", operation, len(o.SessionIDs), len(o.Entries), maxRestored)
	case !slices.Contains(Conflicts(), o.OnConflict):
		return Restored{}, invalid.Errorf("%s: on conflict is %q: want one of %s", operation, o.OnConflict, joined(Conflicts()))
	}
	b := backupRestore{m: m, archiver: archiver, from: BackupsOf(from), file: file, o: o}
	if named > 0 {
		err = b.named(ctx)
	} else {
		err = b.all(ctx)
	}
	m.dateEntries(b.out.Entries)
	if err == nil && len(b.out.Obstacles) > 0 && !o.DryRun {
		err = &ObstructedError{b.out.Obstacles}
	}
	if err != nil {
		m.log.WarnContext(ctx, operation+" failed", "file", file, "actor", m.actor(), "restored", len(b.out.Entries), "error", err)
		return b.out, fmt.Errorf("%s: %w", operation, err)
	}
	if !o.DryRun {
		m.log.InfoContext(ctx, "sessions restored from a backup", "file", file, "count", len(b.out.Entries), "actor", m.actor())
	}
	return b.out, nil
}

// backupRestore is one RestoreBackup in progress.
type backupRestore struct {
	m        *Manager
	archiver Archiver
	from     Backups
	file     string
	o        BackupRestore
	out      Restored
}

// read reads the file, and requires that it is of this kind of store.
func (b *backupRestore) read(ctx context.Context, each func(ArchivedCopy) error) error {
	file, err := b.from.Read(ctx, b.file, each)
	if form := b.archiver.ArchiveForm(); err == nil && file.Header.Form != form {
		err = invalid.Errorf("backup file %s has rows of a %s store: want one of %s", b.file, file.Header.Form, form)
	}
	return err
}

// named restores the sessions or entries that were asked for.
func (b *backupRestore) named(ctx context.Context) error {
	found := map[string]ArchivedCopy{} // by session or, when entries are named, by entry
	size := 0
	err := b.read(ctx, func(c ArchivedCopy) error {
		key := c.SessionID
		if len(b.o.Entries) > 0 {
			key = fmt.Sprint(c.ID)
			if !slices.Contains(b.o.Entries, c.ID) {
				return nil
			}
		} else if !slices.Contains(b.o.SessionIDs, key) || found[key].ID > c.ID {
			return nil
		}
		size += sizeOfCopy(c) - sizeOfCopy(found[key])
		found[key] = c
		if size > selectedBytes {
			return fmt.Errorf("%w: the sessions have more than %d bytes together; restore fewer at once", ErrTooLarge, selectedBytes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range b.o.SessionIDs {
		if _, there := found[id]; !there {
			return fmt.Errorf("%w: backup file %s does not have session %q", ErrNotArchived, b.file, id)
		}
	}
	for _, id := range b.o.Entries {
		if _, there := found[fmt.Sprint(id)]; !there {
			return fmt.Errorf("%w: backup file %s does not have entry archive:%d", ErrNotArchived, b.file, id)
		}
	}
	return b.restore(ctx, slices.SortedFunc(maps.Values(found), func(a, b ArchivedCopy) int { return cmp.Compare(a.ID, b.ID) }))
}

// all restores every session of the file, once it is known to be sound.
func (b *backupRestore) all(ctx context.Context) error {
	last := map[string]int64{} // a session may have been deleted, restored and deleted again
	err := b.read(ctx, func(c ArchivedCopy) error {
		last[c.SessionID] = max(last[c.SessionID], c.ID)
		return nil
	})
	if err != nil {
		return err
	}
	var group []ArchivedCopy
	size := 0
	err = b.read(ctx, func(c ArchivedCopy) error {
		if last[c.SessionID] != c.ID {
			return nil
		}
		group, size = append(group, c), size+sizeOfCopy(c)
		if len(group) < maxRestored && size < restoredBytes {
			return nil
		}
		err := b.restore(ctx, group)
		group, size = nil, 0
		return err
	})
	if err == nil && len(group) > 0 {
		err = b.restore(ctx, group)
	}
	if errors.Is(err, errBlocked) {
		return nil // b.out has the obstacles
	}
	return err
}

// errBlocked ends the restore of a file at the first group that cannot be restored.
var errBlocked = errors.New("blocked")

// restore restores some copies, all or none. A dry run goes on after obstacles.
func (b *backupRestore) restore(ctx context.Context, copies []ArchivedCopy) error {
	copies, err := b.withoutErased(ctx, copies)
	if err != nil || len(copies) == 0 {
		return err
	}
	r := RestoreRequest{Cause: b.m.cause("from " + b.file), DryRun: b.o.DryRun}
	ids := make([]int64, len(copies))
	for i, c := range copies {
		ids[i] = c.ID
	}
	kept, err := within(ctx, readTimeout, func(ctx context.Context) ([]Archived, error) {
		return b.archiver.Archived(ctx, ArchiveQuery{IDs: ids, Limit: len(ids)})
	})
	if err != nil {
		return err
	}
	for _, c := range copies {
		same := func(a Archived) bool { return a.ID == c.ID && a.SessionID == c.SessionID && a.At.Equal(c.At) }
		if slices.ContainsFunc(kept, same) {
			r.IDs = append(r.IDs, c.ID)
		} else {
			r.Copies = append(r.Copies, c)
		}
	}
	out, err := b.m.restore(ctx, b.archiver, r, b.o.OnConflict)
	if err != nil {
		return err
	}
	all := &b.out
	all.Entries, all.Skipped = append(all.Entries, out.Entries...), append(all.Skipped, out.Skipped...)
	all.Rows, all.Relinked = all.Rows+out.Rows, all.Relinked+out.Relinked
	for entry, id := range out.NewIDs {
		all.Rename(entry, id)
	}
	all.Obstacles = append(all.Obstacles, out.Obstacles[:min(len(out.Obstacles), MaxObstacles-len(all.Obstacles))]...)
	if len(out.Obstacles) > 0 && !b.o.DryRun && !b.isNamed() {
		return errBlocked
	}
	return nil
}

func (b *backupRestore) isNamed() bool { return len(b.o.SessionIDs)+len(b.o.Entries) > 0 }

// withoutErased refuses sessions of owners that were erased since, or leaves them out of a whole file.
func (b *backupRestore) withoutErased(ctx context.Context, copies []ArchivedCopy) (left []ArchivedCopy, err error) {
	var owners []string
	for _, c := range copies {
		owners = append(owners, c.OwnerID)
	}
	slices.Sort(owners)
	erased, err := within(ctx, callTimeout, func(ctx context.Context) (map[string]time.Time, error) {
		return b.archiver.ErasedAt(ctx, slices.Compact(owners))
	})
	if err != nil {
		return nil, err
	}
	for _, c := range copies {
		switch {
		case !erased[c.OwnerID].Before(c.At) && b.isNamed():
			return nil, fmt.Errorf("session %q: %w", c.SessionID, ErrErased)
		case !erased[c.OwnerID].Before(c.At):
			b.out.Erased++
		default:
			left = append(left, c)
		}
	}
	return left, nil
}

func sizeOfCopy(c ArchivedCopy) (bytes int) {
	for _, r := range c.Content {
		bytes += len(r.Row)
	}
	return bytes
}
