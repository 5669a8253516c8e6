package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Run says how one cleanup differs from what the policy says. The zero value is a plain run.
type Run struct {
	// DryRun reports what a run would do and changes nothing. Default: false.
	DryRun bool
	// InactiveAfter and DeleteAfter replace the policy's thresholds for this run. Default: the policy's.
	InactiveAfter time.Duration
	DeleteAfter   time.Duration
	// Force releases the brake, Policy.MaxDeleteFraction. Default: false.
	Force bool
	// Reason is noted in the run's events. Default: none.
	Reason string
	// PageSize is how many of the sessions concerned a dry run shows, at most MaxPage. Default: 50.
	PageSize int
	// Progress is called after every batch, from the goroutine that called Cleanup. Default: none.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Action  Action // what the run is doing: ActionDeleted, then ActionDeactivated
	Done    int    // sessions changed so far, in both phases
	Total   int    // sessions due when the run began; Done may end up below or above it
	Elapsed time.Duration
}

// Result is what a run did, or would do. Together with an error it is what was done until then.
type Result struct {
	RunID       string  `json:"run_id,omitempty"` // of the run's events; empty for a dry run
	DryRun      bool    `json:"dry_run"`
	Cutoffs     Cutoffs `json:"cutoffs"`
	Due         int     `json:"due"` // when the run began
	Deleted     int     `json:"deleted"`
	Deactivated int     `json:"deactivated"`

	// Failed is the number of sessions that could not be changed and were left out; Failures has the first 100.
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	// Brake, in a dry run, says that the real run would be stopped with this ErrTooMany.
	Brake *TooManyError `json:"brake,omitempty"`
	// Sessions, in a dry run, are the first of the sessions concerned: those to delete, then those to deactivate.
	Sessions []Session `json:"sessions,omitempty"`

	Batches int `json:"batches"`
	// LongestBatch is the longest time for which a batch held its locks, or, where the store cannot tell, that its call
	// took.
	LongestBatch time.Duration `json:"longest_batch_ns"`
	Duration     time.Duration `json:"duration_ns"`
}

// Failure is a session that a run could not change.
type Failure struct {
	SessionID string `json:"session_id"`
	Action    Action `json:"action"` // what was tried
	Error     string `json:"error"`
}

const (
	maxFailures = 100           // kept in Result.Failures
	countAll    = math.MaxInt32 // as Query.CountUpTo: no limit that matters
	cleanupName = "cleanup"     // of the lease that lets one run work at a time
)

// errPanic is what a run is recorded with that a panic ended.
var errPanic = errors.New("a panic ended the run")

// Cleanup does what is due: it deletes, then deactivates, in batches, and writes an event for each batch and one
// for the run. One run works at a time on a store: ErrLeaseHeld says that another is at it.
//
// The brake (ErrTooMany) stops a run before it changed anything. A session that cannot be changed is reported in
// Result.Failures and does not stop the run, nor make it an error. When ctx ends, the batch at hand is finished and the result says what was
// done; the next run goes on from there. Failures of the database are retried for some seconds.
func (m *Manager) Cleanup(ctx context.Context, r Run) (Result, error) {
	return m.cleanup(ctx, r, time.Time{})
}

// cleanup is Cleanup for a slot of a schedule: it does nothing, with errDone, when a successful run began at or after it.
func (m *Manager) cleanup(ctx context.Context, r Run, slot time.Time) (Result, error) {
	const operation = "clean up"
	if err := m.allowAll(operation); err != nil {
		return Result{DryRun: r.DryRun}, err
	}
	policy, err := m.policy.override(r.InactiveAfter, r.DeleteAfter)
	switch {
	case err != nil:
	case r.PageSize < 0 || r.PageSize > MaxPage:
		err = invalidf("Run.PageSize is %d: want 1 to %d", r.PageSize, MaxPage)
	case !policy.Enabled.Or(true):
		err = ErrDisabled
	}
	if err != nil {
		return Result{DryRun: r.DryRun}, fmt.Errorf("%s: %w", operation, err)
	}
	setIfZero(&r.PageSize, defaultPage)
	work := &run{m: m, opts: r, policy: policy, slot: slot, started: time.Now(), result: Result{DryRun: r.DryRun}}
	if r.DryRun {
		err = work.simulate(ctx)
	} else {
		err = work.execute(ctx)
	}
	work.result.Duration = time.Since(work.started)
	if err != nil {
		err = fmt.Errorf("%s: %w", operation, err)
	}
	return work.result, err
}

// run is one Cleanup at work.
type run struct {
	m       *Manager
	opts    Run
	policy  Policy
	slot    time.Time // of the schedule; zero for a run that was asked for
	cause   Cause
	lease   Lease
	renewed time.Time // when the lease was last taken or renewed
	started time.Time
	held    time.Time // until when the next batch waits: for the rate, or to make way
	rested  bool      // others were busy
	inDoubt bool      // a batch failed that may have been committed all the same
	result  Result
}

// simulate fills the result with what execute would do.
func (r *run) simulate(ctx context.Context) error {
	var err error
	if r.result.Cutoffs, err = r.cutoffs(ctx); err != nil {
		return err
	}
	for _, phase := range r.phases() {
		page, err := r.due(ctx, phase, r.opts.PageSize-len(r.result.Sessions))
		if err != nil {
			return err
		}
		*phase.count = page.Total
		r.result.Due += page.Total
		for _, s := range page.Sessions {
			r.result.Sessions = append(r.result.Sessions, withStatus(s, r.result.Cutoffs))
		}
	}
	if !r.opts.Force {
		if r.result.Brake, err = r.brake(ctx, r.result.Deleted); err != nil {
			return err
		}
	}
	r.m.log.InfoContext(ctx, "cleanup simulated", "actor", r.m.actor(),
		"to_delete", r.result.Deleted, "to_deactivate", r.result.Deactivated)
	return nil
}

// execute does the run under its lease and records its end.
func (r *run) execute(ctx context.Context) error {
	r.result.RunID = newRunID()
	r.cause = Cause{Actor: r.m.actor(), Reason: r.opts.Reason, RunID: r.result.RunID}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	err := r.slotDone(ctx)
	if err != nil {
		return errors.Join(err, r.release(ctx))
	}
	ended := false
	defer func() {
		if !ended { // a panic, of Run.Progress perhaps, passes through
			_ = r.finish(ctx, errPanic)
		}
	}()
	err = r.work(ctx)
	ended = true
	return errors.Join(err, r.finish(ctx, err))
}

// slotDone fails with errDone when the run's slot of the schedule was served. It is asked under the lease, where nobody
// else can be serving it.
func (r *run) slotDone(ctx context.Context) error {
	if r.slot.IsZero() {
		return nil
	}
	cutoffs, err := r.cutoffs(ctx)
	if err != nil {
		return err
	}
	last, found, err := r.m.lastSuccess(ctx, cutoffs.Now)
	if err == nil && found && !last.Before(r.slot) {
		err = errDone
	}
	return err
}

// cutoffs are those of the run, now.
func (r *run) cutoffs(ctx context.Context) (Cutoffs, error) {
	return retry(ctx, func() (Cutoffs, error) { return r.m.cutoffs(ctx, r.policy) })
}

// list asks the store, again while it is unavailable.
func (r *run) list(ctx context.Context, q Query) (Page, error) {
	return retry(ctx, func() (Page, error) { return r.m.store.List(ctx, q) })
}

func (r *run) work(ctx context.Context) error {
	var err error
	if r.result.Cutoffs, err = r.cutoffs(ctx); err != nil {
		return err
	}
	phases := r.phases()
	due := make([]int, len(phases))
	for i, phase := range phases {
		page, err := r.due(ctx, phase, 0)
		if err != nil {
			return err
		}
		due[i] = page.Total
		r.result.Due += page.Total
		if phase.action == ActionDeleted && !r.opts.Force {
			brake, err := r.brake(ctx, page.Total)
			if err != nil {
				return err
			}
			if brake != nil {
				return brake
			}
		}
	}
	for i, phase := range phases {
		if due[i] == 0 {
			continue
		}
		if err := r.sweep(ctx, phase); err != nil {
			return err
		}
	}
	return nil
}

// phase is one half of a run.
type phase struct {
	action Action
	status Status
	step   func(context.Context, Batch) (Outcome, error)
	count  *int // in the result
}

// phases are those that the policy leaves on, in their order: deletion first, so that nothing is deactivated and
// deleted in the same run.
func (r *run) phases() []phase {
	var phases []phase
	if r.policy.DeleteAfter != Never {
		phases = append(phases, phase{ActionDeleted, StatusToDelete, r.m.store.DeleteDue, &r.result.Deleted})
	}
	if r.policy.InactiveAfter != Never {
		phases = append(phases, phase{ActionDeactivated, StatusToDeactivate, r.m.store.DeactivateDue, &r.result.Deactivated})
	}
	return phases
}

// due counts what is due in a phase and gives the first of it.
func (r *run) due(ctx context.Context, p phase, limit int) (Page, error) {
	page, err := r.list(ctx, Query{Status: p.status, Cutoffs: r.result.Cutoffs, Sort: SortLastActivity, Limit: limit, CountUpTo: countAll})
	if err != nil {
		return Page{}, fmt.Errorf("find what is due: %w", err)
	}
	return page, nil
}

// brake says whether deleting so many sessions is too much. It counts no more sessions than it needs to tell.
func (r *run) brake(ctx context.Context, deletions int) (*TooManyError, error) {
	fraction := r.policy.MaxDeleteFraction
	if deletions <= brakeFloor || fraction >= 1 {
		return nil, nil
	}
	// With so many sessions, these deletions are no more than the fraction.
	if enough := math.Ceil(float64(deletions) / fraction); enough <= countAll {
		page, err := r.list(ctx, Query{Sort: SortLastActivity, CountUpTo: int(enough)})
		if err != nil {
			return nil, fmt.Errorf("count sessions: %w", err)
		}
		if page.Total >= int(enough) {
			return nil, nil
		}
	}
	return &TooManyError{Due: deletions, Fraction: fraction}, nil
}

// finish records the run, lets the lease go and logs the result, whatever became of the run's context. It fails when
// the run could not be recorded.
func (r *run) finish(ctx context.Context, cause error) error {
	if r.inDoubt {
		r.recount(ctx)
	}
	record := r.record(cause)
	err := r.save(ctx, record)
	if err != nil && !record.ForgetBefore.IsZero() { // forgetting may be what takes too long
		record.ForgetBefore = time.Time{}
		err = r.save(ctx, record)
	}
	if releaseErr := r.release(ctx); releaseErr != nil { // it runs out by itself
		r.m.log.WarnContext(ctx, "lease of the cleanup could not be released", "run_id", r.result.RunID, "error", releaseErr)
	}
	r.logEnd(ctx, cause)
	if err != nil {
		r.m.log.ErrorContext(ctx, "cleanup could not be recorded", "run_id", r.result.RunID, "error", err)
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

// record is the event of the run, which ended with cause. Only a run that succeeded makes old events go: one that was
// stopped may have been stopped for its wrong clock.
func (r *run) record(cause error) Record {
	res := &r.result
	summary := &RunSummary{
		StartedAt: res.Cutoffs.Now, Deactivated: res.Deactivated, Deleted: res.Deleted, Due: res.Due, Failures: res.Failed,
		Duration: time.Since(r.started), Cutoffs: res.Cutoffs, Forced: r.opts.Force,
		Partial: r.policy.InactiveAfter == Never && r.m.policy.InactiveAfter != Never ||
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
	res := &r.result
	attrs := []any{
		"run_id", res.RunID, "actor", r.cause.Actor, "deleted", res.Deleted, "deactivated", res.Deactivated,
		"failed", res.Failed, "batches", res.Batches, "duration", time.Since(r.started),
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

// recount takes the counts from the run's events: when a connection broke during a commit, only they know whether
// that batch was committed.
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
	r.result.Deleted, r.result.Deactivated = counts[ActionDeleted], counts[ActionDeactivated]
}
