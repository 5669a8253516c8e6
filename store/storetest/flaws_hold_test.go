package storetest

import (
	"context"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// released is a request to release entries, in spite of what was asked before.
func released(ids ...int64) sessioncleanup.HoldRequest {
	return sessioncleanup.HoldRequest{IDs: ids, Cause: person("careless")}
}

func holdFlaws() []flaw {
	return []flaw{
		{"holds nothing", archives(func(c *careless, _ *broken) {
			c.hold = func(ctx context.Context, r sessioncleanup.HoldRequest) ([]sessioncleanup.Archived, error) {
				return c.Archiver.Archived(ctx, sessioncleanup.ArchiveQuery{IDs: r.IDs, Limit: everything})
			}
		}), []func(*fixture){archiveHolds, archivePurgesEntries}},
		{"holds what it can of several entries", archives(func(c *careless, _ *broken) {
			c.hold = func(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
				for i := range r.IDs {
					one := r
					one.IDs = r.IDs[i : i+1]
					found, err := c.Archiver.Hold(ctx, one)
					if err != nil {
						return nil, err
					}
					all = append(all, found...)
				}
				return all, nil
			}
		}), []func(*fixture){archiveHolds}},
		{"restores what is held", archives(func(c *careless, _ *broken) {
			c.restore = func(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
				if _, err := c.Archiver.Hold(ctx, released(r.IDs...)); err != nil {
					return sessioncleanup.Restored{}, err
				}
				return c.Archiver.Restore(ctx, r)
			}
		}), []func(*fixture){archiveHolds}},
		{"purges what is held", archives(func(c *careless, _ *broken) {
			c.purge = func(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
				held, err := c.Archiver.Archived(ctx, sessioncleanup.ArchiveQuery{Held: sessioncleanup.On, Limit: everything})
				if err == nil && len(held) > 0 {
					_, err = c.Archiver.Hold(ctx, released(entriesOf(held)...))
				}
				if err != nil {
					return sessioncleanup.BatchResult{}, err
				}
				return c.Archiver.Purge(ctx, b, before)
			}
		}), []func(*fixture){archiveHolds}},
		{"lists what is held with the others", asksArchived(func(q *sessioncleanup.ArchiveQuery) { q.Held = sessioncleanup.Default }), []func(*fixture){archiveHolds}},
		{"purges single entries although they are held", archives(func(c *careless, _ *broken) {
			c.entries = func(ctx context.Context, r sessioncleanup.PurgeRequest) ([]sessioncleanup.Archived, error) {
				r.Held = true
				return c.Archiver.PurgeEntries(ctx, r)
			}
		}), []func(*fixture){archivePurgesEntries}},
		{"purges what it can of several entries", archives(func(c *careless, _ *broken) {
			c.entries = func(ctx context.Context, r sessioncleanup.PurgeRequest) (all []sessioncleanup.Archived, err error) {
				for i := range r.IDs {
					one := r
					one.IDs = r.IDs[i : i+1]
					gone, err := c.Archiver.PurgeEntries(ctx, one)
					if err != nil {
						return nil, err
					}
					all = append(all, gone...)
				}
				return all, nil
			}
		}), []func(*fixture){archivePurgesEntries}},
		{"forgets who was erased", archives(func(c *careless, _ *broken) {
			c.erasedAt = func(context.Context, []string) (map[string]time.Time, error) { return nil, nil }
		}), []func(*fixture){archiveTombstones}},
		{"takes every owner for erased", archives(func(c *careless, _ *broken) {
			c.erasedAt = func(_ context.Context, owners []string) (map[string]time.Time, error) {
				all := map[string]time.Time{}
				for _, owner := range owners {
					all[owner] = time.Now()
				}
				return all, nil
			}
		}), []func(*fixture){archiveTombstones}},
		{"looks up the first of several erased owners only", archives(func(c *careless, _ *broken) {
			c.erasedAt = func(ctx context.Context, owners []string) (map[string]time.Time, error) {
				return c.Archiver.ErasedAt(ctx, owners[:min(1, len(owners))])
			}
		}), []func(*fixture){archiveTombstones}},
	}
}
