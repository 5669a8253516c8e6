package sessioncleanup

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// withinLimit is the deletion limit: a TooManyError when the run would delete more than it may. It counts no more
// sessions than it needs to tell.
func (r *run) withinLimit(ctx context.Context) error {
	fraction, deletions := r.policy.MaxDeleteFraction, r.result.Phases.Of(ActionDeleted).Due
	switch {
	case r.opts.DeleteAtMost > 0 && deletions > r.opts.DeleteAtMost:
		return &TooManyError{Due: deletions, AtMost: r.opts.DeleteAtMost}
	case r.opts.DeleteAtMost > 0, r.opts.Force, deletions <= limitFloor, fraction >= 1:
		return nil
	}
	// With this many sessions, the deletions stay within the fraction.
	if enough := math.Ceil(float64(deletions) / fraction); enough <= countAll {
		page, err := r.list(ctx, Query{CountUpTo: int(enough)})
		if err != nil {
			return err
		}
		if page.Total >= int(enough) {
			return nil
		}
	}
	if expected, err := r.expected(ctx); err != nil || expected {
		return err
	}
	return &TooManyError{Due: deletions, Fraction: fraction}
}

// expectedWithin is how old the last run with the same thresholds may be for a large deletion to be expected: a little
// more than a week, for weekly schedules.
const expectedWithin = 8 * 24 * time.Hour

// expected reports whether many deletions are no surprise: a run with the same thresholds and filter ended without an
// error and began within expectedWithin, and some session is in use. So schedules continue when a backlog comes of age,
// while a first run, a typing error in a threshold, tracking that stopped and a clock that jumped are all stopped.
func (r *run) expected(ctx context.Context) (bool, error) {
	cut := r.result.Cutoffs
	newest, err := r.list(ctx, Query{Sort: SortLastActivity, Descending: true, Limit: MaxPage})
	if err != nil {
		return false, err
	}
	since := cut.Inactive
	if since.IsZero() {
		since = cut.Delete
	}
	inUse := func(s Session) bool { return !s.LastActivity.Before(since) && !s.LastActivity.After(cut.Ahead()) }
	if !slices.ContainsFunc(newest.Sessions, inUse) {
		return false, nil
	}
	q := EventQuery{Actions: []Action{ActionRun}, Limit: MaxPage}
	events, err := retry(ctx, func() ([]Event, error) { return r.m.store.Events(ctx, q) })
	if err != nil {
		return false, fmt.Errorf("find earlier runs: %w", err)
	}
	return slices.ContainsFunc(events, func(e Event) bool {
		run := e.Run
		return run != nil && run.Error == "" && !run.Partial && run.Filter == r.opts.Filter && run.Cutoffs.sameThresholds(cut) &&
			!run.StartedAt.After(cut.Now) && cut.Now.Sub(run.StartedAt) < expectedWithin
	}), nil
}
