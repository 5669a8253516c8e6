package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

const (
	backupEntries = 50_000   // in one file, so that a backup that is stopped has something done
	backupBytes   = 1 << 30  // of rows, as the store keeps them, in one file
	backupPage    = 500      // entries read at once
	backupGroup   = 16 << 20 // bytes of rows read at once
	backupMarks   = 1000     // entries marked in one transaction
)

// BackUp writes the entries of the archive that are in no file of Config.Backups yet into new files, as each run does
// at its end. It takes no lease: an entry that two backups copy at the same time is in two files.
func (m *Manager) BackUp(ctx context.Context) (BackupResult, error) {
	const operation = "back up the archive"
	archiver, err := m.wholeArchive(operation)
	if err != nil {
		return BackupResult{}, err
	}
	if m.backups == nil {
		return BackupResult{}, invalid.Errorf("%s: Config.Backups is nil: want where to write the files", operation)
	}
	b := backingUp{m: m, archiver: archiver, alive: func(context.Context) error { return nil }}
	if b.header.At, err = m.Now(ctx); err == nil {
		err = b.do(ctx)
	}
	if err != nil {
		m.log.ErrorContext(ctx, operation+" failed", "actor", m.actor(), "error", err)
		return b.result, fmt.Errorf("%s: %w", operation, err)
	}
	return b.result, nil
}

// backUp backs the archive up at the end of the run. An error is in the result and does not make the run fail: entries that
// were not copied are not purged, and the next run tries again.
func (r *run) backUp(ctx context.Context) {
	if r.archiver == nil || !r.policy.Backup.Or(false) || ctx.Err() != nil {
		return
	}
	b := backingUp{m: r.m, archiver: r.archiver, alive: r.renew, header: BackupHeader{At: r.result.Cutoffs.Now, RunID: r.result.RunID}}
	var err error
	if r.m.backups != nil {
		err = b.do(ctx)
	} else if r.policy.purges() && r.opts.Filter == (Filter{}) { // another program backs up
		due := r.policy.dueInArchive(r.result.Cutoffs.Now)
		due.BackedUp = Off
		if b.result.Waiting, err = countArchived(ctx, b.archiver, due); err == nil && b.result.Waiting > 0 {
			err = errNoBackups
		}
	}
	if ctx.Err() == nil && err != nil {
		b.result.Error = err.Error()
		r.m.log.ErrorContext(ctx, "the archive could not be backed up: entries without a backup are not purged; check the place of the backups",
			"run_id", r.result.RunID, "waiting", b.result.Waiting, "error", err)
	}
	r.result.Backup = &b.result
}

// errNoBackups is the alert of a run without Config.Backups, when no other program backs up.
var errNoBackups = errors.New("they are due to be purged once they are backed up, and no place for backups is configured")

// backingUp is one backup in progress.
type backingUp struct {
	m        *Manager
	archiver Archiver
	alive    func(context.Context) error // keeps the run's lease; an error ends the backup
	header   BackupHeader
	result   BackupResult
}

// do writes files until every entry is in one.
func (b *backingUp) do(ctx context.Context) (err error) {
	b.header.Form = b.archiver.ArchiveForm()
	if installer, ok := StoreAs[Installer](b.m.store); ok {
		b.header.Schema, err = within(ctx, callTimeout, installer.Schema)
	}
	for more := true; more && err == nil; {
		b.header.Part++
		more, err = b.file(ctx)
	}
	if err == nil {
		return nil
	}
	waiting, countErr := countArchived(ctx, b.archiver, ArchiveQuery{BackedUp: Off})
	b.result.Waiting = waiting
	return errors.Join(err, countErr)
}

// file writes one file, verifies it and marks its entries. It reports whether there may be more.
func (b *backingUp) file(ctx context.Context) (more bool, err error) {
	page, err := b.page(ctx, 0)
	if err != nil || len(page) == 0 {
		return false, err
	}
	var written []int64
	full := false
	file, err := b.call(ctx, func(ctx context.Context) (BackupFile, error) {
		return b.m.backups.Write(ctx, b.header, func(add func(ArchivedCopy) error) (err error) {
			size := int64(0)
			for ; err == nil && len(page) > 0; page, err = b.page(ctx, page[len(page)-1].ID) {
				for group := range groups(page) {
					if full = len(written) >= backupEntries || size >= backupBytes; full {
						return nil
					}
					ids, err := b.copy(ctx, group, add)
					if err != nil {
						return err
					}
					written, size = append(written, ids...), size+sizeOf(group)
				}
			}
			return err
		})
	})
	if err != nil {
		return false, err
	}
	found, err := b.call(ctx, func(ctx context.Context) (BackupFile, error) {
		return b.m.backups.Read(ctx, file.Name, func(ArchivedCopy) error { return nil })
	})
	if err == nil && (found.SHA256 != file.SHA256 || found.Entries != len(written)) {
		err = fmt.Errorf("%w: %s has %d entries, of %d that were written", ErrDamaged, file.Name, found.Entries, len(written))
	}
	if err != nil {
		return false, fmt.Errorf("read back what was written: %w", err)
	}
	if err := b.mark(ctx, written); err != nil {
		return false, err
	}
	b.result.Files, b.result.Entries = append(b.result.Files, file.Name), b.result.Entries+len(written)
	b.m.log.InfoContext(ctx, "archive backed up", "run_id", b.header.RunID, "file", file.Name, "entries", len(written), "rows", file.Rows)
	return full, nil
}

// page reads entries that are in no file.
func (b *backingUp) page(ctx context.Context, after int64) ([]Archived, error) {
	return retryWithin(ctx, readTimeout, func(ctx context.Context) ([]Archived, error) { return b.archiver.NotBackedUp(ctx, after, backupPage) })
}

// groups divides entries into groups whose rows are read at once: up to backupGroup bytes, or a single larger entry.
func groups(page []Archived) iter.Seq[[]Archived] {
	return func(yield func([]Archived) bool) {
		for len(page) > 0 {
			n := 1
			for n < len(page) && sizeOf(page[:n+1]) <= backupGroup {
				n++
			}
			if !yield(page[:n]) {
				return
			}
			page = page[n:]
		}
	}
}

func sizeOf(entries []Archived) (bytes int64) {
	for _, e := range entries {
		bytes += e.Bytes
	}
	return bytes
}

// copy adds entries to a file, and returns those that were still there.
func (b *backingUp) copy(ctx context.Context, group []Archived, add func(ArchivedCopy) error) ([]int64, error) {
	all := make([]int64, len(group))
	for i, e := range group {
		all[i] = e.ID
	}
	content, err := retryWithin(ctx, readTimeout, func(ctx context.Context) (map[int64][]ArchivedRow, error) {
		return b.archiver.ArchivedContents(ctx, all)
	})
	if err != nil {
		return nil, err
	}
	var copied []int64
	for _, e := range group {
		rows := content[e.ID]
		if len(rows) == 0 { // it was restored meanwhile
			continue
		}
		if err := add(ArchivedCopy{e, rows}); err != nil {
			return nil, err
		}
		copied = append(copied, e.ID)
	}
	return copied, nil
}

// mark marks entries that are in a verified file.
func (b *backingUp) mark(ctx context.Context, ids []int64) error {
	for len(ids) > 0 {
		if err := b.alive(ctx); err != nil {
			return err
		}
		n := min(len(ids), backupMarks)
		_, err := retryWithin(ctx, callTimeout, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, b.archiver.MarkBackedUp(ctx, ids[:n])
		})
		if err != nil {
			return fmt.Errorf("mark entries as backed up: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

// call calls Backups, and keeps the run's lease meanwhile. Every call ends; see BackupsOf.
func (b *backingUp) call(ctx context.Context, do func(context.Context) (BackupFile, error)) (BackupFile, error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	var file BackupFile
	result, err := b.m.during(context.WithoutCancel(ctx), b.alive, func() (err error) {
		file, err = do(limited)
		return err
	})
	if err != nil { // the lease is lost, and the call still running
		return BackupFile{}, err
	}
	return file, result
}
