package storetest

import (
	"github.com/sessioncleanup/sessioncleanup"
)

// The group "application" proves what follows from the application's own change of Active: Session.Observe.
func applicationChecks() []check {
	return []check{
		{"application", "that closes sessions sets the time of the deactivation, once", applicationCloses},
		{"application", "that opens sessions clears it and counts as activity", applicationOpens},
		{"application", "that opens sessions does not have them closed by the next run", applicationKeeps},
	}
}

// setActive has the application change a session.
func (f *fixture) setActive(id string, active bool) {
	f.Helper()
	f.must(f.SetActive(f.ctx, id, active), "Harness.SetActive of %s to %v", id, active)
}

// expectObserved has the application change sessions, twice, and compares each with Session.Observe.
func (f *fixture) expectObserved(active bool, sessions ...sessioncleanup.Session) {
	f.Helper()
	if f.SetActive == nil {
		f.Skipf("Harness.SetActive is nil: the application cannot change Active itself")
	}
	f.insert(sessions...)
	for range 2 {
		for i, was := range sessions {
			before := f.clock()
			f.setActive(was.ID, active)
			after, is := f.clock(), was
			is.Active = active
			got := f.get(was.ID)
			f.expectApplied("the application set active", is.Observe(was, before), is.Observe(was, after), got)
			sessions[i] = got
		}
	}
	f.expectSessions("after the application set active", sessions...)
	f.expectLog("after the application set active", 0)
}

func applicationCloses(f *fixture) {
	f.expectObserved(false,
		f.fresh(1), f.dueForDeactivation(2), protected(f.fresh(3)), expiring(f.fresh(4), f.now.Add(-day)), f.session(5, true, f.now.Add(day)),
		f.idle(6), f.undated(7), protected(f.dueForDeletion(8)),
	)
}

func applicationOpens(f *fixture) {
	f.expectObserved(true,
		f.idle(1), f.dueForDeletion(2), protected(f.idle(3)), expiring(f.idle(4), f.now.Add(-day)), f.session(5, false, f.now.Add(day)),
		f.undated(6), f.fresh(7), f.dueForDeactivation(8),
	)
}

// applicationKeeps goes through what an application does to a session that runs meet in between.
func applicationKeeps(f *fixture) {
	if f.SetActive == nil {
		f.Skipf("Harness.SetActive is nil: the application cannot change Active itself")
	}
	m := f.hold(f.dueForDeletion(1), f.undated(2), f.dueForDeactivation(3))
	for _, active := range []bool{true, false} {
		for _, s := range m.sessions {
			f.setActive(s.ID, active)
		}
		for _, p := range phases() {
			b := f.batchOf("between", 5)
			b.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(f.clock())
			want := []string{}
			if active && p.action == sessioncleanup.ActionDeactivated {
				want = append(want, f.id(3)) // it was active before: nothing was changed
			}
			f.expectIDs("sessions changed by "+p.name, f.sweep(p, b, nil), want...)
		}
	}
}
