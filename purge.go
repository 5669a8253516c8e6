package sessioncleanup

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// purging is the phase that removes from the archive what has been in it for Policy.ArchiveKeep, is not held, and is
// backed up if the policy says so. It comes first, so that nothing is deleted and purged in the same run.
var purging = phase{action: ActionPurged}

// purgeBefore is the moment before which entries of the archive are due; zero when none ever is, or when the run is limited to
// some sessions.
func (r *run) purgeBefore() time.Time {
	if r.opts.Filter != (Filter{}) {
		return time.Time{}
	}
	return r.policy.purgeBefore(r.result.Cutoffs.Now)
}

// purgeRules are the same for entries whose sessions had tags.
func (r *run) purgeRules() []PurgeRule {
	if r.opts.Filter != (Filter{}) {
		return nil
	}
	return r.policy.purgeRules(r.result.Cutoffs.Now)
}

// purgeBefore is the moment before which entries are due at now, without regard to tags; zero for never.
func (p Policy) purgeBefore(now time.Time) time.Time {
	if p.ArchiveKeep == Never {
		return time.Time{}
	}
	return now.Add(-p.ArchiveKeep)
}

func (p Policy) purgeRules(now time.Time) (rules []PurgeRule) {
	for _, r := range p.rules() {
		rules = append(rules, PurgeRule{Tag: r.Tag, Before: p.with(r).purgeBefore(now)})
	}
	return rules
}

// purges reports whether entries become due at all.
func (p Policy) purges() bool {
	return p.ArchiveKeep != Never || slices.ContainsFunc(p.rules(), func(r Rule) bool { return p.with(r).ArchiveKeep != Never })
}

// dueInArchive selects the entries that a purge at now removes.
func (p Policy) dueInArchive(now time.Time) ArchiveQuery {
	q := ArchiveQuery{Until: p.purgeBefore(now), Rules: p.purgeRules(now), Held: Off}
	if p.Backup.Or(false) {
		q.BackedUp = On
	}
	return q
}

// ArchiveSize measures the archive. It fails with ErrForbidden unless the caller may do everything, and with
// errors.ErrUnsupported when the store has no archive.
func (m *Manager) ArchiveSize(ctx context.Context) (ArchiveSize, error) {
	const operation = "measure the archive"
	archiver, err := m.wholeArchive(operation)
	if err != nil {
		return ArchiveSize{}, err
	}
	size, err := within(ctx, readTimeout, archiver.ArchiveSize)
	if err == nil && m.policy.purges() && size.Entries > 0 {
		var now time.Time
		if now, err = m.Now(ctx); err == nil {
			size.Due, err = countArchived(ctx, archiver, m.policy.dueInArchive(now))
		}
	}
	return wrapped(operation, size, err)
}

// preparePurge counts the entries that are due. The phase is part of the result while the archive is on or an entry is due.
func (r *run) preparePurge(ctx context.Context) error {
	var there bool
	if r.archiver, there = StoreAs[Archiver](r.m.store); !there || !r.policy.purges() || r.opts.Filter != (Filter{}) {
		return nil
	}
	due, err := retry(ctx, func() (int, error) {
		return countArchived(ctx, r.archiver, r.policy.dueInArchive(r.result.Cutoffs.Now))
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
