package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
)

// Touch writes the last activity of sessions. For those that are locked it waits one at a time, holding no other lock, so
// that it is never part of a deadlock; those still locked after Config.LockTimeout are noted in a table of the library's
// own, to be written by the next run, and count as written.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	ids := m.onlyIDs(t.IDs)
	if len(ids) == 0 || t.OwnerID != "" && !m.isOwner(t.OwnerID) {
		return 0, nil
	}
	var revived []string
	if t.Reactivate != nil {
		if revived, err = s.reactivate(ctx, m, t, ids); err != nil {
			return 0, s.failed("reactivate sessions", err)
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(revived, id) })
	}
	touched, err := s.touch(ctx, m, t, ids)
	return len(revived) + touched, s.failed("touch sessions", err)
}

func (s *Store) touch(ctx context.Context, m *mapping, t sessioncleanup.Touch, ids []string) (touched int, err error) {
	var locked []string
	interval := max(t.Interval, 0).Microseconds()
	err = s.pool.QueryRow(ctx, m.statement("touch"), ids, orNull(t.OwnerID), interval).Scan(&touched, &locked)
	if err != nil {
		return 0, err
	}
	patience := time.Now().Add(s.cfg.LockTimeout)
	for i, id := range locked {
		written, err := 0, error(nil)
		left := time.Until(patience)
		if left > 0 {
			err = s.inTx(ctx, func(batch *pgx.Batch) {
				batch.Queue("SELECT set_config('lock_timeout', $1::text, true)", milliseconds(left))
				batch.Queue(m.statement("touch_one"), id, orNull(t.OwnerID), interval).Exec(func(tag pgconn.CommandTag) error {
					written = int(tag.RowsAffected())
					return nil
				})
			}, nil)
		}
		if left <= 0 || hasCode(err, codeLockNotAvailable) {
			_, err := s.pool.Exec(ctx, m.statement("touch_note"), locked[i:])
			return touched + len(locked[i:]), err
		}
		if err != nil {
			return touched, err
		}
		touched += written
	}
	return touched, nil
}

// reactivate waits for inactive sessions that are locked: whether they become active again cannot be noted for later. It
// takes their locks in the order of their ids.
func (s *Store) reactivate(ctx context.Context, m *mapping, t sessioncleanup.Touch, ids []string) (revived []string, err error) {
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("lock_inactive"), ids, orNull(t.OwnerID)).Query(func(rows pgx.Rows) (err error) {
			revived, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	}, func(batch *pgx.Batch) error {
		if len(revived) > 0 {
			batch.Queue(m.statement("reactivate"), revived, t.Reactivate.Actor, t.Reactivate.Reason, t.Reactivate.RunID).
				QueryRow(func(row pgx.Row) error { return row.Scan(&revived) })
		}
		return nil
	})
	return revived, err
}
