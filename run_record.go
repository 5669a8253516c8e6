package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// finish records the run, releases the lease and logs the result, with a context that outlives the run's own. It fails when
// the run could not be recorded. Then the lease stays, so that the next run finds out about this one.
func (r *run) finish(ctx context.Context, cause error) error {
	if r.inDoubt {
		r.recount(ctx)
	}
	record := r.record(cause)
	err := r.save(ctx, record)
	if err != nil && !record.ForgetBefore.IsZero() { // removing old events may be what takes too long
		record.ForgetBefore = time.Time{}
		err = r.save(ctx, record)
	}
	r.logEnd(ctx, cause)
	if err != nil {
		r.m.log.ErrorContext(ctx, "the cleanup could not be recorded; the next one records it", "run_id", r.result.RunID, "error", err)
		return fmt.Errorf("record the run: %w", err)
	}
	r.remember(ctx, cause)
	if err := r.release(ctx); err != nil { // it expires by itself
		r.m.log.WarnContext(ctx, "the lease of the cleanup could not be released; other runs wait until it expires", "run_id", r.result.RunID, "error", err)
	}
	r.seal(ctx)
	return nil
}

// record is the event of the run, which ended with cause. Only a run that succeeded removes old events: one that was
// stopped may have been stopped because of a wrong clock.
func (r *run) record(cause error) Record {
	res := &r.result
	summary := &RunSummary{
		StartedAt: res.Cutoffs.Now, Phases: res.Phases, Duration: time.Since(r.started), LongestBatch: res.LongestBatch, Cutoffs: res.Cutoffs,
		Filter: r.opts.Filter,
		Forced: r.opts.Force, Refused: r.refused, Backup: res.Backup,
		Partial: r.opts.Filter != Filter{} ||
			r.policy.InactiveAfter == Never && r.m.policy.InactiveAfter != Never ||
			r.policy.DeleteAfter == Never && r.m.policy.DeleteAfter != Never,
	}
	record := Record{Event: Event{Action: ActionRun, Actor: r.cause.Actor, Reason: r.cause.Reason, RunID: res.RunID, Run: summary}}
	switch {
	case errors.Is(cause, context.Canceled): // whatever it was doing then, so that this is an OutcomeInterrupted
		summary.Error = context.Canceled.Error()
	case cause != nil:
		summary.Error = cause.Error()
	case r.policy.EventsKeep != Never:
		record.ForgetBefore = res.Cutoffs.Now.Add(-r.policy.EventsKeep)
	}
	return record
}

// save writes the run's event, unless another run has it done since the lease ended.
func (r *run) save(ctx context.Context, record Record) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	_, err := retry(ctx, func() (Event, error) {
		if time.Since(r.renewed) > r.m.leaseTTL {
			if known, err := r.m.runRecorded(ctx, r.result.RunID); err != nil || known {
				return Event{}, err
			}
		}
		return r.m.store.Record(ctx, record)
	})
	return err
}

// interrupted reports whether what ended a run is that it was stopped or paused.
func interrupted(cause error) bool {
	return errors.Is(cause, context.Canceled) || errors.Is(cause, ErrPaused)
}

func (r *run) logEnd(ctx context.Context, cause error) {
	total := r.result.Phases.Total()
	attrs := []any{
		"run_id", r.result.RunID, "actor", r.cause.Actor, "deleted", r.result.Deleted(), "noticed", r.result.Noticed(),
		"waiting", r.result.Waiting, "deactivated", r.result.Deactivated(), "skipped", total.Skipped, "failed", total.Failed, "batches", r.result.Batches, "duration", time.Since(r.started),
	}
	switch {
	case interrupted(cause):
		r.m.log.WarnContext(ctx, "cleanup interrupted", append(attrs, "by", cause)...)
	case cause != nil:
		r.m.log.ErrorContext(ctx, "cleanup failed", append(attrs, "error", cause)...)
	case total.Done+total.Failed+total.Skipped == 0: // most runs of a frequent schedule
		r.m.log.DebugContext(ctx, "cleanup finished", attrs...)
	default:
		r.m.log.InfoContext(ctx, "cleanup finished", attrs...)
	}
}

// recount takes the counts from the run's events: when a connection broke during a commit, only they tell whether that
// batch was committed, and when a server was replaced by one that was behind, which batches are left.
func (r *run) recount(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	logged, err := r.m.readRun(ctx, r.result.RunID)
	if err != nil {
		r.m.log.WarnContext(ctx, "the counts of this cleanup may be too low: they could not be compared with the audit log", "run_id", r.result.RunID, "error", err)
		return
	}
	for i := range r.result.Phases {
		r.result.Phases[i].Done = logged.done[r.result.Phases[i].Action]
	}
}
