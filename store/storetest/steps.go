package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func (w *walk) insertSome() {
	var sessions []sessioncleanup.Session
	for range 1 + w.g.IntN(4) {
		w.newest++
		sessions = append(sessions, w.g.session(w.newest))
	}
	w.insert(sessions...)
	w.m.sessions = append(w.m.sessions, sessions...)
}

func (w *walk) touchSome() {
	t := sessioncleanup.Touch{Interval: pick(w.g, 0, time.Hour)}
	for range w.g.IntN(7) {
		s := w.someone()
		t.IDs = append(t.IDs, s.ID)
		if w.g.chance(10) {
			t.OwnerID = w.someOwner(s)
		}
	}
	if w.g.chance(40) {
		reactivate := activity()
		t.Reactivate = &reactivate
	}
	before, written := w.clock(), 0
	var touched []sessioncleanup.Session
	for _, id := range slices.Compact(slices.Sorted(slices.Values(t.IDs))) {
		i := w.found(sessioncleanup.Target{ID: id, OwnerID: t.OwnerID})
		if i < 0 {
			continue
		}
		s := w.m.sessions[i]
		revived := t.Reactivate != nil && !s.Active && s.AutoCleanup
		switch {
		case revived:
			s = reactivated(s, before)
			w.logged = append(w.logged, entries(sessioncleanup.ActionReactivated, *t.Reactivate, s)...)
		case before.Sub(s.LastActivity) < t.Interval:
			continue
		}
		written++
		touched = append(touched, s)
	}
	w.touch(t, written)
	w.expectTouched("touched", before, touched...)
	for _, s := range touched {
		w.adopt(w.get(s.ID))
	}
}

func (w *walk) updateOne() {
	s := w.someone()
	t := sessioncleanup.Target{ID: s.ID, OwnerID: w.someOwner(s)}
	c := sessioncleanup.Change{Cause: cause("workload")}
	switch w.g.IntN(4) {
	case 0:
		c.Action, c.Active = sessioncleanup.ActionReactivated, new(w.g.chance(50))
	case 1:
		c.Action, c.AutoCleanup = sessioncleanup.ActionAutoCleanupOff, new(w.g.chance(50))
	case 2:
		c.Action, c.ExpiresAt = sessioncleanup.ActionExpirySet, new(pick(w.g, time.Time{}, s.ExpiresAt, w.g.expiry()))
	case 3:
		c.Action, c.Active, c.AutoCleanup = sessioncleanup.ActionDeactivated, new(w.g.chance(50)), new(w.g.chance(50))
	}
	before := w.clock()
	got, err := w.Store.Update(w.ctx, t, c)
	i := w.found(t)
	if i < 0 {
		w.expectNotFound(err)
		return
	}
	if err != nil {
		w.Fatalf("Update(%+v): %v", t, err)
	}
	was := w.m.sessions[i]
	want, changes := change(was, c, before)
	if changes {
		w.logged = entries(c.Action, c.Cause, was)
	}
	if want.Active && !was.Active {
		w.expectJustNow("last activity of a reactivated session", got.LastActivity, before)
		want.LastActivity = got.LastActivity
	}
	if diff := difference(want, got); diff != "" {
		w.Errorf("Update(%+v) of %+v: %s", c, was, diff)
	}
	w.expectUntouched("listed", got)
	w.adopt(got)
}

func (w *walk) expectNotFound(err error) {
	w.Helper()
	if !errors.Is(err, sessioncleanup.ErrNotFound) {
		w.Errorf("error %v, want ErrNotFound", err)
	}
}

func (w *walk) deleteOne() {
	s := w.someone()
	t := sessioncleanup.Target{ID: s.ID, OwnerID: w.someOwner(s)}
	got, err := w.Store.Delete(w.ctx, t, cause("workload"))
	i := w.found(t)
	if i < 0 {
		w.expectNotFound(err)
		return
	}
	if err != nil {
		w.Fatalf("Delete(%+v): %v", t, err)
	}
	if diff := difference(w.m.sessions[i], got); diff != "" {
		w.Errorf("deleted session as it was: %s", diff)
	}
	if _, there := w.find(s.ID); there {
		w.Errorf("session %s was deleted and is there", s.ID)
	}
	w.logged = entries(sessioncleanup.ActionDeleted, cause("workload"), w.m.sessions[i])
	w.m.remove(s.ID)
}

// batchOne does one batch of any size. Which of the sessions that are due it takes is the store's to choose; that
// there is no more it may say only when it took all.
func (w *walk) batchOne() {
	p, cut := pick(w.g, phases()...), w.cutoffs()
	if !p.on(cut) {
		return
	}
	b := sessioncleanup.Batch{Cause: cause("workload"), Cutoffs: cut, Limit: 1 + w.g.IntN(8)}
	due := w.m.list(sessioncleanup.Query{Status: p.status, Cutoffs: cut})
	out, err := w.batch(p, b)
	if err != nil {
		w.Fatalf("%s(%+v): %v", p.name, b, err)
	}
	took := those(due, out.IDs)
	w.expectIDs("sessions that "+p.name+" changed, of those due", out.IDs, idsOf(took)...)
	if out.Next == "" && len(due) > len(took) {
		w.Errorf("%s says that there is no more after %d of %d sessions", p.name, len(took), len(due))
	}
	w.logged = entries(p.action, b.Cause, took...)
	w.m.apply(p, out.IDs)
}

// runAll does a whole run, after a look at what it will do.
func (w *walk) runAll() {
	cut := w.cutoffs()
	for _, p := range phases() {
		if p.on(cut) {
			w.logged = append(w.logged, entries(p.action, cause("counted"), w.m.list(sessioncleanup.Query{Status: p.status, Cutoffs: cut})...)...)
		}
	}
	w.expectCountedRun(w.m, cut, 1+w.g.IntN(20))
	w.expectSessions("after a run", w.m.sessions...)
}

func (w *walk) listSome() {
	q := pick(w.g, w.filters()...)
	q.Sort, q.Descending, q.Cutoffs = pick(w.g, sessioncleanup.Sorts()...), w.g.chance(50), w.cutoffs()
	w.expectList(w.m, q, 4+w.g.IntN(40))
	q.CountUpTo = 1 + w.g.IntN(60)
	if got, want := w.page(q).Total, min(len(w.m.list(q)), q.CountUpTo); got != want {
		w.Errorf("list of %s counted up to %d: %d, want %d", describe(q), q.CountUpTo, got, want)
	}
}

func (w *walk) countSome() {
	w.expectCounts(w.m, sessioncleanup.CountsQuery{Cutoffs: w.cutoffs(), OwnerID: pick(w.g, w.owners()...)})
}

func (w *walk) recordOne() {
	c := cause("record")
	w.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: c.Actor, Reason: c.Reason, RunID: c.RunID}})
	w.logged = []entry{{Action: sessioncleanup.ActionRun, Cause: c}}
}
