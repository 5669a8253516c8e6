package storetest

import (
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "touch" prove activity tables.
func activityChecks() []check {
	return []check{
		{"touch", "happens by itself when an activity table gets a row", activityTouches},
		{"touch", "by an activity table saves a session from a run", activitySaves},
		{"touch", "by an activity table reactivates what a run deactivated, when the policy says so, and nothing else", activityReactivates},
	}
}

// needsActivity skips the check where the backend has no activity tables.
func (f *fixture) needsActivity() {
	f.Helper()
	if f.Activity == nil {
		f.Skipf("Harness.Activity is nil: the backend has no activity tables")
	}
}

func activityTouches(f *fixture) {
	f.needsActivity()
	busy, sleeping, quiet := f.fresh(1), f.dueForDeletion(2), f.dueForDeactivation(3)
	f.insert(busy, sleeping, quiet)
	before := f.clock()
	f.act(busy.ID, busy.ID, busy.ID, sleeping.ID)
	after := f.clock()
	for _, s := range []sessioncleanup.Session{busy, sleeping} {
		early, _ := sessioncleanup.Touch{}.Apply(s, before, false)
		late, _ := sessioncleanup.Touch{}.Apply(s, after, false)
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
	f.needsActivity()
	for i, p := range phases() {
		used, unused := p.due(f, 10*i), p.due(f, 10*i+1)
		f.insert(used, unused)
		f.act(used.ID)
		f.expectIDs("sessions changed by "+p.name, f.sweep(p, f.batchOf("activity", 5), nil), unused.ID)
	}
}

// activityReactivates has activity in sessions that were closed in every way there is.
func activityReactivates(f *fixture) {
	f.needsActivity()
	installer := optional[sessioncleanup.Installer](f)
	f.must(installer.Migrate(f.ctx, sessioncleanup.Policy{ReactivateOnActivity: sessioncleanup.On}), "Migrate with ReactivateOnActivity")
	m, closed := f.closedInEveryWay()
	f.passDeactivations(m)
	since, before := f.mark(), f.clock()
	f.act(idsOf(m.sessions)...)
	var reactivated, logged []string
	for i, s := range m.sessions {
		got := f.get(s.ID)
		switch want := m.byRun(s) && s.AutoCleanup; {
		case got.Active != want:
			f.Errorf("with new activity in a session that was %s: active is %v, want %v", closed[i], got.Active, want)
		case want:
			reactivated = append(reactivated, s.ID)
			f.expectClock("LastActivity of a session that its activity reactivated", got.LastActivity, before)
		}
		if !got.Active && !got.DeactivatedAt.Equal(s.DeactivatedAt) || got.Active && !got.DeactivatedAt.IsZero() {
			f.Errorf("with new activity in a session that was %s: active is %v and DeactivatedAt %s, which was %s",
				closed[i], got.Active, stamp(got.DeactivatedAt), stamp(s.DeactivatedAt))
		}
	}
	// A store may note activity at first, and write the event when the next run folds it in.
	b := f.batchOf("fold", 5)
	b.Cutoffs.Now = f.clock()
	f.expectIDs("sessions deleted after activity", f.sweep(deletion, b, nil))
	for _, e := range f.events(sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionReactivated}}) {
		for _, r := range e.Sessions {
			if e.ID > since {
				logged = append(logged, r.ID)
			}
		}
	}
	f.expectIDs("sessions reactivated by activity, in the log", logged, reactivated...)
}

// used adds rows of activity to a session, where the backend has activity tables.
func (f *fixture) used(id string, times int) {
	f.Helper()
	if f.Activity != nil {
		f.act(slices.Repeat([]string{id}, times)...)
	}
}

// act adds a row of activity for each of the sessions.
func (f *fixture) act(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.must(f.Activity(f.ctx, id), "Harness.Activity of %s", id)
	}
}
