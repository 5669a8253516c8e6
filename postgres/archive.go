package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

var _ sessioncleanup.Archiver = (*Store)(nil)

// condition is NULL for what may be either way.
func condition(s sessioncleanup.Switch) *bool {
	if s == sessioncleanup.Default {
		return nil
	}
	on := s == sessioncleanup.On
	return &on
}

func archiveArgs(q sessioncleanup.ArchiveQuery) []any {
	return []any{
		q.IDs, orNull(q.SessionID), orNull(q.OwnerID), moment(q.Until), condition(q.BackedUp), condition(q.Held),
		len(q.Rules) > 0 || !q.Until.IsZero(), purgeRulesOf(q.Rules),
	}
}

// Archived returns the entries of the archive that match the query, newest first.
func (s *Store) Archived(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
	var before *int64
	if q.Before != 0 {
		before = &q.Before
	}
	return collect(ctx, s, "archived", scanArchived, append(archiveArgs(q), before, q.Limit)...)
}

func scanArchived(row pgx.CollectableRow) (a sessioncleanup.Archived, err error) {
	var backedUp *time.Time
	err = row.Scan(&a.ID, &a.SessionID, &a.OwnerID, &a.Name, &a.At, &a.Actor, &a.Reason, &a.RunID, &a.Rows, &a.Bytes, &backedUp, &a.Held, &a.Tags)
	if len(a.Tags) == 0 {
		a.Tags = nil
	}
	a.At = a.At.UTC()
	if backedUp != nil {
		a.BackedUpAt = backedUp.UTC()
	}
	return a, err
}

// CountArchived counts the entries that match the query.
func (s *Store) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (n int, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	err = s.pool.QueryRow(ctx, m.statement("archived_count"), archiveArgs(q)...).Scan(&n)
	return n, s.failed("count the archive", err)
}

// ArchiveSize measures the archive.
func (s *Store) ArchiveSize(ctx context.Context) (size sessioncleanup.ArchiveSize, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return size, err
	}
	err = s.pool.QueryRow(ctx, m.statement("archive_size")).Scan(&size.Entries, &size.Bytes)
	return size, s.failed("measure the archive", err)
}

// ArchivedRows returns rows of an entry. Only the owner of the tables may.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) ([]sessioncleanup.ArchivedRow, error) {
	return collect(ctx, s, "archived_rows", func(row pgx.CollectableRow) (r sessioncleanup.ArchivedRow, err error) {
		var data string
		err = row.Scan(&r.Number, &r.Table, &r.Unlinked, &data)
		r.Row = json.RawMessage(data)
		return r, err
	}, id, after, limit)
}

// Restore brings entries of the archive back, in the database.
func (s *Store) Restore(ctx context.Context, r sessioncleanup.RestoreRequest) (sessioncleanup.Restored, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Restored{}, err
	}
	entries, err := s.Archived(ctx, sessioncleanup.ArchiveQuery{IDs: r.IDs, OwnerID: r.OwnerID, Limit: len(r.IDs)})
	if err != nil {
		return sessioncleanup.Restored{}, err
	}
	byID := map[int64]sessioncleanup.Archived{}
	for _, e := range entries {
		byID[e.ID] = e
	}
	var out sessioncleanup.Restored
	var ids []int64
	obstacles, newIDs := "[]", "[]"
	restore := func(batch *pgx.Batch, asked, renewed []int64) {
		batch.Queue(m.statement("restore"), asked, orNull(r.OwnerID), r.Cause.Actor, r.Cause.Reason, r.Cause.RunID, r.DryRun, renewed).QueryRow(func(row pgx.Row) error {
			return row.Scan(&ids, &out.Rows, &out.Relinked, &obstacles, &newIDs)
		})
	}
	if len(r.Copies) == 0 {
		err = s.transact(ctx, s.cfg.BatchTimeout, func(batch *pgx.Batch) { restore(batch, r.IDs, r.NewIDs) })
	} else {
		c := copies{m: m, given: r.Copies}
		if err := c.check(); err != nil {
			return out, err
		}
		err = s.transact(ctx, s.cfg.BatchTimeout, c.insert, func(batch *pgx.Batch) error {
			c.insertRows(batch)
			c.findElsewhere(batch, &obstacles)
			return nil
		}, func(batch *pgx.Batch) error {
			if obstacles != "[]" {
				return errUndo
			}
			restore(batch, append(slices.Clone(r.IDs), c.ids...), c.renewed(r))
			return nil
		}, func(*pgx.Batch) error {
			if r.DryRun || obstacles != "[]" {
				return errUndo
			}
			return nil
		})
		if errors.Is(err, errUndo) {
			err = nil
		}
		for i, id := range c.ids {
			byID[id] = r.Copies[i].Archived
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(obstacles), &out.Obstacles)
	}
	if err != nil {
		return sessioncleanup.Restored{}, s.failed("restore from the archive", err)
	}
	if len(out.Obstacles) > 0 {
		out.Rows, out.Relinked = 0, 0
		for i := range out.Obstacles {
			e := byID[out.Obstacles[i].Entry]
			out.Obstacles[i].Entry, out.Obstacles[i].SessionID = e.ID, e.SessionID
		}
		return out, nil
	}
	for _, id := range ids {
		out.Entries = append(out.Entries, byID[id])
	}
	var renamed []struct {
		Entry int64
		New   string
	}
	if err := json.Unmarshal([]byte(newIDs), &renamed); err != nil {
		return sessioncleanup.Restored{}, s.failed("restore from the archive", err)
	}
	for _, n := range renamed {
		out.Rename(byID[n.Entry].ID, n.New)
	}
	return out, nil
}

// Purge permanently removes the oldest entries that were archived before a given moment.
func (s *Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
	var out sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return out, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	m, err := s.ready(ctx)
	if err != nil {
		return out, err
	}
	started := time.Now()
	err = s.transact(ctx, min(batchLimit, s.cfg.BatchTimeout), func(batch *pgx.Batch) {
		queueGuard(batch, m, b.Lease)
		batch.Queue(m.statement("purge"), moment(before), b.BackedUp, b.Limit, b.After, b.Cause.Actor, b.Cause.Reason, b.Cause.RunID, purgeRulesOf(b.PurgeRules)).QueryRow(func(row pgx.Row) error {
			return row.Scan(&out.IDs, &out.Next)
		})
	})
	if err != nil {
		return sessioncleanup.BatchResult{}, s.failed("purge the archive", err)
	}
	if s.writers.busy() {
		out.Pause = b.PauseAfter(time.Since(started))
	}
	return out, nil
}
