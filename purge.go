package sessioncleanup

import (
	"context"
	"fmt"
	"time"
)

// purging is the phase that removes from the archive what has been in it for Policy.ArchiveKeep, and is backed up if the policy
// says so. It comes first, so that
// nothing is deleted and purged in the same run.
var purging = phase{action: ActionPurged}

// purgeBefore is the moment before which entries of the archive are due; zero when none ever is, or when the run is limited to
// some sessions.
func (r *run) purgeBefore() time.Time {
	if r.policy.ArchiveKeep == Never || r.opts.Filter != (Filter{}) {
		return time.Time{}
	}
	return r.result.Cutoffs.Now.Add(-r.policy.ArchiveKeep)
}

// preparePurge counts what is due. The phase is part of the result while the archive is on, or as long as something is due in
// it.
func (r *run) preparePurge(ctx context.Context) error {
	before, there := r.purgeBefore(), false
	if r.archiver, there = StoreAs[Archiver](r.m.store); !there || before.IsZero() {
		return nil
	}
	backedUp := Default
	if r.policy.Backup.Or(false) {
		backedUp = On
	}
	due, err := retry(ctx, func() (int, error) {
		return within(ctx, readTimeout, func(ctx context.Context) (int, error) {
			return r.archiver.CountArchived(ctx, ArchiveQuery{Until: before, BackedUp: backedUp})
		})
	})
	if err != nil {
		return fmt.Errorf("count what is due in the archive: %w", err)
	}
	if due > 0 || r.policy.Archive.Or(false) {
		p := PhaseResult{Action: ActionPurged, Due: due}
		if r.opts.DryRun {
			p.Done = due
		}
		r.result.Phases = append(Phases{p}, r.result.Phases...)
	}
	return nil
}

// purge does the phase, batch by batch.
func (r *run) purge(ctx context.Context) error {
	if r.result.Phases.Of(ActionPurged).Due == 0 {
		return nil
	}
	return r.batches(ctx, ActionPurged, firstBatch, func(bad *BatchError) error { return bad },
		func(out BatchResult, started time.Time, held time.Duration) { r.done(ctx, purging, out, started, held) })
}
