package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// careless is a sound Archiver of which some methods are replaced.
type careless struct {
	sessioncleanup.Archiver
	archived func(context.Context, sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error)
	restore  func(context.Context, sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error)
	purge    func(context.Context, sessioncleanup.Batch, time.Time) (sessioncleanup.BatchResult, error)
	hold     func(context.Context, sessioncleanup.HoldRequest) ([]sessioncleanup.Archived, error)
	entries  func(context.Context, sessioncleanup.PurgeRequest) ([]sessioncleanup.Archived, error)
	erasedAt func(context.Context, []string) (map[string]time.Time, error)
	forgets  int64 // bytes, in the size
}

func (c *careless) Hold(ctx context.Context, r sessioncleanup.HoldRequest) ([]sessioncleanup.Archived, error) {
	return c.hold(ctx, r)
}

func (c *careless) PurgeEntries(ctx context.Context, r sessioncleanup.PurgeRequest) ([]sessioncleanup.Archived, error) {
	return c.entries(ctx, r)
}

func (c *careless) ErasedAt(ctx context.Context, owners []string) (map[string]time.Time, error) {
	return c.erasedAt(ctx, owners)
}

func (c *careless) ArchiveSize(ctx context.Context) (sessioncleanup.ArchiveSize, error) {
	all, err := c.archived(ctx, sessioncleanup.ArchiveQuery{Limit: everything})
	size := sessioncleanup.ArchiveSize{Entries: len(all), Bytes: -c.forgets}
	for _, a := range all {
		size.Bytes += a.Bytes
	}
	return size, err
}

func (c *careless) Archived(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
	return c.archived(ctx, q)
}

func (c *careless) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (int, error) {
	q.Limit, q.Before = everything, 0
	all, err := c.archived(ctx, q)
	return len(all), err
}

func (c *careless) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
	return c.restore(ctx, r)
}

func (c *careless) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
	return c.purge(ctx, b, before)
}

// archives replaces methods of the Archiver.
func archives(change func(c *careless, b *broken)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		a := b.Archiver
		c := &careless{Archiver: a, archived: a.Archived, restore: a.Restore, purge: a.Purge, hold: a.Hold, entries: a.PurgeEntries, erasedAt: a.ErasedAt}
		change(c, b)
		b.Archiver = c
	}
}

// restoresThen goes on after what was restored.
func restoresThen(do func(ctx context.Context, b *broken, r sessioncleanup.RestoreRequest, out *sessioncleanup.Restored) error) func(*Harness, *broken) {
	return archives(func(c *careless, b *broken) {
		c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
			out, err := c.Archiver.Restore(ctx, r)
			if err == nil {
				err = do(ctx, b, r, &out)
			}
			return out, err
		}
	})
}

// asksRestore changes what is asked to be restored.
func asksRestore(change func(*sessioncleanup.RestoreRequest)) func(*Harness, *broken) {
	return archives(func(c *careless, _ *broken) {
		c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
			change(&r)
			return c.Archiver.Restore(ctx, r)
		}
	})
}

// asksArchived changes the questions to the archive.
func asksArchived(change func(*sessioncleanup.ArchiveQuery)) func(*Harness, *broken) {
	return archives(func(c *careless, _ *broken) {
		c.archived = func(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
			change(&q)
			return c.Archiver.Archived(ctx, q)
		}
	})
}

func archiveFlaws() []flaw {
	return append(holdFlaws(), []flaw{
		{"archives nothing that a run deletes", asksSweep(func(b *sessioncleanup.Batch) { b.Archive = nil }), []func(*fixture){archiveRestores}},
		{"archives nothing that a person deletes", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				t.Archive = nil
				return b.Store.Delete(ctx, t, c)
			}
		}, []func(*fixture){archiveRestores, archiveTaken, archivePurges}},
		{"archives what nobody asked it to", asksSweep(func(b *sessioncleanup.Batch) { b.Archive = archiving() }), []func(*fixture){archiveUnasked}},
		{"archives a session and does not delete it", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				s, err := b.Store.Delete(ctx, t, c)
				if err == nil && t.Archive != nil {
					err = b.app.Put(s)
				}
				return s, err
			}
		}, []func(*fixture){archiveRestores}},
		{"restores sessions as due as they were", restoresThen(func(ctx context.Context, b *broken, r sessioncleanup.RestoreRequest, _ *sessioncleanup.Restored) error {
			sessions, err := b.stored(ctx)
			for i := range sessions {
				if !r.DryRun {
					sessions[i].LastActivity = sessions[i].LastActivity.Add(-50 * day)
				}
			}
			if err == nil {
				err = b.app.Put(sessions...)
			}
			return err
		}), []func(*fixture){archiveRestores}},
		{"loses the names of sessions that it restores", restoresThen(func(ctx context.Context, b *broken, r sessioncleanup.RestoreRequest, _ *sessioncleanup.Restored) error {
			sessions, err := b.stored(ctx)
			for i := range sessions {
				sessions[i].Name = ""
			}
			if err == nil {
				err = b.app.Put(sessions...)
			}
			return err
		}), []func(*fixture){archiveRestores}},
		{"restores in a dry run", asksRestore(func(r *sessioncleanup.RestoreRequest) { r.DryRun = false }), []func(*fixture){archiveRestores}},
		{"restores what belongs to others", asksRestore(func(r *sessioncleanup.RestoreRequest) { r.OwnerID = "" }), []func(*fixture){archiveAllOrNone}},
		{"restores what it can of several entries", archives(func(c *careless, _ *broken) {
			c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
				var all sessioncleanup.Restored
				for _, id := range slices.Compact(slices.Sorted(slices.Values(r.IDs))) {
					one := r
					one.IDs = []int64{id}
					out, err := c.Archiver.Restore(ctx, one)
					if err != nil {
						return all, err
					}
					all.Entries, all.Obstacles = append(all.Entries, out.Entries...), append(all.Obstacles, out.Obstacles...)
				}
				return all, nil
			}
		}), []func(*fixture){archiveAllOrNone, archiveTaken}},
		{"restores over a session that is there", archives(func(c *careless, b *broken) {
			c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
				out, err := c.Archiver.Restore(ctx, r)
				for _, o := range out.Obstacles {
					if _, removeErr := b.app.Remove(o.SessionID); removeErr != nil {
						return out, removeErr
					}
				}
				if len(out.Obstacles) > 0 {
					return c.Archiver.Restore(ctx, r)
				}
				return out, err
			}
		}), []func(*fixture){archiveTaken}},
		{"restores under the old id when a new one is asked for", asksRestore(func(r *sessioncleanup.RestoreRequest) { r.NewIDs = nil }), []func(*fixture){archiveNewID}},
		{"does not say what is in the way", restoresThen(func(_ context.Context, _ *broken, _ sessioncleanup.RestoreRequest, out *sessioncleanup.Restored) error {
			out.Obstacles = nil
			return nil
		}), []func(*fixture){archiveTaken}},
		{"lists the archive of all owners", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.OwnerID = "" }), []func(*fixture){archiveLists}},
		{"lists the archive of all sessions", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.SessionID = "" }), []func(*fixture){archiveLists}},
		{"lists the archive whatever the time", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.Until = time.Time{} }), []func(*fixture){archiveLists}},
		{"begins each page of the archive with the newest entry", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.Before = 0 }), []func(*fixture){archiveLists}},
		{"lists more of the archive than it was asked for", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.Limit++ }), []func(*fixture){archiveLists}},
		{"forgets a byte of the archive's size", archives(func(c *careless, _ *broken) { c.forgets = 1 }), []func(*fixture){archivePurges}},
		{"purges without its lease", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
				b.Lease = sessioncleanup.Lease{}
				return c.Archiver.Purge(ctx, b, before)
			}
		}), []func(*fixture){archivePurges}},
		{"purges what is younger, too", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, _ time.Time) (sessioncleanup.BatchResult, error) {
				return c.Archiver.Purge(ctx, b, time.Now().Add(day))
			}
		}), []func(*fixture){archivePurges}},
		{"purges more than the limit", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
				b.Limit++
				return c.Archiver.Purge(ctx, b, before)
			}
		}), []func(*fixture){archivePurges}},
		{"says that the purge is done when it is not", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
				out, err := c.Archiver.Purge(ctx, b, before)
				out.Next = ""
				return out, err
			}
		}), []func(*fixture){archivePurges}},
	}...)
}
