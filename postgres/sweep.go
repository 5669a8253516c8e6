package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	batchLimit  = 10 * time.Second // for a batch, unless Config.BatchTimeout is shorter
	singleLimit = time.Minute      // for a batch of one session
)

// Sweep does one batch with one call of a database function and one commit. It retries a batch that takes too long with
// fewer sessions.
func (s *Store) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	ready := s.ready
	if b.After == "" {
		ready = s.readyToRun
	}
	m, err := ready(ctx)
	if err != nil || m.matchesNothing(b.Filter) {
		return sessioncleanup.BatchResult{}, err
	}
	if b.Action == sessioncleanup.ActionDated && b.After == "" { // the first batch of a run; the next ones refuse what is reported
		if err := s.checkBranches(ctx, m, func(string, ...any) {}); err != nil {
			return sessioncleanup.BatchResult{}, err
		}
	}
	for {
		out, err := s.sweep(ctx, m, b)
		if b.Limit == 1 || !hasCode(err, codeQueryCanceled) || ctx.Err() != nil {
			return out, err
		}
		if b.Only != nil { // the caller divides them
			return out, &sessioncleanup.BatchError{IDs: b.Only, Err: err}
		}
		b.Limit = max(1, b.Limit/8)
	}
}

func (s *Store) sweep(ctx context.Context, m *mapping, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	limit := min(batchLimit, s.cfg.BatchTimeout)
	if b.Limit == 1 {
		limit = singleLimit
	}
	var archiveRows, archiveBytes any
	if b.Archive != nil {
		archiveRows, archiveBytes = b.Archive.MaxRows, b.Archive.MaxBytes
	}
	var only []string
	if b.Only != nil {
		only = slices.DeleteFunc(slices.Clone(b.Only), func(id string) bool { return !m.isID(id) })
	}
	var out sessioncleanup.BatchResult
	var bad *rowError
	err := s.transact(ctx, limit, func(batch *pgx.Batch) {
		batch.Queue(m.statement("sweep_table"))
		queueGuard(batch, m, b.Lease)
		before := map[uint32]int{}
		if b.Action == sessioncleanup.ActionDeleted {
			queueDeleted(batch, m, func(table uint32, rows int, _ float64) { before[table] = rows })
		}
		batch.Queue(m.statement("sweep"), string(b.Action), b.Cutoffs.Now, moment(b.Cutoffs.Inactive), moment(b.Cutoffs.Delete), b.After,
			orNull(b.Filter.ID), orNull(b.Filter.OwnerID), words(b.Filter), b.Cause.Actor, b.Cause.Reason, b.Cause.RunID, b.Limit, archiveRows, archiveBytes, only,
			moment(b.Cutoffs.Warned), moment(b.Cutoffs.GivenUp), rulesOf(b.Cutoffs)).
			QueryRow(func(row pgx.Row) (err error) {
				out, bad, err = scanSweep(row, b)
				if err == nil && bad != nil {
					err = bad
				}
				return err
			})
		if b.Action == sessioncleanup.ActionDeleted {
			queueDeleted(batch, m, func(table uint32, rows int, each float64) {
				rows -= before[table]
				out.Rows += rows
				if b.Archive == nil {
					out.Bytes += int64(float64(rows) * each)
				}
			})
		}
	})
	if s.writers.busy() {
		out.Pause = b.PauseAfter(out.Held)
	}
	undone := sessioncleanup.BatchResult{Held: out.Held, Pause: out.Pause}
	atCommit, _ := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil:
		return out, nil
	case bad != nil:
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: bad, Locked: isLock(bad.state()), Code: bad.code}
	case atCommit != nil && len(out.IDs) > 0 && !errors.Is(mapError("", err), sessioncleanup.ErrUnavailable):
		return undone, &sessioncleanup.BatchError{IDs: out.IDs, Next: out.Next, Err: err, Code: atCommit.Code + " " + atCommit.ConstraintName}
	default:
		return sessioncleanup.BatchResult{}, s.failed("clean up a batch of sessions", s.lockedBy(ctx, m, err))
	}
}

// queueDeleted queues the question how many rows this connection deleted from which table, and how many bytes each of
// them takes.
func queueDeleted(batch *pgx.Batch, m *mapping, found func(table uint32, rows int, bytes float64)) {
	batch.Queue(m.statement("deleted_rows")).Query(func(rows pgx.Rows) error {
		var table uint32
		var n int
		var each float64
		_, err := pgx.ForEachRow(rows, []any{&table, &n, &each}, func() error {
			found(table, n, each)
			return nil
		})
		return err
	})
}

// queueGuard queues the check that a batch still has its lease, and keeps it until the batch is committed.
func queueGuard(batch *pgx.Batch, m *mapping, held sessioncleanup.Lease) {
	if held.Name == "" {
		return
	}
	batch.Queue(m.statement("lease_guard"), held.Name).QueryRow(func(row pgx.Row) error {
		lease, now, err := scanLease(row)
		if ignoreNoRows(err) == nil && !lease.Guards(held, now) {
			err = sessioncleanup.ErrLeaseLost
		}
		return err
	})
}

// scanSweep reads what a batch did, or the failure because of which it did nothing.
func scanSweep(row pgx.Row, b sessioncleanup.Batch) (out sessioncleanup.BatchResult, bad *rowError, err error) {
	var skipped, reasons []string
	var failure rowError
	var held int64
	if err := row.Scan(&out.IDs, &out.Next, &skipped, &reasons, &failure.code, &failure.message, &held); err != nil {
		return out, nil, err
	}
	out.Held = max(time.Duration(held)*time.Microsecond, time.Microsecond) // zero would stand for the time of the call
	for i, id := range skipped {
		out.Skipped = append(out.Skipped, sessioncleanup.Skipped{SessionID: id, Action: b.Action, Reason: reasons[i]})
	}
	if failure.code != "" {
		bad = &failure
	}
	return out, bad, nil
}
