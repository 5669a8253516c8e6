package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

const (
	firstBatch    = 100              // a run's first batch, until its speed is known
	batchGrace    = 5 * time.Second  // what a batch at hand gets to finish when the run is stopped
	finishTimeout = 10 * time.Second // for recording a run and letting its lease go
	maxTries      = 7                // of a batch, on ErrUnavailable
	firstBackoff  = 100 * time.Millisecond
	longestRest   = 10 * time.Second // after a batch, to make way: what takes longer waited for somebody itself
)

// sweep does one phase, batch by batch, until nothing is due.
//
// The size of batches follows the time budget: it doubles while batches take less than half of it and halves when
// they take more. A batch that fails on a row is tried again at half its size, down to that row alone, which is
// reported and passed over.
func (r *run) sweep(ctx context.Context, p phase) error {
	size := r.sized(firstBatch)
	for after := ""; ; {
		if err := r.pause(ctx); err != nil {
			return err
		}
		started := time.Now()
		out, err := r.try(ctx, p, Batch{Cause: r.cause, Cutoffs: r.result.Cutoffs, Limit: size, After: after, Lease: r.lease})
		took := time.Since(started)
		if out.Took > 0 {
			took = out.Took
		}
		if out.Busy {
			r.rest(ctx, took)
		}
		if bad, ok := errors.AsType[*BatchError](err); ok && len(bad.IDs) > 0 {
			if len(bad.IDs) > 1 {
				size = r.sized(len(bad.IDs) / 2)
				continue
			}
			r.fail(ctx, p, bad)
			out, took = Outcome{Next: bad.Next}, 0
		} else if err != nil {
			return err
		}
		r.done(ctx, p, out, started, took)
		if out.Next == "" {
			return nil
		}
		after = out.Next
		switch {
		case took > r.policy.BatchBudget:
			size = r.sized(size / 2)
		case took < r.policy.BatchBudget/2:
			size = r.sized(size * 2)
		}
	}
}

// sized keeps a batch's size within the policy: no more than BatchSize, and with a rate no more than a second's worth.
func (r *run) sized(n int) int {
	most := r.policy.BatchSize
	if r.policy.Rate > 0 {
		most = int(min(float64(most), math.Ceil(r.policy.Rate)))
	}
	return max(1, min(n, most))
}

// done adds a committed batch to the result and charges it to the rate.
func (r *run) done(ctx context.Context, p phase, out Outcome, started time.Time, took time.Duration) {
	if len(out.IDs) > 0 {
		*p.count += len(out.IDs)
		r.result.Batches++
		r.result.LongestBatch = max(r.result.LongestBatch, took)
		r.charge(started, len(out.IDs))
		r.logBatch(ctx, p, out.IDs, took)
	}
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Action: p.action, Done: r.result.Deleted + r.result.Deactivated, Total: r.result.Due, Elapsed: time.Since(r.started)})
	}
}

// charge uses up the rate from when a batch started.
func (r *run) charge(started time.Time, sessions int) {
	if r.policy.Rate <= 0 {
		return
	}
	seconds := min(float64(sessions)/r.policy.Rate, maxThreshold.Seconds()) // what a Duration can hold
	r.holdUntil(started.Add(time.Duration(seconds * float64(time.Second))))
}

// rest has the next batch wait, for the sake of others that are busy: what a run costs them is less a matter of how long a
// batch is than of how often they meet one.
func (r *run) rest(ctx context.Context, took time.Duration) {
	if !r.rested && r.policy.BusyShare < 1 {
		r.rested = true
		r.m.log.InfoContext(ctx, "others write to the database: the run rests after each batch", "run_id", r.cause.RunID, "busy_share", r.policy.BusyShare)
	}
	rest := float64(took) * (1/r.policy.BusyShare - 1)
	r.holdUntil(time.Now().Add(time.Duration(min(rest, float64(longestRest)))))
}

// holdUntil has the next batch begin no sooner.
func (r *run) holdUntil(t time.Time) {
	if r.held.Before(t) {
		r.held = t
	}
}

// logBatch logs a batch, and each of its sessions where somebody wants to know.
func (r *run) logBatch(ctx context.Context, p phase, ids []string, took time.Duration) {
	log := r.m.log.With("run_id", r.cause.RunID, "actor", r.cause.Actor)
	log.InfoContext(ctx, "sessions "+string(p.action), "count", len(ids), "duration", took)
	if log.Enabled(ctx, slog.LevelDebug) {
		for _, id := range ids {
			log.DebugContext(ctx, "session "+string(p.action), "session_id", id)
		}
	}
}

// fail reports a session that cannot be changed.
func (r *run) fail(ctx context.Context, p phase, bad *BatchError) {
	r.result.Failed++
	if len(r.result.Failures) < maxFailures {
		r.result.Failures = append(r.result.Failures, Failure{SessionID: bad.IDs[0], Action: p.action, Error: bad.Err.Error()})
	}
	r.m.log.WarnContext(ctx, "session could not be "+string(p.action),
		"run_id", r.cause.RunID, "session_id", bad.IDs[0], "actor", r.cause.Actor, "error", bad.Err)
}

// try does one batch, again with growing pauses while the database is unavailable. A run that is stopped lets the
// batch at hand finish, within batchGrace.
func (r *run) try(ctx context.Context, p phase, b Batch) (Outcome, error) {
	batchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(batchGrace, cancel) })
	defer stop()
	return retry(ctx, func() (Outcome, error) {
		out, err := p.step(batchCtx, b)
		if _, rolledBack := errors.AsType[*BatchError](err); err != nil && !rolledBack {
			r.inDoubt = true // a connection may break during a commit
		}
		if errors.Is(err, ErrUnavailable) {
			r.m.log.WarnContext(ctx, "batch will be tried again", "run_id", b.Cause.RunID, "error", err)
		}
		return out, err
	})
}

// pause waits, before a batch and outside of any transaction, for as long as the run holds back, and keeps the lease alive.
func (r *run) pause(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(r.renewed) > r.m.leaseTTL/3 {
			if err := r.acquire(ctx); err != nil {
				if errors.Is(err, ErrLeaseHeld) {
					err = fmt.Errorf("%w: %w", ErrLeaseLost, err)
				}
				return err
			}
		}
		wait := time.Until(r.held)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, min(wait, r.m.leaseTTL/3)); err != nil {
			return err
		}
	}
}

// acquire takes the lease of runs, or renews it.
func (r *run) acquire(ctx context.Context) error {
	asked := time.Now()
	lease, err := retry(ctx, func() (Lease, error) {
		return r.m.store.Lease(ctx, LeaseRequest{Name: cleanupName, Holder: r.result.RunID, TTL: r.m.leaseTTL})
	})
	if err != nil {
		return err
	}
	if r.lease.Name != "" && lease.Epoch != r.lease.Epoch { // somebody else had it in between
		return ErrLeaseLost
	}
	r.lease, r.renewed = lease, asked
	return nil
}

func (r *run) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	_, err := r.m.store.Lease(ctx, LeaseRequest{Name: r.lease.Name, Holder: r.lease.Holder})
	return err
}

// retry calls f until it does something else than fail with ErrUnavailable, some times at most.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	backoff := firstBackoff
	for try := 1; ; try++ {
		out, err := f()
		if try == maxTries || !errors.Is(err, ErrUnavailable) {
			return out, err
		}
		if sleep(ctx, backoff) != nil {
			return out, err
		}
		backoff *= 2
	}
}

// sleep waits for d, or fails when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
