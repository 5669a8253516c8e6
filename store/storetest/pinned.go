package storetest

import (
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "batch" prove that rows which cannot be deleted stop neither a run nor each other.
func pinnedChecks() []check {
	return []check{
		{"batch", "that fails on a row is rolled back and says which sessions it had selected", pinnedBatch},
		{"batch", "that fails, narrowed to one row and passed over, leaves nothing else undone", pinnedSweep},
	}
}

// pinned inserts sessions that are due for deletion and pins some of them.
func (f *fixture) pinned(first, last int, pinned ...int) []sessioncleanup.Session {
	f.Helper()
	due := many(first, last, f.dueForDeletion)
	f.insert(due...)
	for _, n := range pinned {
		if err := f.Pin(f.ctx, f.id(n)); err != nil {
			f.Fatalf("Harness.Pin of %s: %v", f.id(n), err)
		}
	}
	return due
}

// expectBatchError requires the error of a batch that failed on its rows.
func (f *fixture) expectBatchError(err error) *sessioncleanup.BatchError {
	f.Helper()
	bad := new(sessioncleanup.BatchError)
	if !errors.As(err, &bad) {
		f.Fatalf("DeleteDue with a session that cannot be deleted: error %v, want a *BatchError", err)
	}
	if bad.Err == nil {
		f.Errorf("BatchError.Err is nil, want the cause")
	}
	return bad
}

func pinnedBatch(f *fixture) {
	due := f.pinned(1, 8, 1, 4, 8)
	p := phases()[0]
	out, err := f.batch(p, sessioncleanup.Batch{Cause: cause("pinned"), Cutoffs: f.cut, Limit: 8})
	bad := f.expectBatchError(err)
	f.expectIDs("sessions of the BatchError", bad.IDs, idsOf(due)...)
	f.expectIDs("sessions of the outcome of a batch that failed", out.IDs)
	f.expectSessions("after the batch that failed", due...)
	f.expectLog("after the batch that failed", 0)
	if bad.Next != "" {
		f.expectIDs("sessions after all of the BatchError's",
			f.sweep(p, sessioncleanup.Batch{Cause: cause("pinned"), Cutoffs: f.cut, Limit: 8, After: bad.Next}, nil))
	}
}

// pinnedSweep first goes past whole batches that fail, then around single rows.
func pinnedSweep(f *fixture) {
	pins := []int{0, 3, 4, 9, 14, 19}
	due := f.pinned(0, 19, pins...)
	var stuck []string
	for _, n := range pins {
		stuck = append(stuck, f.id(n))
	}
	p := phases()[0]
	b := sessioncleanup.Batch{Cause: cause("past"), Cutoffs: f.cut, Limit: 5}
	var seen, changed []string
	for range maxSteps {
		out, err := f.batch(p, b)
		if err != nil {
			bad := f.expectBatchError(err)
			if len(bad.IDs) > b.Limit || !slices.ContainsFunc(bad.IDs, func(id string) bool { return slices.Contains(stuck, id) }) {
				f.Errorf("a batch of %d that failed has the sessions %v, while %v are pinned", b.Limit, bad.IDs, stuck)
			}
			seen = append(seen, bad.IDs...)
			out.Next = bad.Next
		}
		seen, changed = append(seen, out.IDs...), append(changed, out.IDs...)
		if b.After = out.Next; b.After == "" {
			break
		}
	}
	f.expectIDs("sessions seen going past batches that fail", seen, idsOf(due)...)
	f.expectLog("going past batches that fail", 0, entries(p.action, b.Cause, those(due, changed)...)...)

	b = sessioncleanup.Batch{Cause: cause("around"), Cutoffs: f.cut, Limit: 5}
	more, failed := f.sweepAround(p, b)
	f.expectIDs("sessions that failed alone", failed, stuck...)
	f.expectIDs("sessions deleted", slices.Concat(changed, more, stuck), idsOf(due)...)
	f.expectSessions("after the run", those(due, stuck)...)
}
