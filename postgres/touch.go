package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// Touch writes the last activity of sessions. For those that somebody has locked just then it waits one at a time,
// holding no other lock, so that it is never part of a deadlock; those still locked after Config.LockTimeout are noted
// in a table of the library's own, to be written by the next run, and count as written.
func (s *Store) Touch(ctx context.Context, t sessioncleanup.Touch) (int, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	ids := l.onlyIDs(t.IDs)
	if len(ids) == 0 || t.OwnerID != "" && !l.isOwner(t.OwnerID) {
		return 0, nil
	}
	var revived []string
	if t.Reactivate != nil {
		if revived, err = s.reactivate(ctx, l, t, ids); err != nil {
			return 0, s.failed("reactivate sessions", err)
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(revived, id) })
	}
	touched, err := s.touch(ctx, l, t, ids)
	return len(revived) + touched, s.failed("touch sessions", err)
}

func (s *Store) touch(ctx context.Context, l *layout, t sessioncleanup.Touch, ids []string) (touched int, err error) {
	var locked []string
	err = s.pool.QueryRow(ctx, l.statement("touch"), ids, orNull(t.OwnerID), t.Interval.Microseconds()).Scan(&touched, &locked)
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
				batch.Queue(l.statement("touch_one"), id, orNull(t.OwnerID), t.Interval.Microseconds()).Exec(func(tag pgconn.CommandTag) error {
					written = int(tag.RowsAffected())
					return nil
				})
			}, nil)
		}
		if left <= 0 || hasCode(err, codeLockNotAvailable) {
			_, err := s.pool.Exec(ctx, l.statement("touch_note"), locked[i:], t.Interval.Microseconds())
			return touched + len(locked[i:]), err
		}
		if err != nil {
			return touched, err
		}
		touched += written
	}
	return touched, nil
}

// reactivate waits for inactive sessions that somebody has locked: whether they are to be active again cannot be
// noted for later. It takes their locks in the order of their ids.
func (s *Store) reactivate(ctx context.Context, l *layout, t sessioncleanup.Touch, ids []string) (revived []string, err error) {
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(l.statement("lock_inactive"), ids, orNull(t.OwnerID)).Query(func(rows pgx.Rows) error {
			var err error
			revived, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	}, func(ctx context.Context, conn *pgxpool.Conn) error {
		if len(revived) == 0 {
			return nil
		}
		return conn.QueryRow(ctx, l.statement("reactivate_ids"), revived, t.Reactivate.Actor, t.Reactivate.Reason, t.Reactivate.RunID).Scan(&revived)
	})
	return revived, err
}
