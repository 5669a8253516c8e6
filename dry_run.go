package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
)

// simulate fills the result with what execute would do.
func (r *run) simulate(ctx context.Context) error {
	if err := r.measure(ctx); err != nil {
		return err
	}
	if err := r.preparePurge(ctx); err != nil {
		return err
	}
	if err := r.countWaiting(ctx); err != nil {
		return err
	}
	shown := r.opts.PageSize
	if r.opts.countsOnly {
		shown = 0
	}
	for _, phase := range r.phases() {
		page, err := r.due(ctx, phase.status, shown-len(r.result.Sessions))
		if err != nil {
			return err
		}
		r.of(phase).Due, r.of(phase).Done = page.Total, page.Total
		for _, s := range page.Sessions {
			r.result.Sessions = append(r.result.Sessions, r.result.Cutoffs.Measure(s))
		}
	}
	if r.opts.countsOnly {
		return nil
	}
	err := r.withinLimit(ctx)
	if refused, ok := errors.AsType[*TooManyError](err); ok {
		r.result.Refused = refused
	} else if err != nil {
		return err
	}
	if err := r.countDependents(ctx); err != nil {
		return err
	}
	if err := r.countRules(ctx); err != nil {
		return err
	}
	r.m.log.InfoContext(ctx, "cleanup simulated", "actor", r.m.actor(),
		"to_delete", r.result.Deleted(), "to_warn", r.result.Noticed(), "waiting", r.result.Waiting, "to_deactivate", r.result.Deactivated())
	return nil
}

// countDependents fills in what would be deleted along with the sessions, where the store can tell.
func (r *run) countDependents(ctx context.Context) error {
	lister, ok := StoreAs[DependentLister](r.m.store)
	if !ok || r.result.Phases.Of(ActionDeleted).Due == 0 {
		return nil
	}
	var err error
	q := r.dueQuery(StatusToDelete)
	if r.result.Dependents, err = dependents(ctx, lister, &q); err != nil {
		return fmt.Errorf("count what is deleted along with the sessions: %w", err)
	}
	return nil
}
