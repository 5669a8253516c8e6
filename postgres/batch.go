package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// DeactivateDue deactivates one batch, in one call of a function of the database and one commit.
func (s *Store) DeactivateDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, "deactivate", b.Cutoffs.Inactive, b)
}

// DeleteDue deletes one batch, otherwise like DeactivateDue.
func (s *Store) DeleteDue(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	return s.batch(ctx, "delete", b.Cutoffs.Delete, b)
}

func (s *Store) batch(ctx context.Context, action string, cutoff time.Time, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Outcome{}, err
	}
	var out sessioncleanup.Outcome
	var bad rowError
	fenced := b.Lease.Name == ""
	var began time.Time
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		began = time.Now() // there is a connection
		batch.Queue(readWriters).QueryRow(func(row pgx.Row) error {
			var r reading
			err := r.scan(row)
			out.Busy = s.others.busy(r)
			return err
		})
		if b.Lease.Name != "" {
			batch.Queue(l.statement("fence"), b.Lease.Name, b.Lease.Holder, b.Lease.Epoch).Query(func(rows pgx.Rows) error {
				fenced = rows.Next()
				rows.Close()
				return rows.Err()
			})
		}
		batch.Queue(l.statement(action), b.Cutoffs.Now, cutoff, b.Limit, b.After, b.Cause.Actor, b.Cause.Reason, b.Cause.RunID).
			QueryRow(func(row pgx.Row) error {
				if err := row.Scan(&out.IDs, &out.Next, &bad.code, &bad.message); err != nil {
					return err
				}
				switch {
				case !fenced:
					return sessioncleanup.ErrLeaseLost
				case bad.code != "":
					return &bad
				default:
					return nil
				}
			})
	}, nil)
	if out.Took = time.Since(began); err == nil || len(out.IDs) > 0 {
		s.others.begin(ctx, s.pool)
	}
	undone := sessioncleanup.Outcome{Took: out.Took, Busy: out.Busy}
	switch {
	case err == nil:
		return out, nil
	case bad.code != "":
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: &bad}
	case hasCode(err, "23503", "23505", "23514", "23P01", "P0001") && len(out.IDs) > 0: // found at the commit
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: err}
	default:
		return sessioncleanup.Outcome{}, s.failed(action+" what is due", err)
	}
}
