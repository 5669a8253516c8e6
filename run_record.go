package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// finish records the run, releases the lease and logs the result, even when the run's context has ended. It fails when
// the run could not be recorded.
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
	if releaseErr := r.release(ctx); releaseErr != nil { // it expires by itself
		r.m.log.WarnContext(ctx, "lease of the cleanup could not be released", "run_id", r.result.RunID, "error", releaseErr)
	}
	if err == nil {
		r.seal(ctx)
	}
	r.logEnd(ctx, cause)
	if err != nil {
		r.m.log.ErrorContext(ctx, "cleanup could not be recorded", "run_id", r.result.RunID, "error", err)
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

// record is the event of the run, which ended with cause. Only a run that succeeded removes old events: one that was
// stopped may have been stopped because of a wrong clock.
func (r *run) record(cause error) Record {
	res := &r.result
	summary := &RunSummary{
		StartedAt: res.Cutoffs.Now, Phases: res.Phases, Duration: time.Since(r.started), Cutoffs: res.Cutoffs, Filter: r.opts.Filter,
		Forced: r.opts.Force, Refused: r.refused,
		Partial: r.opts.Filter != Filter{} ||
			r.policy.InactiveAfter == Never && r.m.policy.InactiveAfter != Never ||
			r.policy.DeleteAfter == Never && r.m.policy.DeleteAfter != Never,
	}
	record := Record{Event: Event{Action: ActionRun, Actor: r.cause.Actor, Reason: r.cause.Reason, RunID: res.RunID, Run: summary}}
	switch {
	case cause != nil:
		summary.Error = cause.Error()
	case r.policy.EventsKeep != Never:
		record.ForgetBefore = res.Cutoffs.Now.Add(-r.policy.EventsKeep)
	}
	return record
}

// save writes the run's event.
func (r *run) save(ctx context.Context, record Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	_, err := retry(ctx, func() (Event, error) { return r.m.store.Record(ctx, record) })
	return err
}

func (r *run) logEnd(ctx context.Context, cause error) {
	total := r.result.Phases.Total()
	attrs := []any{
		"run_id", r.result.RunID, "actor", r.cause.Actor, "deleted", r.result.Deleted(), "deactivated", r.result.Deactivated(),
		"skipped", total.Skipped, "failed", total.Failed, "batches", r.result.Batches, "duration", time.Since(r.started),
	}
	switch {
	case errors.Is(cause, context.Canceled):
		r.m.log.WarnContext(ctx, "cleanup interrupted", attrs...)
	case cause != nil:
		r.m.log.ErrorContext(ctx, "cleanup failed", append(attrs, "error", cause)...)
	default:
		r.m.log.InfoContext(ctx, "cleanup finished", attrs...)
	}
}

// recount takes the counts from the run's events: when a connection broke during a commit, only they tell whether that
// batch was committed.
func (r *run) recount(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	counts := map[Action]int{}
	q := EventQuery{RunID: r.result.RunID, Limit: MaxPage}
	for {
		events, err := retry(ctx, func() ([]Event, error) { return r.m.store.Events(ctx, q) })
		if err != nil {
			r.m.log.WarnContext(ctx, "cleanup counts may be too low", "run_id", r.result.RunID, "error", err)
			return
		}
		for _, e := range events {
			counts[e.Action] += len(e.Sessions)
		}
		if len(events) < q.Limit {
			break
		}
		q.Before = events[len(events)-1].ID
	}
	for i := range r.result.Phases {
		r.result.Phases[i].Done = counts[r.result.Phases[i].Action]
	}
}
