package storetest

import (
	"context"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
)

// phase is one half of a run.
type phase struct {
	name   string
	action sessioncleanup.Action
	status sessioncleanup.Status // of what is due in it
	on     func(sessioncleanup.Cutoffs) bool
	due    func(f *fixture, n int) sessioncleanup.Session
	step   func(sessioncleanup.Store, context.Context, sessioncleanup.Batch) (sessioncleanup.Outcome, error)
}

// phases are both halves of a run, in their order.
func phases() []phase {
	return []phase{
		{
			"DeleteDue", sessioncleanup.ActionDeleted, sessioncleanup.StatusToDelete,
			func(c sessioncleanup.Cutoffs) bool { return !c.Delete.IsZero() },
			(*fixture).dueForDeletion, sessioncleanup.Store.DeleteDue,
		},
		{
			"DeactivateDue", sessioncleanup.ActionDeactivated, sessioncleanup.StatusToDeactivate,
			func(c sessioncleanup.Cutoffs) bool { return !c.Inactive.IsZero() },
			(*fixture).dueForDeactivation, sessioncleanup.Store.DeactivateDue,
		},
	}
}

// after is the session as the phase leaves it, or false when it deletes it.
func (p phase) after(s sessioncleanup.Session) (sessioncleanup.Session, bool) {
	s.Active = false
	return s, p.action == sessioncleanup.ActionDeactivated
}

// batch does one batch and checks what holds for every batch.
func (f *fixture) batch(p phase, b sessioncleanup.Batch) (sessioncleanup.Outcome, error) {
	f.Helper()
	out, err := p.step(f.Store, f.ctx, b)
	if len(out.IDs) > b.Limit {
		f.Errorf("%s with limit %d changed %d sessions", p.name, b.Limit, len(out.IDs))
	}
	if out.Next != "" && out.Next == b.After {
		f.Fatalf("%s after %q gave the same place as the next", p.name, b.After)
	}
	return out, err
}

// sweep does batches until there is no more, calls between after each batch but the last, and gives the sessions
// changed.
func (f *fixture) sweep(p phase, b sessioncleanup.Batch, between func()) []string {
	f.Helper()
	var changed []string
	for range maxSteps {
		out, err := f.batch(p, b)
		if err != nil {
			f.Fatalf("%s(%+v): %v", p.name, b, err)
		}
		changed = append(changed, out.IDs...)
		if out.Next == "" {
			return changed
		}
		if between != nil {
			between()
		}
		b.After = out.Next
	}
	f.Fatalf("%s in batches of %d does not end", p.name, b.Limit)
	return nil
}

// sweepAround is sweep for tables with rows that cannot be deleted: a batch that fails is tried again with a limit of
// one, and the row that fails alone is passed over. It gives the sessions changed and those that failed.
func (f *fixture) sweepAround(p phase, b sessioncleanup.Batch) (changed, failed []string) {
	f.Helper()
	for range maxSteps {
		out, err := f.batch(p, b)
		bad := new(sessioncleanup.BatchError)
		switch {
		case errors.As(err, &bad) && len(bad.IDs) > 1 && b.Limit > 1:
			b.Limit = 1
			continue
		case errors.As(err, &bad):
			if len(bad.IDs) != 1 {
				f.Fatalf("%s with limit %d: BatchError has the sessions %v, want one", p.name, b.Limit, bad.IDs)
			}
			failed = append(failed, bad.IDs...)
			out.Next = bad.Next
		case err != nil:
			f.Fatalf("%s(%+v): %v", p.name, b, err)
		}
		changed = append(changed, out.IDs...)
		if out.Next == "" {
			return changed, failed
		}
		b.After = out.Next
	}
	f.Fatalf("%s around rows that fail does not end", p.name)
	return nil, nil
}
