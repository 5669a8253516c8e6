package sessioncleanup

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// Cleanup does one run. It purges the archive, deletes sessions, puts warnings into the outbox and deactivates
// sessions, in this order and in batches. It writes an event for each batch and one for the run. At its end it backs
// the archive up; see Config.Backups. One run at a time works on a store: with ErrLeaseHeld another run is already
// running.
//
// A run that exceeds the deletion limit deletes nothing, does the other phases, and fails with ErrTooMany. A session
// that cannot be changed is in Result.Failures; it neither stops the run nor makes it fail. But when the first 100
// sessions of a phase all fail for the same reason, the phase ends with that error. When ctx ends, the run finishes the
// current batch and returns what it did; the next run continues from there. The run retries failures of the database
// for some seconds. When a run ends without a record because its process or the database died, the next run records it.
//
// ErrClock means that the clocks of the store and of this process differ by more than 10 minutes; see
// Config.IgnoreClock. ErrPaused means that cleanup was paused before the run or during it. A dry run ignores a pause.
func (m *Manager) Cleanup(ctx context.Context, r Run) (Result, error) {
	return m.cleanup(ctx, r, time.Time{})
}

// cleanup is Cleanup for a slot of a schedule: it does nothing, with errDone, when a completed run began at or after it.
func (m *Manager) cleanup(ctx context.Context, r Run, slot time.Time) (Result, error) {
	const operation = "clean up"
	work := &run{opts: r, slot: slot, started: time.Now(), result: Result{DryRun: r.DryRun}}
	if err := m.allowAll(operation); err != nil {
		return work.result, err
	}
	if err := m.filterTags(operation, r.Filter.Tags); err != nil {
		return work.result, err
	}
	err := work.begin(ctx, m)
	if err == nil {
		err = work.observed(ctx)
		work.result.Duration = time.Since(work.started)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", operation, err)
	}
	return work.result, err
}

// begin checks the options, and finds the policy and the phases.
func (r *run) begin(ctx context.Context, m *Manager) (err error) {
	if r.m, err = retry(ctx, func() (*Manager, error) { return m.reread(ctx) }); err != nil {
		return err
	}
	if r.policy, err = r.m.policy.override(r.opts.InactiveAfter, r.opts.DeleteAfter); err != nil {
		return err
	}
	switch {
	case r.opts.PageSize < 0 || r.opts.PageSize > MaxPage:
		return invalid.Errorf("Run.PageSize is %d: want 1 to %d", r.opts.PageSize, MaxPage)
	case r.opts.DeleteAtMost < 0:
		return invalid.Errorf("Run.DeleteAtMost is %d: want a positive number of sessions", r.opts.DeleteAtMost)
	case !r.policy.Enabled.Or(true) && !r.opts.DryRun:
		return ErrDisabled
	}
	setIfZero(&r.opts.PageSize, defaultPage)
	if r.policy.warns() { // a stored policy may ask for what the store has not
		if r.outbox, err = r.m.outbox("warn owners"); err != nil {
			return err
		}
	}
	for _, phase := range r.phases() {
		r.result.Phases = append(r.result.Phases, PhaseResult{Action: phase.action})
	}
	return nil
}

// run is one Cleanup in progress.
type run struct {
	m       *Manager
	opts    Run
	policy  Policy
	slot    time.Time // of the schedule; zero for a run that was asked for
	cause   Cause
	lease   Lease
	renewed time.Time // when the lease was last taken or renewed
	started time.Time
	resume  time.Time         // the next batch starts no earlier: for the rate, or for other writers
	slowed  bool              // other writers were noticed, and the log says so
	inDoubt bool              // the log may have other batches than the result, which then gets its counts from the log
	reasons map[string]string // of sessions that the store skipped in the current phase
	refused bool              // the deletion limit stopped the deletions, and nothing else went wrong
	result  Result

	archiver Archiver // of the store; nil when it has none
	outbox   Outbox   // of the store; nil when the policy needs none
}

// phase is one kind of work in a run.
type phase struct {
	action Action
	status Status // of what is due
}

// phases are those that the policy has on, in their order: deletion first, so that no session goes through two of them in the
// same run.
func (r *run) phases() []phase {
	var phases []phase
	if r.policy.deletes() {
		phases = append(phases, phase{ActionDeleted, StatusToDelete})
	}
	if r.policy.warns() {
		phases = append(phases, phase{ActionNoticed, SelectToWarn})
	}
	if r.policy.deactivates() {
		phases = append(phases, phase{ActionDeactivated, StatusToDeactivate})
	}
	return phases
}

// of is the part of the result that belongs to a phase of the run.
func (r *run) of(p phase) *PhaseResult {
	i := slices.IndexFunc(r.result.Phases, func(o PhaseResult) bool { return o.Action == p.action })
	return &r.result.Phases[i]
}

// execute does the run under its lease and records its end.
func (r *run) execute(ctx context.Context) error {
	r.result.RunID = rand.Text()
	r.cause = r.m.cause(r.opts.Reason)
	r.cause.RunID = r.result.RunID
	lasting, cancel := wait.Outlive(ctx, finishGrace) // for the end of a run that is stopped
	defer cancel()
	if err := r.acquire(ctx); err != nil {
		return err
	}
	before := r.lease.Replaced
	err := r.measure(ctx)
	if err == nil {
		err = r.notPaused(ctx)
	}
	if err == nil {
		err = r.slotDone(ctx)
	}
	if err != nil {
		return errors.Join(err, r.release(lasting))
	}
	r.recordUnfinished(ctx, before)
	ended := false
	defer func() {
		if !ended { // a panic, of Run.Progress perhaps, passes through
			_ = r.finish(lasting, errPanic)
		}
	}()
	err = r.work(ctx)
	r.backUp(ctx)
	ended = true
	return errors.Join(err, r.finish(lasting, err))
}

// slotDone fails with errDone when another run was done for the run's slot of the schedule. It looks under the lease, so that
// no other instance is doing one.
func (r *run) slotDone(ctx context.Context) error {
	if r.slot.IsZero() {
		return nil
	}
	last, found, err := r.m.lastCompleted(ctx, r.result.Cutoffs.Now)
	if err == nil && found && !last.Before(r.slot) {
		err = errDone
	}
	return err
}

// measure reads the store's clock and computes the run's cutoffs, unless that clock cannot be trusted.
func (r *run) measure(ctx context.Context) error {
	now, err := retry(ctx, func() (time.Time, error) { return r.m.guardedNow(ctx) })
	if asOf := r.opts.AsOf; err == nil && !asOf.IsZero() {
		if asOf.After(now) || now.Sub(asOf) > longestAgo {
			return invalid.Errorf("Run.AsOf is %s and it is %s: want a time in the last hour", asOf.Format(time.RFC3339), now.Format(time.RFC3339))
		}
		now = asOf
	}
	if err == nil {
		r.result.Cutoffs = r.policy.CutoffsAt(now)
	}
	return err
}

// work completes and corrects the times of the sessions, and does the phases. A phase that ends with a phaseError does not
// stop the next one.
func (r *run) work(ctx context.Context) error {
	if err := r.preparePurge(ctx); err != nil {
		return err
	}
	for _, a := range []Action{ActionDated, ActionCorrected} {
		if err := r.prepare(ctx, a); err != nil {
			return err
		}
	}
	for _, phase := range r.phases() {
		page, err := r.due(ctx, phase.status, 0)
		if err != nil {
			return err
		}
		r.of(phase).Due = page.Total
	}
	if err := r.countWaiting(ctx); err != nil {
		return err
	}
	refused := r.withinLimit(ctx)
	if refused != nil && !errors.Is(refused, ErrTooMany) {
		return refused
	}
	if err := r.purge(ctx); err != nil {
		return err
	}
	var problems []error
	for _, phase := range r.phases() {
		switch {
		case r.of(phase).Due == 0:
			continue
		case phase.action == ActionDeleted && refused != nil:
			problems = append(problems, refused)
			continue
		}
		err := r.sweep(ctx, phase)
		if _, ended := errors.AsType[*phaseError](err); ended || errors.Is(err, ErrUnarchivable) {
			problems = append(problems, err)
			continue
		}
		if err == nil {
			err = r.reportSkipped(ctx, phase)
		}
		if err != nil {
			return errors.Join(append(problems, err)...)
		}
	}
	r.refused = refused != nil && len(problems) == 1
	return errors.Join(problems...)
}

// prepare does an action that the phases rely on: see ActionDated and ActionCorrected. Sessions that cannot be changed are
// passed over; they are not deleted.
func (r *run) prepare(ctx context.Context, a Action) error {
	done := map[Action]string{
		ActionDated:     "inactive sessions without a deactivation time are dated now, and kept from then on",
		ActionCorrected: "last activities in the future were set to now",
	}[a]
	return r.batches(ctx, a, datedBatch, func(bad *BatchError) error {
		r.m.log.WarnContext(ctx, "session could not be "+string(a), "run_id", r.cause.RunID, "session_id", bad.IDs[0], "error", bad.Err)
		return nil
	}, func(out BatchResult, _ time.Time, _ time.Duration) {
		if len(out.IDs) > 0 {
			r.m.log.WarnContext(ctx, done, "run_id", r.cause.RunID, "count", len(out.IDs))
		}
	})
}

// countWaiting counts the sessions that wait for their warning.
func (r *run) countWaiting(ctx context.Context) error {
	if !r.policy.warns() {
		return nil
	}
	page, err := r.due(ctx, SelectWaiting, 0)
	r.result.Waiting = page.Total
	return err
}

// due counts the sessions with a status and returns the first of them.
func (r *run) due(ctx context.Context, status Status, limit int) (Page, error) {
	q := r.dueQuery(status)
	q.Limit, q.CountUpTo = limit, countAll
	page, err := r.list(ctx, q)
	r.result.Cutoffs.Untracked = page.Cutoffs.Untracked
	return page, err
}

func (r *run) dueQuery(status Status) Query {
	thresholds := r.policy.Thresholds()
	thresholds.Now = r.result.Cutoffs.Now
	return Query{Filter: r.opts.Filter, Status: status, Thresholds: thresholds, Sort: SortLastActivity}
}

// list asks the store, again while it is unavailable: the first time for less long, in case the connection is dead.
func (r *run) list(ctx context.Context, q Query) (Page, error) {
	limit, longest := callTimeout, longestList(q)
	if r.opts.DryRun { // its caller can leave
		limit = longest
	}
	page, err := retry(ctx, func() (Page, error) {
		defer func() { limit = longest }()
		return within(ctx, limit, func(ctx context.Context) (Page, error) { return r.m.store.List(ctx, q) })
	})
	if err != nil {
		return Page{}, fmt.Errorf("find what is due: %w", err)
	}
	return page, nil
}

// reportSkipped counts and names the due sessions that a phase left: most often others had locked them.
func (r *run) reportSkipped(ctx context.Context, p phase) error {
	q := r.dueQuery(p.status)
	q.Limit = maxFailures
	left, err := r.list(ctx, q)
	if err != nil {
		return err
	}
	total := len(left.Sessions)
	if left.Next != nil { // most often nothing is left, and counting would look for it once more
		page, err := r.due(ctx, p.status, 0)
		if err != nil {
			return err
		}
		total = page.Total
	}
	r.of(p).Skipped = max(0, total-r.of(p).Failed)
	r.inDoubt = r.inDoubt || r.of(p).Skipped > 0 // perhaps a server failed, and another one goes on without some batches
	for _, s := range left.Sessions {
		failed := slices.ContainsFunc(r.result.Failures, func(f Failure) bool { return f.SessionID == s.ID && f.Action == p.action })
		if failed || len(r.result.Skipped) == maxFailures {
			continue
		}
		reason := cmp.Or(r.reasons[s.ID], r.reasons[""], "locked by another transaction")
		r.result.Skipped = append(r.result.Skipped, Skipped{SessionID: s.ID, Action: p.action, Reason: reason})
	}
	return nil
}
