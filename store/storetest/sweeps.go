package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "batch" prove what a run's batches do together.
func sweepChecks() []check {
	return []check{
		{"batch", "after batch changes what was due and nothing else, at every limit", sweepLimits},
		{"batch", "after batch does what a dry run counted", sweepCounted},
		{"batch", "leaves alone what was used, protected or given time since the one before", sweepUnderChange},
	}
}

// sweepLimits has sessions whose last activity is in another order than their IDs, so that a cursor that mixes the two
// is found out.
func sweepLimits(f *fixture) {
	first := 0
	var rest []sessioncleanup.Session
	for _, limit := range []int{1, 4, 12, 100} {
		for _, p := range phases() {
			due := many(first, first+11, func(n int) sessioncleanup.Session {
				s := p.due(f, n)
				s.LastActivity = s.LastActivity.Add(time.Duration(n*7%12-12) * time.Minute)
				return s
			})
			rest = append(rest, f.fresh(first+12), f.idle(first+13))
			f.insert(append(due, rest[len(rest)-2:]...)...)
			first += 14
			since := f.mark()
			b := sessioncleanup.Batch{Cause: cause(fmt.Sprint("limit ", limit)), Cutoffs: f.cut, Limit: limit}
			changed := f.sweep(p, b, nil)
			f.expectIDs(fmt.Sprintf("sessions that %s changed in batches of %d", p.name, limit), changed, idsOf(due)...)
			f.expectLog(p.name+" in batches", since, entries(p.action, b.Cause, due...)...)
			rest = append(rest, left(p, due)...)
			f.expectSessions("after "+p.name+" in batches", rest...)
		}
	}
}

// left is what the phase leaves of sessions that were due.
func left(p phase, due []sessioncleanup.Session) []sessioncleanup.Session {
	var rest []sessioncleanup.Session
	for _, s := range due {
		if s, stays := p.after(s); stays {
			rest = append(rest, s)
		}
	}
	return rest
}

// sweepCounted proves that a simulation reports what the run then does, on random sessions.
func sweepCounted(f *fixture) {
	m := f.stock(150)
	for _, cut := range f.policies() {
		f.expectCountedRun(m, cut, 13)
	}
}

// expectCountedRun counts what is due in both ways that there are, runs, and compares.
func (f *fixture) expectCountedRun(m *model, cut sessioncleanup.Cutoffs, limit int) {
	f.Helper()
	counts, err := f.Store.Counts(f.ctx, sessioncleanup.CountsQuery{Cutoffs: cut})
	if err != nil {
		f.Fatalf("Counts: %v", err)
	}
	counted := map[sessioncleanup.Status]int{
		sessioncleanup.StatusToDelete: counts.DueForDeletion, sessioncleanup.StatusToDeactivate: counts.DueForDeactivation,
	}
	listed, want := map[sessioncleanup.Status]int{}, map[sessioncleanup.Status][]string{}
	for _, p := range phases() {
		q := sessioncleanup.Query{Status: p.status, Cutoffs: cut, CountUpTo: everything}
		listed[p.status], want[p.status] = f.page(q).Total, idsOf(m.list(q))
	}
	for _, p := range phases() {
		var changed []string
		if p.on(cut) {
			changed = f.sweep(p, sessioncleanup.Batch{Cause: cause("counted"), Cutoffs: cut, Limit: limit}, nil)
		}
		if len(changed) != counted[p.status] || len(changed) != listed[p.status] {
			f.Errorf("%s changed %d sessions, after Counts gave %d and List %d", p.name, len(changed), counted[p.status], listed[p.status])
		}
		f.expectIDs("sessions that "+p.name+" changed", changed, want[p.status]...)
		m.apply(p, changed)
	}
}

// apply does to the model what a phase did to these sessions.
func (m *model) apply(p phase, ids []string) {
	for _, id := range ids {
		i := m.at(id)
		if i < 0 {
			continue
		}
		if s, stays := p.after(m.sessions[i]); stays {
			m.sessions[i] = s
		} else {
			m.remove(id)
		}
	}
}

// sweepUnderChange saves four of the sessions that are still due after each batch, each in another way. A batch must
// look again at what it writes: neither the cursor nor anything else may remember what was due.
func sweepUnderChange(f *fixture) {
	for i, p := range phases() {
		due := many(100*i, 100*i+29, func(n int) sessioncleanup.Session { return p.due(f, n) })
		f.insert(due...)
		var saved []sessioncleanup.Session
		save := func() {
			q := sessioncleanup.Query{Status: p.status, Cutoffs: f.cut, Sort: sessioncleanup.SortName, Descending: true, Limit: 4}
			for n, s := range f.page(q).Sessions {
				saved = append(saved, f.save(p, s, n))
			}
		}
		changed := f.sweep(p, sessioncleanup.Batch{Cause: cause("save"), Cutoffs: f.cut, Limit: 2}, save)
		f.expectIDs("sessions that "+p.name+" changed or that were saved from it", slices.Concat(changed, idsOf(saved)), idsOf(due)...)
		for _, s := range saved {
			if diff := difference(s, f.get(s.ID)); diff != "" {
				f.Errorf("session %s, saved from %s: %s", s.ID, p.name, diff)
			}
		}
	}
}

// save makes a due session one that is not, in the n-th way, and gives what became of it.
func (f *fixture) save(p phase, s sessioncleanup.Session, n int) sessioncleanup.Session {
	f.Helper()
	keep := sessioncleanup.Change{Cause: cause("keep")}
	switch {
	case n == 0:
		f.touch(sessioncleanup.Touch{IDs: []string{s.ID}}, 1)
		return f.get(s.ID)
	case n == 1:
		keep.Action, keep.AutoCleanup = sessioncleanup.ActionAutoCleanupOff, new(false)
	case p.action == sessioncleanup.ActionDeactivated:
		keep.Action, keep.Active = sessioncleanup.ActionDeactivated, new(false)
	case n == 2:
		keep.Action, keep.ExpiresAt = sessioncleanup.ActionExpirySet, new(f.now.Add(day))
	default:
		keep.Action, keep.Active = sessioncleanup.ActionReactivated, new(true)
	}
	return f.update(sessioncleanup.Target{ID: s.ID}, keep)
}

// update changes a session that must be there.
func (f *fixture) update(t sessioncleanup.Target, c sessioncleanup.Change) sessioncleanup.Session {
	f.Helper()
	s, err := f.Store.Update(f.ctx, t, c)
	if err != nil {
		f.Fatalf("Update(%+v): %v", t, err)
	}
	return s
}
