package storetest

import (
	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "touch" prove activity sources. A backend without Harness.Activity claims none, and there is
// nothing to prove.
func activityChecks() []check {
	return []check{
		{"touch", "happens by itself when an activity source gets a row", activityTouches},
		{"touch", "by an activity source saves a session from a run", activitySaves},
	}
}

func activityTouches(f *fixture) {
	if f.Activity == nil {
		f.Logf("the backend has no activity sources")
		return
	}
	busy, sleeping, quiet := f.fresh(1), f.dueForDeletion(2), f.dueForDeactivation(3)
	f.insert(busy, sleeping, quiet)
	before := f.clock()
	for range 3 {
		f.act(busy.ID)
	}
	f.act(sleeping.ID)
	f.expectTouched("with new activity", before, busy, sleeping)
	f.expectUntouched("without activity", quiet)
	f.expectLog("after activity", 0)
	for id, want := range map[string]int64{busy.ID: 3, sleeping.ID: 1, quiet.ID: 0} {
		if got := f.get(id).ActivityCount; got != want {
			f.Errorf("session %s has %d rows of activity, want %d", id, got, want)
		}
	}
	f.remove(busy.ID)
	if _, there := f.find(busy.ID); there {
		f.Errorf("a session with activity was deleted and is there")
	}
}

func activitySaves(f *fixture) {
	if f.Activity == nil {
		f.Logf("the backend has no activity sources")
		return
	}
	for i, p := range phases() {
		used, unused := p.due(f, 10*i), p.due(f, 10*i+1)
		f.insert(used, unused)
		f.act(used.ID)
		changed := f.sweep(p, sessioncleanup.Batch{Cause: cause("activity"), Cutoffs: f.cut, Limit: 5}, nil)
		f.expectIDs("sessions that "+p.name+" changed", changed, unused.ID)
	}
}

func (f *fixture) act(id string) {
	f.Helper()
	if err := f.Activity(f.ctx, id); err != nil {
		f.Fatalf("Harness.Activity of %s: %v", id, err)
	}
}
