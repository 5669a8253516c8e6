package storetest

import (
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// walk is a sequence of random operations, each compared with the model.
type walk struct {
	*fixture
	g      *generator
	m      *model
	newest int // number of the session inserted last
	tag    *tagged
}

func newWalk(f *fixture) *walk {
	tag := &tagged{tester: f.tester}
	f.tester = tag
	return &walk{fixture: f, g: f.generator(), m: &model{}, tag: tag}
}

// tagged adds to every failure the step at which it happened.
type tagged struct {
	tester
	step   string
	failed bool
}

func (t *tagged) Errorf(format string, args ...any) {
	t.Helper()
	t.failed = true
	t.tester.Errorf("%s: %s", t.step, fmt.Sprintf(format, args...))
}

func (t *tagged) Fatalf(format string, args ...any) {
	t.Helper()
	t.tester.Fatalf("%s: %s", t.step, fmt.Sprintf(format, args...))
}

// step is one kind of operation; the higher its weight, the more often it is done.
type step struct {
	name   string
	weight int
	do     func(*walk)
}

// compareEvery is the number of steps after which everything is compared, and not only what the step was about.
const compareEvery = 50

// steps does n random steps, or fewer if one fails.
func (w *walk) steps(n int, kinds ...step) {
	w.Helper()
	total := 0
	for _, kind := range kinds {
		total += kind.weight
	}
	for i := 1; i <= n && !w.tag.failed; i++ {
		at := w.g.IntN(total)
		for _, kind := range kinds {
			if at -= kind.weight; at < 0 {
				w.tag.step = fmt.Sprintf("step %d, %s", i, kind.name)
				kind.do(w)
				break
			}
		}
		if i%compareEvery == 0 {
			w.expectSessions("everything", w.m.sessions...)
		}
	}
}

// someone is a session, in most cases; otherwise one that is not there.
func (w *walk) someone() sessioncleanup.Session {
	if len(w.m.sessions) == 0 || w.g.chance(5) {
		return w.session(w.newest+1, true, w.now)
	}
	return pick(w.g, w.m.sessions...)
}

// target is a session, limited to nobody, its owner or somebody else, and whether there is one.
func (w *walk) target() (t sessioncleanup.Target, s sessioncleanup.Session, there bool) {
	s = w.someone()
	t = sessioncleanup.Target{ID: s.ID, OwnerID: pick(w.g, "", "", s.OwnerID, w.owner(1), w.owner(9))}
	return t, s, w.m.at(t.ID) >= 0 && t.Check(s) == nil
}

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
	timed := w.g.chance(50)
	for range w.g.IntN(7) {
		target, _, _ := w.target()
		if len(t.IDs) > 0 && w.g.chance(30) {
			target.ID = pick(w.g, t.IDs...)
		}
		t.IDs = append(t.IDs, target.ID)
		if timed { // away from the times of sessions, as generator.session says
			t.Ago = append(t.Ago, pick(w.g, -time.Minute, 0, 0, time.Duration(w.g.IntN(3000))*time.Minute+30*time.Second))
		}
		if w.g.chance(10) {
			t.OwnerID = target.OwnerID
		}
	}
	if w.g.chance(60) {
		t.Reactivate = activity()
	}
	w.expectTouch("touched", w.m, t)
}

func (w *walk) updateOne() {
	t, s, there := w.target()
	c := w.g.change(s)
	if !there {
		w.expectError(failure(w.Store.Update(w.ctx, t, c)), sessioncleanup.ErrNotFound, "Update(%+v)", t)
		return
	}
	w.m.set(w.expectUpdate("updated", t, s, c))
}

func (w *walk) deleteOne() {
	t, s, there := w.target()
	if !there {
		w.expectError(failure(w.Store.Delete(w.ctx, t, cause("random"))), sessioncleanup.ErrNotFound, "Delete(%+v)", t)
		return
	}
	w.expectDeleted("deleted", t, s)
	w.m.remove(s.ID)
}

// thresholds are those of some policy, measured when the check began, or such that every session is due that may be.
func (w *walk) thresholds() sessioncleanup.Thresholds {
	if w.g.chance(10) {
		return sessioncleanup.Thresholds{Now: w.now.Add(100 * day), Inactive: 1, Delete: 1}
	}
	p := pick(w.g, policies()...)
	if w.tags() {
		p.Rules = pick(w.g, rules()...)
	}
	return w.pinned(p)
}

// tagOne gives a session other tags, where the store follows rules by tag.
func (w *walk) tagOne() {
	t, s, there := w.target()
	if !there || !w.tags() {
		return
	}
	w.m.set(w.expectUpdate("tagged", t, s, w.g.tags()))
}

func (w *walk) sweepSome() {
	w.expectRun(w.m, w.thresholds(), pick(w.g, w.filters()...), 1+w.g.IntN(8))
}

func (w *walk) deactivateSome() {
	b := w.batchOf("run", 1+w.g.IntN(8))
	b.Cutoffs = sessioncleanup.Thresholds{Now: w.now, Inactive: time.Minute}.At(w.now)
	b.Filter = pick(w.g, w.filters()...)
	w.expectBatches(w.m, deactivation, b)
}

func (w *walk) dateSome() {
	b := w.batchOf("run", 1+w.g.IntN(8))
	b.Filter = pick(w.g, w.filters()...)
	w.expectBatches(w.m, dating, b)
}

func (w *walk) listSome() {
	q := sessioncleanup.Query{
		Filter: pick(w.g, w.filters()...), Status: pick(w.g, append(sessioncleanup.Statuses(), "")...), Thresholds: w.thresholds(),
		Sort: pick(w.g, sessioncleanup.Sorts()...), Descending: w.g.chance(50),
	}
	w.expectList(w.m, q, 4+w.g.IntN(40))
	q.CountUpTo = 1 + w.g.IntN(60)
	if got, want := w.page(q).Total, min(len(w.m.list(q)), q.CountUpTo); got != want {
		w.Errorf("list of %s counted up to %d: %d, want %d", describe(q), q.CountUpTo, got, want)
	}
}

func (w *walk) countSome() {
	w.expectCounts(w.m, sessioncleanup.CountsQuery{Filter: pick(w.g, w.filters()...), Thresholds: w.thresholds()})
}

func (w *walk) recordOne() {
	c, since := cause("record"), w.mark()
	w.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: c.Actor, Reason: c.Reason, RunID: c.RunID}})
	w.expectLog("recorded", since, entry{Action: sessioncleanup.ActionRun, Cause: c})
}
