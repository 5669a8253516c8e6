package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// unsafe is a sound Archiver that backs up as its fields say.
type unsafe struct {
	sessioncleanup.Archiver
	list     func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error)
	mark     func(ctx context.Context, ids []int64) error
	contents func(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error)
}

func (u *unsafe) NotBackedUp(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
	return u.list(ctx, after, limit)
}

func (u *unsafe) MarkBackedUp(ctx context.Context, ids []int64) error { return u.mark(ctx, ids) }

func (u *unsafe) ArchivedContents(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
	return u.contents(ctx, ids)
}

// backsUp replaces what an Archiver does for backups.
func backsUp(change func(u *unsafe)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		a := b.Archiver
		u := &unsafe{Archiver: a, list: a.NotBackedUp, mark: a.MarkBackedUp, contents: a.ArchivedContents}
		change(u)
		b.Archiver = u
	}
}

// asksNotBackedUp changes what is asked for.
func asksNotBackedUp(change func(after *int64, limit *int)) func(*Harness, *broken) {
	return backsUp(func(u *unsafe) {
		u.list = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
			change(&after, &limit)
			return u.Archiver.NotBackedUp(ctx, after, limit)
		}
	})
}

// asksMarks changes what is marked.
func asksMarks(change func(ids []int64) []int64) func(*Harness, *broken) {
	return backsUp(func(u *unsafe) {
		u.mark = func(ctx context.Context, ids []int64) error { return u.Archiver.MarkBackedUp(ctx, change(ids)) }
	})
}

// asksPurge changes what is asked to be purged.
func asksPurge(change func(*sessioncleanup.Batch)) func(*Harness, *broken) {
	return archives(func(c *careless, _ *broken) {
		c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
			change(&b)
			return c.Archiver.Purge(ctx, b, before)
		}
	})
}

func backupFlaws() []flaw {
	return []flaw{
		{"forgets what is backed up", asksMarks(func([]int64) []int64 { return nil }), []func(*fixture){backupMarks}},
		{"marks the neighbors of what is backed up", asksMarks(func(ids []int64) []int64 {
			for _, id := range slices.Clone(ids) {
				ids = append(ids, id+1)
			}
			return ids
		}), []func(*fixture){backupMarks}},
		{"lists what is backed up as if it were not", backsUp(func(u *unsafe) {
			u.list = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
				all, err := u.Archived(ctx, sessioncleanup.ArchiveQuery{Limit: everything})
				all = slices.DeleteFunc(all, func(a sessioncleanup.Archived) bool { return a.ID <= after })
				slices.Reverse(all)
				return all[:min(limit, len(all))], err
			}
		}), []func(*fixture){backupMarks}},
		{"lists what is not backed up from the newest on", backsUp(func(u *unsafe) {
			u.list = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
				all, err := u.Archiver.NotBackedUp(ctx, after, limit)
				slices.Reverse(all)
				return all, err
			}
		}), []func(*fixture){backupMarks}},
		{"begins each list of what is not backed up anew", asksNotBackedUp(func(after *int64, _ *int) { *after = 0 }), []func(*fixture){backupMarks}},
		{"lists more of what is not backed up than it was asked for", asksNotBackedUp(func(_ *int64, limit *int) { *limit++ }), []func(*fixture){backupMarks}},
		{"lists the archive whether it is backed up or not", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.BackedUp = sessioncleanup.Default }), []func(*fixture){backupMarks}},
		{"purges what is not backed up", asksPurge(func(b *sessioncleanup.Batch) { b.BackedUp = false }), []func(*fixture){backupPurges}},
		{"purges only what is backed up, whatever it was asked", asksPurge(func(b *sessioncleanup.Batch) { b.BackedUp = true }), []func(*fixture){backupPurges, archivePurges}},
		{"leaves entries out of a backup", backsUp(func(u *unsafe) {
			u.contents = func(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
				return u.Archiver.ArchivedContents(ctx, ids[:1])
			}
		}), []func(*fixture){backupRestores, backupAllOrNone}},
		{"mixes up the rows of entries", backsUp(func(u *unsafe) {
			u.contents = func(ctx context.Context, ids []int64) (map[int64][]sessioncleanup.ArchivedRow, error) {
				all, err := u.Archiver.ArchivedContents(ctx, ids)
				if err == nil {
					all[ids[0]], all[ids[1]] = all[ids[1]], all[ids[0]]
				}
				return all, err
			}
		}), []func(*fixture){backupRestores}},
		{"restores nothing of a backup", asksRestore(func(r *sessioncleanup.RestoreRequest) { r.Copies = nil }), []func(*fixture){backupRestores, backupAllOrNone}},
		{"restores copies in a dry run", asksRestore(func(r *sessioncleanup.RestoreRequest) { r.DryRun = r.DryRun && len(r.Copies) == 0 }), []func(*fixture){backupRestores}},
		{"restores what it can of several copies", archives(func(c *careless, _ *broken) {
			c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
				var all sessioncleanup.Restored
				for _, one := range r.Copies {
					single := r
					single.Copies = []sessioncleanup.ArchivedCopy{one}
					out, err := c.Archiver.Restore(ctx, single)
					if err != nil {
						return all, err
					}
					all.Entries, all.Obstacles = append(all.Entries, out.Entries...), append(all.Obstacles, out.Obstacles...)
				}
				return all, nil
			}
		}), []func(*fixture){backupAllOrNone}},
		{"keeps copies in the archive", restoresThen(func(ctx context.Context, b *broken, r sessioncleanup.RestoreRequest, _ *sessioncleanup.Restored) error {
			if len(r.Copies) == 0 {
				return nil
			}
			s := sessioncleanup.Session{ID: "left behind"}
			err := b.app.Put(s)
			if err == nil {
				_, err = b.Delete(ctx, sessioncleanup.Target{ID: s.ID, Archive: archiving()}, r.Cause)
			}
			return err
		}), []func(*fixture){backupRestores, backupAllOrNone}},
	}
}
