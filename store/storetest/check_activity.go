package storetest

import (
	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "touch" prove activity tables. They do nothing for a backend without Harness.Activity.
func activityChecks() []check {
	return []check{
		{"touch", "happens by itself when an activity table gets a row", activityTouches},
		{"touch", "by an activity table saves a session from a run", activitySaves},
	}
}

func activityTouches(f *fixture) {
	if f.Activity == nil {
		f.Logf("the backend has no activity tables")
		return
	}
	busy, sleeping, quiet := f.fresh(1), f.dueForDeletion(2), f.dueForDeactivation(3)
	f.insert(busy, sleeping, quiet)
	before := f.clock()
	f.act(busy.ID, busy.ID, busy.ID, sleeping.ID)
	after := f.clock()
	for _, s := range []sessioncleanup.Session{busy, sleeping} {
		early, _ := sessioncleanup.Touch{}.Apply(s, before)
		late, _ := sessioncleanup.Touch{}.Apply(s, after)
		f.expectApplied("with new activity", early, late, f.get(s.ID))
	}
	f.expectUnchanged("without activity", quiet)
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
		f.Logf("the backend has no activity tables")
		return
	}
	for i, p := range phases() {
		used, unused := p.due(f, 10*i), p.due(f, 10*i+1)
		f.insert(used, unused)
		f.act(used.ID)
		f.expectIDs("sessions changed by "+p.name, f.sweep(p, f.batchOf("activity", 5), nil), unused.ID)
	}
}

// act adds a row of activity for each of the sessions.
func (f *fixture) act(ids ...string) {
	f.Helper()
	for _, id := range ids {
		if err := f.Activity(f.ctx, id); err != nil {
			f.Fatalf("Harness.Activity of %s: %v", id, err)
		}
	}
}
