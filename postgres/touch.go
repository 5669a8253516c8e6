package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Touch writes the last activity of sessions. It waits for locked ones one at a time while it holds no other lock, so
// it is never part of a deadlock. Sessions that are still locked after Config.LockTimeout count as written: they are
// recorded in a table of the library, and the next run writes them.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	ids, ago := m.used(t)
	if len(ids) == 0 || t.OwnerID != "" && !m.isOwner(t.OwnerID) {
		return 0, nil
	}
	var revived []string
	if t.Reactivate != nil {
		if revived, err = s.reactivate(ctx, m, t, ids, ago); err != nil {
			return 0, s.failed("reactivate sessions", err)
		}
		for i := len(ids) - 1; i >= 0; i-- {
			if slices.Contains(revived, ids[i]) {
				ids, ago = slices.Delete(ids, i, i+1), slices.Delete(ago, i, i+1)
			}
		}
	}
	touched, err := s.touch(ctx, m, t, ids, ago)
	return len(revived) + touched, s.failed("touch sessions", err)
}

func (s *Store) touch(ctx context.Context, m *mapping, t sessioncleanup.Touch, ids []string, ago []int64) (touched int, err error) {
	var locked []string
	var ats []time.Time // of their touches
	interval := max(t.Interval, 0).Microseconds()
	// A transaction, so that a touch which waits for a lock on the whole table is not committed after its context has ended.
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("touch"), ids, orNull(t.OwnerID), interval, ago).QueryRow(func(row pgx.Row) error { return row.Scan(&touched, &locked, &ats) })
	}, nil)
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
				batch.Queue(m.statement("touch_one"), id, orNull(t.OwnerID), interval, ats[i]).QueryRow(func(row pgx.Row) error { return row.Scan(&written) })
			}, nil)
		}
		if left <= 0 || hasCode(err, codeLockNotAvailable) {
			_, err := s.pool.Exec(ctx, m.statement("touch_note"), locked[i:], ats[i:])
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
func (s *Store) reactivate(ctx context.Context, m *mapping, t sessioncleanup.Touch, ids []string, ago []int64) (revived []string, err error) {
	var ats []time.Time
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("lock_revivable"), ids, orNull(t.OwnerID), ago).Query(func(rows pgx.Rows) error {
			var id string
			var at time.Time
			_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
				revived, ats = append(revived, id), append(ats, at)
				return nil
			})
			return err
		})
	}, func(batch *pgx.Batch) error {
		if len(revived) > 0 {
			batch.Queue(m.statement("reactivate"), revived, ats, t.Reactivate.Actor, t.Reactivate.Reason, t.Reactivate.RunID).
				QueryRow(func(row pgx.Row) error { return row.Scan(&revived) })
		}
		return nil
	})
	return revived, err
}
