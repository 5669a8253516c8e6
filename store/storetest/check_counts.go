package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "counts" proves the figures, of all sessions and of those that a filter selects.
func countsChecks() []check {
	return []check{
		{"counts", "of random sessions follow the rules, for every filter and policy", countsRandom},
		{"counts", "are zero where there is nothing", countsNothing},
		{"counts", "measure at the pinned time, or else at the store's clock, and return the cutoffs", countsCutoffs},
		{"counts", "have the active sessions that can never become due", countsNeverDue},
		{"counts", "say for how long the longest overdue session has been due", countsOldestOverdue},
	}
}

// expectCounts compares a store's figures with the rules. OldestOverdue may be off by a tick.
func (f *fixture) expectCounts(m *model, q sessioncleanup.CountsQuery) {
	f.Helper()
	got, want := f.counts(q), m.counts(q)
	if (got.OldestOverdue - want.OldestOverdue).Abs() <= tick {
		got.OldestOverdue = want.OldestOverdue
	}
	if diff := firstDifference(want, got); diff != "" {
		f.Errorf("Counts of %+v with cutoffs %+v: %s", q.Filter, want.Cutoffs, diff)
	}
}

func countsRandom(f *fixture) {
	m := f.stock(120)
	for _, p := range policies() {
		for _, filter := range f.filters() {
			f.expectCounts(m, sessioncleanup.CountsQuery{Filter: filter, Thresholds: f.pinned(p)})
		}
	}
}

func countsNothing(f *fixture) {
	f.expectCounts(&model{}, sessioncleanup.CountsQuery{Thresholds: f.pin})
	f.insert(f.dueForDeletion(1), f.dueForDeactivation(2))
	for _, owner := range []string{f.owner(9), "nobody"} {
		f.expectCounts(&model{}, sessioncleanup.CountsQuery{Filter: sessioncleanup.Filter{OwnerID: owner}, Thresholds: f.pin})
	}
}

func countsCutoffs(f *fixture) {
	for _, c := range f.measurements() {
		before := f.clock()
		got := f.counts(sessioncleanup.CountsQuery{Thresholds: c.t})
		f.expectCutoffs("counts "+c.what, c.t, got.Cutoffs, before)
		if got.DueForDeactivation != len(c.due) {
			f.Errorf("counts %s: %d due for deactivation, want %d", c.what, got.DueForDeactivation, len(c.due))
		}
	}
}

// countsOldestOverdue lets the session that has been due the longest be so for each possible reason.
func countsOldestOverdue(f *fixture) {
	m := &model{}
	for _, s := range []sessioncleanup.Session{
		f.fresh(1),
		f.session(2, true, f.cut.Inactive.Add(-1234*tick)),
		expiring(f.fresh(3), f.now.Add(-2345*tick)),
		expiring(f.session(4, true, f.cut.Inactive.Add(-time.Hour)), f.now.Add(-time.Minute)),
		ownedBy(f.owner(2), f.session(5, false, f.cut.Delete.Add(-90*time.Minute-7*tick))),
		ownedBy(f.owner(2), expiring(f.session(6, false, f.cut.Delete.Add(-90*day)), f.cut.Delete.Add(-2*time.Hour))),
		ownedBy(f.owner(2), deactivatedAt(f.cut.Delete.Add(-3*time.Hour), f.session(8, false, f.cut.Delete.Add(-900*day)))),
		deactivatedAt(time.Time{}, f.session(9, false, f.cut.Delete.Add(-900*day))),
		protected(f.session(7, false, f.cut.Delete.Add(-900*day))),
	} {
		f.insert(s)
		m.sessions = append(m.sessions, s)
		f.expectCounts(m, sessioncleanup.CountsQuery{Thresholds: f.pin})
		f.expectCounts(m, sessioncleanup.CountsQuery{Filter: sessioncleanup.Filter{OwnerID: s.OwnerID}, Thresholds: f.pin})
	}
}

// countsNeverDue has sessions that their last activity keeps, and others that something else ends or protects.
func countsNeverDue(f *fixture) {
	if f.Latest.Before(kept) {
		f.Skipf("Harness.Latest is %s: no last activity keeps its session", stamp(f.Latest))
	}
	m := f.hold(
		f.session(1, true, kept), ownedBy(f.owner(2), f.session(2, true, kept)), f.dueForDeactivation(3), f.fresh(4),
		expiring(f.session(5, true, kept), f.now.Add(day)), expiring(f.session(6, true, kept), f.now.Add(-day)),
		protected(f.session(7, true, kept)), deactivatedAt(f.now, f.session(8, false, kept)),
	)
	for _, filter := range []sessioncleanup.Filter{{}, {OwnerID: f.owner(2)}, {Text: "session"}} {
		f.expectCounts(m, sessioncleanup.CountsQuery{Filter: filter, Thresholds: f.pin})
	}
}
