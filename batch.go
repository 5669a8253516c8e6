package sessioncleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	firstBatch   = 100                     // a run's first batch, until its speed is known
	smallBatch   = 50                      // smaller ones only as long as that makes them shorter
	datedBatch   = 1000                    // sessions dated at once
	sameFailures = 100                     // in a row, at the beginning of a phase, end the phase
	batchGrace   = 2500 * time.Millisecond // for the current batch to finish when the run is stopped
)

// sweep does one phase, batch by batch, until nothing is due.
//
// A batch that fails because of a row is tried again at half its size, down to that row alone, which is reported and left
// out.
func (r *run) sweep(ctx context.Context, p phase) error {
	r.reasons = map[string]string{}
	s := &sweeping{run: r, phase: p}
	if p.action == ActionDeleted && r.m.before.call != nil {
		return s.asked(ctx)
	}
	return r.batches(ctx, p.action, firstBatch, func(bad *BatchError) error {
		return s.failed(ctx, bad)
	}, func(out BatchResult, started time.Time, held time.Duration) {
		s.done(ctx, out, started, held)
	})
}

// sweeping is a phase in progress.
type sweeping struct {
	*run
	phase phase
	alike failuresAlike
}

// failed reports a session that a batch could not change. Its error ends the phase.
func (s *sweeping) failed(ctx context.Context, bad *BatchError) error {
	s.fail(ctx, s.phase, bad)
	if !bad.Locked && s.alike.add(bad) {
		return &phaseError{s.phase.action, bad.Err}
	}
	return nil
}

// done adds a batch to the result.
func (s *sweeping) done(ctx context.Context, out BatchResult, started time.Time, held time.Duration) {
	if len(out.IDs) > 0 {
		s.alike.ended = true
	}
	for _, skipped := range out.Skipped {
		s.reasons[skipped.SessionID] = skipped.Reason
	}
	s.run.done(ctx, s.phase, out, started, held)
}

// batches does an action batch by batch, until nothing is left of it, and calls done after each. When a batch has failed
// because of a single row, it calls failed before that; an error of failed ends the batches.
func (r *run) batches(
	ctx context.Context, a Action, first int, failed func(*BatchError) error, done func(out BatchResult, started time.Time, held time.Duration),
) error {
	size := r.startAt(first)
	for after := ""; ; {
		if err := r.pause(ctx); err != nil {
			return err
		}
		started := time.Now()
		out, err := r.try(ctx, Batch{
			Action: a, Filter: r.opts.Filter, Cutoffs: r.result.Cutoffs, Cause: r.cause,
			Limit: size.n, After: after, BusyShare: r.policy.BusyShare, Archive: r.policy.archiving(),
		})
		held := cmp.Or(out.Held, time.Since(started))
		r.yield(ctx, out)
		if bad, ok := errors.AsType[*BatchError](err); ok && len(bad.IDs) > 0 {
			if len(bad.IDs) > 1 {
				size.n = r.sized(len(bad.IDs) / 2)
				continue
			}
			if err := failed(bad); err != nil {
				return err
			}
			out, held = BatchResult{Next: bad.Next}, 0
		} else if err != nil {
			return err
		}
		done(out, started, held)
		if out.Next == "" {
			return nil
		}
		after = out.Next
		size.follow(held)
	}
}

// batchSize is the number of sessions in a run's batches. It follows the time for which they hold their locks: it doubles
// while that is less than half of the budget, and halves while it is more.
type batchSize struct {
	run    *run
	n      int
	larger time.Duration // that time of the batch after which the size was last halved; zero: it never was
}

func (r *run) startAt(n int) batchSize { return batchSize{run: r, n: r.sized(n)} }

// follow sets the size of the next batch after one that held its locks for so long. Small batches that take about as long as
// larger ones do not shrink: what takes the time, a commit on a slow disk for example, is the same for one session.
func (s *batchSize) follow(held time.Duration) {
	budget := s.run.policy.BatchBudget
	switch {
	case held < budget/2:
		s.n = s.run.sized(s.n * 2)
	case held > budget && s.n > smallBatch:
		s.n, s.larger = s.run.sized(max(s.n/2, smallBatch)), held
	case held > budget && (s.larger == 0 || held < s.larger*2/3):
		s.n, s.larger = s.run.sized(s.n/2), held
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

// pause waits, before a batch and outside of any transaction, until r.resume, and keeps the lease alive.
func (r *run) pause(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.renew(ctx); err != nil {
			return err
		}
		left := time.Until(r.resume)
		if left <= 0 {
			return nil
		}
		if err := wait.For(ctx, min(left, r.m.leaseTTL/3)); err != nil {
			return err
		}
	}
}

// try does one batch, again with growing pauses while the database is unavailable, and keeps the lease alive meanwhile. When
// the run is stopped, the current batch may finish, within batchGrace.
func (r *run) try(ctx context.Context, b Batch) (BatchResult, error) {
	batchCtx, cancel := wait.Outlive(ctx, batchGrace)
	defer cancel()
	return retry(ctx, func() (BatchResult, error) {
		if err := r.renew(batchCtx); err != nil {
			return BatchResult{}, err
		}
		b.Lease = r.lease
		out, err := r.send(batchCtx, b)
		if _, rolledBack := errors.AsType[*BatchError](err); err != nil && !rolledBack {
			r.inDoubt = true // a connection may have broken during the commit
		}
		if errors.Is(err, ErrUnavailable) {
			r.m.log.WarnContext(ctx, "a batch failed and will be tried again", "run_id", b.Cause.RunID, "error", err)
		}
		if err == nil {
			r.m.late.working()
		}
		return out, err
	})
}

// send has the store do a batch.
func (r *run) send(ctx context.Context, b Batch) (out BatchResult, err error) {
	ctx, end := r.m.observe.begin(ctx, Operation{Kind: OperationBatch, Name: string(b.Action)})
	err = errPanic // while a panic passes through
	defer func() { end(Ended{Err: err, RunID: b.Cause.RunID, Sessions: len(out.IDs)}) }()
	if b.Action == ActionNoticed {
		return within(ctx, sweepTimeout, func(ctx context.Context) (BatchResult, error) { return r.outbox.Warn(ctx, b) })
	}
	if b.Action == ActionPurged {
		b.BackedUp, b.PurgeRules = r.policy.Backup.Or(false), r.purgeRules()
		return within(ctx, sweepTimeout, func(ctx context.Context) (BatchResult, error) { return r.archiver.Purge(ctx, b, r.purgeBefore()) })
	}
	return r.m.store.Sweep(ctx, b)
}

// yield delays the batch after this one for the sake of other writers.
func (r *run) yield(ctx context.Context, out BatchResult) {
	if out.Pause <= 0 {
		return
	}
	if !r.slowed && len(out.IDs) > 0 { // otherwise there may be nothing to slow down
		r.slowed = true
		r.m.log.InfoContext(ctx, "others write to the database: the run pauses between batches",
			"run_id", r.cause.RunID, "busy_share", r.policy.BusyShare)
	}
	r.notBefore(time.Now().Add(out.Pause))
}

// notBefore delays the next batch until t.
func (r *run) notBefore(t time.Time) {
	if r.resume.Before(t) {
		r.resume = t
	}
}

// done adds a committed batch to the result, and delays the next one as the rate demands.
func (r *run) done(ctx context.Context, p phase, out BatchResult, started time.Time, held time.Duration) {
	if len(out.IDs) > 0 {
		r.of(p).Done += len(out.IDs)
		r.result.Rows += out.Rows
		r.result.Bytes += out.Bytes
		r.result.Batches++
		r.result.LongestBatch = max(r.result.LongestBatch, held)
		if r.policy.Rate > 0 {
			seconds := min(float64(len(out.IDs))/r.policy.Rate, maxThreshold.Seconds()) // what a Duration can hold
			r.notBefore(started.Add(time.Duration(seconds * float64(time.Second))))
		}
		r.logBatch(ctx, p, out.IDs, held)
	}
	if r.opts.Progress != nil {
		total := r.result.Phases.Total()
		r.opts.Progress(Progress{Action: p.action, Done: total.Done, Total: total.Due, Elapsed: time.Since(r.started)})
	}
}

// logBatch logs a batch, and each of its sessions at debug level.
func (r *run) logBatch(ctx context.Context, p phase, ids []string, held time.Duration) {
	log := r.m.log.With("run_id", r.cause.RunID, "actor", r.cause.Actor)
	log.InfoContext(ctx, "sessions "+string(p.action), "count", len(ids), "duration", held)
	if log.Enabled(ctx, slog.LevelDebug) {
		for _, id := range ids {
			log.DebugContext(ctx, "session "+string(p.action), "session_id", id)
		}
	}
}

// failuresAlike finds out that a phase can do nothing: its first sessions all fail for the same reason.
type failuresAlike struct {
	count int
	cause string
	ended bool // one did not fail, or failed for another reason
}

// add counts a failure and reports whether the phase should end.
func (f *failuresAlike) add(bad *BatchError) bool {
	cause := cmp.Or(bad.Code, bad.Err.Error())
	if f.count++; f.count == 1 {
		f.cause = cause
	}
	f.ended = f.ended || cause != f.cause
	return !f.ended && f.count >= sameFailures
}

// phaseError ends one phase of a run.
type phaseError struct {
	action Action
	err    error
}

func (e *phaseError) Error() string {
	return fmt.Sprintf("no session could be %s: the first %d all failed with: %v", e.action, sameFailures, e.err)
}

func (e *phaseError) Unwrap() error { return e.err }

// fail reports a session that cannot be changed, or is left for the next run.
func (r *run) fail(ctx context.Context, p phase, bad *BatchError) {
	if bad.Locked {
		r.reasons[bad.IDs[0]] = "a row that belongs to it is locked by another transaction"
		return
	}
	r.of(p).Failed++
	if len(r.result.Failures) < maxFailures {
		r.result.Failures = append(r.result.Failures, Failure{SessionID: bad.IDs[0], Action: p.action, Error: bad.Err.Error()})
	}
	r.m.log.WarnContext(ctx, "session could not be "+string(p.action),
		"run_id", r.cause.RunID, "session_id", bad.IDs[0], "actor", r.cause.Actor, "error", bad.Err)
}
