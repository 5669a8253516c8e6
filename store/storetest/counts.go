package storetest

import (
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "counts" proves the figures, of all sessions and of one owner's.
func countsChecks() []check {
	return []check{
		{"counts", "are those of the rules, for all and for each owner", countsAgree},
		{"counts", "with a phase off hold nothing of that phase", countsPhaseOff},
		{"counts", "are zero where there is nothing", countsNothing},
		{"counts", "say how long the longest overdue session has been due", countsOldestOverdue},
	}
}

// expectCounts compares a store's figures with the model's. OldestOverdue may be off by a tick.
func (f *fixture) expectCounts(m *model, q sessioncleanup.CountsQuery) {
	f.Helper()
	got, err := f.Store.Counts(f.ctx, q)
	if err != nil {
		f.Fatalf("Counts(%+v): %v", q, err)
	}
	want := m.counts(q)
	if (got.OldestOverdue - want.OldestOverdue).Abs() <= tick {
		got.OldestOverdue = want.OldestOverdue
	}
	if got != want {
		f.Errorf("Counts of owner %q with %+v:\n got %+v\nwant %+v", q.OwnerID, q.Cutoffs, got, want)
	}
}

// stock inserts n random sessions and gives the model of them.
func (f *fixture) stock(n int) *model {
	f.Helper()
	g := f.generator()
	m := &model{sessions: many(1, n, g.session)}
	f.insert(m.sessions...)
	return m
}

// policies gives cutoffs at one moment: the guide's, harsher and milder ones, and those with phases off.
func (f *fixture) policies() []sessioncleanup.Cutoffs {
	var all []sessioncleanup.Cutoffs
	for _, p := range []sessioncleanup.Policy{
		{},
		{InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * day},
		{InactiveAfter: 48 * time.Hour, DeleteAfter: 60 * day},
		{InactiveAfter: sessioncleanup.Never},
		{DeleteAfter: sessioncleanup.Never},
		{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never},
	} {
		all = append(all, p.CutoffsAt(f.now))
	}
	return all
}

func countsAgree(f *fixture) {
	m := f.stock(120)
	for _, cut := range f.policies() {
		for _, owner := range f.owners() {
			f.expectCounts(m, sessioncleanup.CountsQuery{Cutoffs: cut, OwnerID: owner})
		}
	}
}

// owners are the owners of random sessions; the empty one stands for all.
func (f *fixture) owners() []string {
	return []string{"", f.owner(1), f.owner(2), f.owner(3)}
}

func countsPhaseOff(f *fixture) {
	m := &model{sessions: slices.Concat(
		many(1, 3, f.dueForDeactivation), many(4, 5, f.dueForDeletion),
		[]sessioncleanup.Session{expiring(f.fresh(6), f.now.Add(-day)), protected(f.dueForDeletion(7))},
	)}
	f.insert(m.sessions...)
	for _, cut := range f.policies()[3:] {
		f.expectCounts(m, sessioncleanup.CountsQuery{Cutoffs: cut})
	}
}

func countsNothing(f *fixture) {
	f.expectCounts(&model{}, sessioncleanup.CountsQuery{Cutoffs: f.cut})
	f.insert(f.dueForDeletion(1), f.dueForDeactivation(2))
	f.expectCounts(&model{}, sessioncleanup.CountsQuery{Cutoffs: f.cut, OwnerID: f.owner(9)})
}

// countsOldestOverdue lets the session that is due the longest be so for each reason there is.
func countsOldestOverdue(f *fixture) {
	m := &model{}
	add := func(s sessioncleanup.Session) {
		f.Helper()
		f.insert(s)
		m.sessions = append(m.sessions, s)
		f.expectCounts(m, sessioncleanup.CountsQuery{Cutoffs: f.cut})
		f.expectCounts(m, sessioncleanup.CountsQuery{Cutoffs: f.cut, OwnerID: s.OwnerID})
	}
	add(f.fresh(1))
	add(f.session(2, true, f.cut.Inactive.Add(-1234*tick)))
	add(expiring(f.fresh(3), f.now.Add(-2345*tick)))
	add(expiring(f.session(4, true, f.cut.Inactive.Add(-time.Hour)), f.now.Add(-time.Minute)))
	add(ownedBy(f.owner(2), f.session(5, false, f.cut.Delete.Add(-90*time.Minute-7*tick))))
	add(ownedBy(f.owner(2), expiring(f.session(6, false, f.cut.Delete.Add(-90*day)), f.cut.Delete.Add(-2*time.Hour))))
	add(protected(f.session(7, false, f.cut.Delete.Add(-900*day))))
}
