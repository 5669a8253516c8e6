package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "sweep" proves the batches of a run: here, and around rows that cannot be deleted in check_pinned.go.
func sweepChecks() []check {
	return []check{
		{"sweep", "changes at most its limit, logs exactly what it changed, and leaves nothing due", sweepBatches},
		{"sweep", "with nothing due changes nothing and logs nothing", sweepNothing},
		{"sweep", "goes by its cutoffs and not by the clock", sweepCutoffs},
		{"sweep", "of random sessions does what lists and counts with the same filter say", sweepRandom},
		{"sweep", "leaves alone what was used, protected or given time since the batch before", sweepUnderChange},
		{"sweep", "with only some sessions deletes those of them that are due, and no others", sweepOnly},
		{"sweep", "pauses no longer than the busy share says, or its writers need", sweepPause},
	}
}

// sweepBatches looks at each batch: its size, its sessions, its log entries. The sessions' last activity is in another
// order than their IDs, so that a cursor that mixes the two is found out.
func sweepBatches(f *fixture) {
	m, next := &model{}, 0
	for _, limit := range []int{1, 4, 12, 100} {
		for _, p := range phases() {
			due := many(next, next+11, func(n int) sessioncleanup.Session {
				s := p.due(f, n)
				s.LastActivity = s.LastActivity.Add(time.Duration(n*7%12-12) * time.Minute)
				if !s.Active {
					s.DeactivatedAt = s.LastActivity
				}
				return ownedBy([]string{f.owner(1), f.owner(2), ""}[n%3], s)
			})
			next += len(due)
			f.insert(due...)
			m.sessions = append(m.sessions, due...)
			f.expectBatches(m, p, f.batchOf(fmt.Sprint("limit ", limit), limit))
			f.expectSessions("after "+p.name+" in batches", m.sessions...)
		}
	}
}

// expectBatches sweeps batch by batch and compares each with the rules.
func (f *fixture) expectBatches(m *model, p phase, b sessioncleanup.Batch) {
	f.Helper()
	for n := 1; n <= maxSteps; n++ {
		since, due, before := f.mark(), m.due(p, b), f.clock()
		out := must(f.batch(p, b))(f, "%s(%+v)", p.name, b)
		what := fmt.Sprintf("batch %d of %s with %+v", n, p.name, b.Filter)
		took := those(due, out.IDs)
		f.expectIDs(what+": sessions changed, of those due", out.IDs, idsOf(took)...)
		var logged []entry
		if p.action != sessioncleanup.ActionDated {
			logged = entries(p.action, b.Cause, took...)
		}
		f.expectLog(what, since, logged...)
		if removes := p.action == sessioncleanup.ActionDeleted; !removes && out.Rows != 0 || removes && out.Rows != 0 && out.Rows < len(out.IDs) {
			f.Errorf("%s: %d rows removed with %d sessions", what, out.Rows, len(out.IDs))
		}
		m.swept(p, out.IDs, f.changedAt(p, what, out.IDs, since, before))
		if out.Next == "" {
			f.expectIDs(what+" is the last: sessions still due", nil, idsOf(m.due(p, b))...)
			return
		}
		b.After = out.Next
	}
	f.Fatalf("%s in batches of %d does not end", p.name, b.Limit)
}

// changedAt is when a batch changed sessions: exactly as the events of deactivations say, otherwise at the store's clock.
func (f *fixture) changedAt(p phase, what string, ids []string, since int64, before time.Time) map[string]time.Time {
	f.Helper()
	var at map[string]time.Time
	switch p.action {
	case sessioncleanup.ActionDeactivated:
		at = f.deactivations(since)
	case sessioncleanup.ActionDated:
		at = map[string]time.Time{}
		for _, id := range ids {
			at[id] = f.get(id).DeactivatedAt
		}
	case sessioncleanup.ActionCorrected:
		at = map[string]time.Time{}
		for _, id := range ids {
			at[id] = f.get(id).LastActivity
		}
	}
	for _, id := range ids {
		if p.action != sessioncleanup.ActionDeleted {
			f.expectClock(what+": time of the change", at[id], before)
		}
	}
	return at
}

// those are the sessions with these IDs, each once.
func those(sessions []sessioncleanup.Session, ids []string) []sessioncleanup.Session {
	var found []sessioncleanup.Session
	for _, s := range sessions {
		if slices.Contains(ids, s.ID) {
			found = append(found, s)
		}
	}
	return found
}

func sweepOnly(f *fixture) {
	m := f.hold(append(many(1, 6, f.dueForDeletion), f.fresh(7), protected(f.dueForDeletion(8)), ownedBy(f.owner(2), f.dueForDeletion(9)))...)
	for _, c := range []struct {
		only   []string
		filter sessioncleanup.Filter
		want   []string
	}{
		{[]string{}, sessioncleanup.Filter{}, nil},
		{[]string{f.id(7), f.id(8), f.id(99), "no id of any session", ""}, sessioncleanup.Filter{}, nil},
		{[]string{f.id(5), f.id(7), f.id(2), f.id(9)}, sessioncleanup.Filter{OwnerID: f.owner(1)}, []string{f.id(2), f.id(5)}},
		{[]string{f.id(2), f.id(9), f.id(1)}, sessioncleanup.Filter{}, []string{f.id(1), f.id(9)}},
	} {
		b := f.batchOf("only", max(1, len(c.only)))
		b.Only, b.Filter = c.only, c.filter
		what := fmt.Sprintf("a batch of only %q with %+v", c.only, c.filter)
		since, took := f.mark(), those(m.sessions, c.want)
		out, err := f.batch(deletion, b)
		if err != nil || out.Next != "" {
			f.Errorf("%s: %v, and the next batch begins at %q; want none", what, err, out.Next)
		}
		f.expectIDs(what, out.IDs, c.want...)
		f.expectLog(what, since, entries(deletion.action, b.Cause, took...)...)
		m.swept(deletion, c.want, nil)
		f.expectSessions("after "+what, m.sessions...)
	}
}

func sweepNothing(f *fixture) {
	rest := []sessioncleanup.Session{
		f.fresh(1), f.idle(2), protected(f.dueForDeletion(3)), protected(f.dueForDeactivation(4)), protected(f.undated(5)),
	}
	for _, sessions := range [][]sessioncleanup.Session{nil, rest} {
		if len(sessions) > 0 {
			f.insert(sessions...)
		}
		for _, p := range append(phases(), dating) {
			f.expectIDs("sessions changed by "+p.name, f.sweep(p, f.batchOf("nothing", 10), nil))
		}
		f.expectSessions("with nothing due", sessions...)
		f.expectLog("with nothing due", 0)
	}
}

// sweepCutoffs has the cutoffs of a run that began an hour ago: sessions that have become due since are not its own.
func sweepCutoffs(f *fixture) {
	b := f.batchOf("began", 10)
	b.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(f.now.Add(-time.Hour))
	began := b.Cutoffs
	m := &model{sessions: []sessioncleanup.Session{
		f.session(1, true, began.Inactive.Add(-tick)), expiring(f.fresh(2), began.Now), f.session(3, false, began.Delete.Add(-tick)),
		f.session(4, true, began.Inactive.Add(time.Minute)), expiring(f.fresh(5), began.Now.Add(time.Minute)),
		f.session(6, false, began.Delete.Add(time.Minute)),
	}}
	f.insert(m.sessions...)
	for _, p := range phases() {
		f.expectBatches(m, p, b)
	}
	f.expectSessions("after a run that began an hour ago", m.sessions...)
}

// sweepRandom also proves that a dry run, which lists and counts, reports what the run then does.
func sweepRandom(f *fixture) {
	m := f.stock(200)
	for _, filter := range append(f.filters(), sessioncleanup.Filter{OwnerID: "nobody"}) {
		for _, policy := range policies() {
			f.expectRun(m, f.pinned(policy), filter, 7)
		}
	}
	f.expectSessions("after all runs", m.sessions...)
}

// expectRun counts the sessions that are due in both possible ways, sweeps both phases, and compares.
func (f *fixture) expectRun(m *model, t sessioncleanup.Thresholds, filter sessioncleanup.Filter, limit int) {
	f.Helper()
	counts := f.counts(sessioncleanup.CountsQuery{Filter: filter, Thresholds: t})
	counted := map[sessioncleanup.Status]int{toDelete: counts.DueForDeletion, toDeactivate: counts.DueForDeactivation}
	listed := map[sessioncleanup.Status]int{}
	for status := range counted {
		listed[status] = f.page(sessioncleanup.Query{Filter: filter, Status: status, Thresholds: t, CountUpTo: everything}).Total
	}
	b := f.batchOf("run", limit)
	b.Filter, b.Cutoffs = filter, t.At(f.now)
	for _, p := range phases() {
		before := len(m.due(p, b))
		if p.on(b.Cutoffs) {
			f.expectBatches(m, p, b)
		}
		if counted[p.status] != before || listed[p.status] != before {
			f.Errorf("%s with %+v changed %d sessions, after Counts returned %d and List %d", p.name, filter, before, counted[p.status], listed[p.status])
		}
	}
}

// sweepUnderChange saves four of the sessions that are still due after each batch, each in another way. A batch must look
// again at what it writes: neither the cursor nor anything else may remember which sessions were due.
func sweepUnderChange(f *fixture) {
	for i, p := range phases() {
		due := many(100*i, 100*i+29, func(n int) sessioncleanup.Session { return p.due(f, n) })
		f.insert(due...)
		var saved []sessioncleanup.Session
		save := func() {
			q := sessioncleanup.Query{Status: p.status, Thresholds: f.pin, Sort: sessioncleanup.SortName, Descending: true, Limit: 4}
			for n, s := range f.page(q).Sessions {
				saved = append(saved, f.save(p, s, n))
			}
		}
		changed := f.sweep(p, f.batchOf("save", 2), save)
		f.expectIDs("sessions changed by "+p.name+" or saved from it", slices.Concat(changed, idsOf(saved)), idsOf(due)...)
		f.expectUnchanged("saved from "+p.name, saved...)
	}
}

// save changes a due session in the n-th way so that it is no longer due.
func (f *fixture) save(p phase, s sessioncleanup.Session, n int) sessioncleanup.Session {
	f.Helper()
	keep := sessioncleanup.Change{Cause: cause("keep")}
	switch {
	case n == 0:
		f.touch(sessioncleanup.Touch{IDs: []string{s.ID}}, 1)
		return f.get(s.ID)
	case n == 1:
		keep.Action, keep.AutoCleanup = sessioncleanup.ActionAutoCleanupOff, sessioncleanup.Off
	case p.action == sessioncleanup.ActionDeactivated:
		keep.Action, keep.Active = sessioncleanup.ActionDeactivated, sessioncleanup.Off
	case n == 2:
		keep.Action, keep.ExpiresAt = sessioncleanup.ActionExpirySet, new(f.now.Add(day))
	default:
		keep.Action, keep.Active = sessioncleanup.ActionReactivated, sessioncleanup.On
	}
	return f.update(sessioncleanup.Target{ID: s.ID}, keep)
}

// writersNeed is how long a store may pause between two batches whatever the busy share says, so that writers which poll
// for its lock get in.
const writersNeed = 150 * time.Millisecond

// sweepPause makes a few small batches. A store may take an earlier insertion for the work of others.
func sweepPause(f *fixture) {
	for i, p := range phases() {
		f.insert(many(20*i, 20*i+9, func(n int) sessioncleanup.Session { return p.due(f, n) })...)
		for _, share := range []float64{0, 0.5, 1} {
			b := f.batchOf("pause", 3)
			b.BusyShare = share
			started := time.Now()
			out, err := f.batch(p, b)
			if most := max(b.PauseAfter(time.Since(started)), writersNeed); err != nil || len(out.IDs) != 3 || out.Pause > most {
				f.Errorf("%s with busy share %v: %d sessions, pause %v, error %v; want 3, and a pause up to %v", p.name, share, len(out.IDs), out.Pause, err, most)
			}
		}
	}
}
