package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Sweep does one batch, in one call of a function of the database and one commit.
func (s *Store) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	m, err := s.ready(ctx)
	if err != nil || m.matchesNothing(b.Filter) {
		return sessioncleanup.BatchResult{}, err
	}
	var out sessioncleanup.BatchResult
	var bad *rowError
	var began time.Time
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		began = time.Now() // there is a connection
		if b.Lease.Name != "" {
			batch.Queue(m.statement("lease_guard"), b.Lease.Name).QueryRow(func(row pgx.Row) error {
				lease, now, err := scanLease(row)
				if ignoreNoRows(err) == nil && !lease.Guards(b.Lease, now) {
					err = sessioncleanup.ErrLeaseLost
				}
				return err
			})
		}
		batch.Queue(m.statement("sweep"), string(b.Action), b.Cutoffs.Now, moment(b.Cutoffs.Inactive), moment(b.Cutoffs.Delete), b.Limit, b.After,
			orNull(b.Filter.ID), orNull(b.Filter.OwnerID), orNull(b.Filter.Text), b.Cause.Actor, b.Cause.Reason, b.Cause.RunID).
			QueryRow(func(row pgx.Row) error {
				var failure rowError
				if err := row.Scan(&out.IDs, &out.Next, &failure.code, &failure.message); err != nil || failure.code == "" {
					return err
				}
				bad = &failure
				return bad
			})
	}, nil)
	undone := sessioncleanup.BatchResult{Held: time.Since(began)}
	if s.writers.busy() {
		undone.Pause = b.PauseAfter(undone.Held)
	}
	switch {
	case err == nil:
		out.Held, out.Pause = undone.Held, undone.Pause
		return out, nil
	case bad != nil:
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: bad}
	case hasCode(err, "23503", "23505", "23514", "23P01", "P0001") && len(out.IDs) > 0: // found at the commit
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: err}
	default:
		return sessioncleanup.BatchResult{}, s.failed("clean up a batch of sessions", err)
	}
}
