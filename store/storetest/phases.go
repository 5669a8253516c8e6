package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// phase is one kind of work in a run.
type phase struct {
	name   string
	action sessioncleanup.Action
	status sessioncleanup.Status // of the sessions that are due in it
	due    func(f *fixture, n int) sessioncleanup.Session
}

var (
	deletion     = phase{"deletion", sessioncleanup.ActionDeleted, sessioncleanup.StatusToDelete, (*fixture).dueForDeletion}
	deactivation = phase{"deactivation", sessioncleanup.ActionDeactivated, sessioncleanup.StatusToDeactivate, (*fixture).dueForDeactivation}
)

// dating and correction come before the phases of a run.
var (
	dating     = phase{name: "dating", action: sessioncleanup.ActionDated, due: (*fixture).undated}
	correction = phase{name: "correction", action: sessioncleanup.ActionCorrected}
)

// phases are those of a run, in their order.
func phases() []phase { return []phase{deletion, deactivation} }

// on reports whether the cutoffs include the phase; otherwise Sweep is never called for it.
func (p phase) on(c sessioncleanup.Cutoffs) bool {
	c = c.Latest()
	if p.action == sessioncleanup.ActionDeleted {
		return !c.Delete.IsZero()
	}
	return !c.Inactive.IsZero()
}

// batchOf is a batch of the default policy.
func (f *fixture) batchOf(reason string, limit int) sessioncleanup.Batch {
	return sessioncleanup.Batch{Cause: cause(reason), Cutoffs: f.cut, Limit: limit}
}

// batch does one batch of the phase and checks what holds for every batch.
func (f *fixture) batch(p phase, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	f.Helper()
	b.Action = p.action
	started := time.Now()
	out, err := f.Store.Sweep(f.ctx, b)
	elapsed := time.Since(started)
	switch {
	case len(out.IDs) > b.Limit:
		f.Errorf("%s with limit %d changed %d sessions", p.name, b.Limit, len(out.IDs))
	case out.Next != "" && out.Next == b.After:
		f.Fatalf("%s after %q returned the same place as the next", p.name, b.After)
	case out.Held < 0 || out.Held > elapsed+tick:
		f.Errorf("%s held its locks for %v in a call of %v", p.name, out.Held, elapsed)
	case out.Pause < 0:
		f.Errorf("%s asks for a pause of %v", p.name, out.Pause)
	case len(out.Skipped) > 0:
		f.Errorf("%s skipped %+v, and no session here keeps another one", p.name, out.Skipped)
	}
	return out, err
}

// sweep does batches until there is no more, calls between after each batch but the last, and returns the sessions that
// changed.
func (f *fixture) sweep(p phase, b sessioncleanup.Batch, between func()) []string {
	f.Helper()
	var changed []string
	for range maxSteps {
		out := must(f.batch(p, b))(f, "%s(%+v)", p.name, b)
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
