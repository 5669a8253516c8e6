package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// Hold holds or releases entries of the archive. Only the owner of the tables may.
func (s *Store) Hold(ctx context.Context, r sessioncleanup.HoldRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, "hold entries of the archive", r.IDs, func(m *mapping, batch *pgx.Batch, found []sessioncleanup.Archived) error {
		changed := archive.Hold(found, r.Held)
		all = found
		if len(changed) > 0 {
			batch.Queue(m.statement("hold"), r.IDs, r.Held)
			queueEvent(batch, m, eventOf(r.Action(), r.Cause, changed...), nil)
		}
		return nil
	})
	return all, err
}

// PurgeEntries permanently removes entries of the archive. Only the owner of the tables may.
func (s *Store) PurgeEntries(ctx context.Context, r sessioncleanup.PurgeRequest) (all []sessioncleanup.Archived, err error) {
	err = s.onEntries(ctx, "purge entries of the archive", r.IDs, func(m *mapping, batch *pgx.Batch, found []sessioncleanup.Archived) error {
		refs, err := archive.Purged(found, r.Held)
		if all = found; err != nil {
			return err
		}
		batch.Queue(m.statement("purge_entry_rows"), r.IDs)
		batch.Queue(m.statement("purge_entries"), r.IDs)
		queueEvent(batch, m, eventOf(sessioncleanup.ActionPurged, r.Cause, refs...), nil)
		return nil
	})
	return all, err
}

// onEntries locks entries of the archive, all of them or none, and sends what change queues for them, the newest first.
func (s *Store) onEntries(ctx context.Context, doing string, ids []int64, change func(*mapping, *pgx.Batch, []sessioncleanup.Archived) error) error {
	m, err := s.ready(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	var found []sessioncleanup.Archived
	return s.failed(doing, s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("archived_locked"), ids).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectRows(rows, scanArchived)
			return err
		})
	}, func(batch *pgx.Batch) error {
		if len(found) < len(archive.Distinct(ids)) {
			return sessioncleanup.ErrNotArchived
		}
		return change(m, batch, found)
	}))
}

// Tombstone notes that an owner is erased. Only the owner of the tables may.
func (s *Store) Tombstone(ctx context.Context, owner string) error {
	m, err := s.ready(ctx)
	if err != nil {
		return err
	}
	return s.failed("note that an owner is erased", s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("put_tombstone"), archive.Tombstone(owner))
	}, nil))
}

// ErasedAt returns when owners were erased.
func (s *Store) ErasedAt(ctx context.Context, owners []string) (map[string]time.Time, error) {
	hashed := archive.Tombstones(owners)
	all := map[string]time.Time{}
	_, err := collect(ctx, s, "tombstones", func(row pgx.CollectableRow) (struct{}, error) {
		var hash string
		var at time.Time
		err := row.Scan(&hash, &at)
		all[hashed[hash]] = at.UTC()
		return struct{}{}, err
	}, slices.Collect(maps.Keys(hashed)))
	return all, err
}
