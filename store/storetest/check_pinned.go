package storetest

import (
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "sweep" prove that rows which cannot be deleted stop neither a run nor each other.
func pinnedChecks() []check {
	return []check{
		{"sweep", "that fails on a row is rolled back and says which sessions it had selected", pinnedBatch},
		{"sweep", "that fails, narrowed to one row and passed over, leaves nothing else undone", pinnedSweep},
	}
}

// pinnedDue inserts sessions that are due for deletion and pins some of them.
func (f *fixture) pinnedDue(first, last int, pinned ...int) []sessioncleanup.Session {
	f.Helper()
	due := many(first, last, f.dueForDeletion)
	f.insert(due...)
	for _, n := range pinned {
		f.must(f.Pin(f.ctx, f.id(n)), "Harness.Pin of %s", f.id(n))
	}
	return due
}

// expectBatchError requires the error of a batch that failed on its rows.
func (f *fixture) expectBatchError(err error) *sessioncleanup.BatchError {
	f.Helper()
	bad, ok := errors.AsType[*sessioncleanup.BatchError](err)
	if !ok {
		f.Fatalf("deletion of a session that cannot be deleted: error %v, want a *BatchError", err)
	}
	if bad.Err == nil {
		f.Errorf("BatchError.Err is nil, want the cause")
	}
	return bad
}

func pinnedBatch(f *fixture) {
	due := f.pinnedDue(1, 8, 1, 4, 8)
	b := f.batchOf("pinned", 8)
	out, err := f.batch(deletion, b)
	bad := f.expectBatchError(err)
	f.expectIDs("sessions of the BatchError", bad.IDs, idsOf(due)...)
	f.expectIDs("sessions changed by a batch that failed", out.IDs)
	f.expectSessions("after the batch that failed", due...)
	f.expectLog("after the batch that failed", 0)
	if b.After = bad.Next; b.After != "" {
		f.expectIDs("sessions past all of the BatchError's", f.sweep(deletion, b, nil))
	}
}

// pinnedSweep does what a run does: a batch that fails is halved, down to one row, which is passed over.
func pinnedSweep(f *fixture) {
	pins := []int{0, 3, 4, 9, 14, 19}
	due := f.pinnedDue(0, 19, pins...)
	var stuck []string
	for _, n := range pins {
		stuck = append(stuck, f.id(n))
	}
	b := f.batchOf("around", 5)
	var changed, failed []string
	for range maxSteps {
		out, err := f.batch(deletion, b)
		if err != nil {
			bad := f.expectBatchError(err)
			if len(bad.IDs) > b.Limit || !slices.ContainsFunc(bad.IDs, func(id string) bool { return slices.Contains(stuck, id) }) {
				f.Fatalf("a batch of %d that failed has the sessions %v, while %v are pinned", b.Limit, bad.IDs, stuck)
			}
			if len(bad.IDs) > 1 {
				b.Limit = len(bad.IDs) / 2
				continue
			}
			failed, out.Next = append(failed, bad.IDs...), bad.Next
		}
		changed = append(changed, out.IDs...)
		if b.After = out.Next; b.After == "" {
			break
		}
		b.Limit = 5
	}
	f.expectIDs("sessions that failed alone", failed, stuck...)
	f.expectIDs("sessions deleted or stuck", slices.Concat(changed, stuck), idsOf(due)...)
	f.expectLog("of batches around rows that fail", 0, entries(deletion.action, b.Cause, those(due, changed)...)...)
	f.expectSessions("after the run", those(due, stuck)...)
}
