package storetest

import (
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "workload" lets chance find what nobody thought of.
func workloadChecks() []check {
	return []check{{"workload", "of 1,000 random operations agrees with the model at every step", workload}}
}

const (
	workloadSteps = 1000
	compareEvery  = 50 // steps, after which everything is compared and not only what the step was about
)

// walk is a random workload under way: a store, the model of it, and what the step at hand should have logged.
type walk struct {
	*fixture
	g      *generator
	m      *model
	newest int   // number of the session inserted last
	mark   int64 // of the log, before the step
	logged []entry
}

// tagged says in every failure at which step it was.
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

func workload(f *fixture) {
	steps := []struct {
		name   string
		weight int
		do     func(*walk)
	}{
		{"insert", 16, (*walk).insertSome},
		{"touch", 16, (*walk).touchSome},
		{"update", 18, (*walk).updateOne},
		{"delete", 6, (*walk).deleteOne},
		{"batch", 14, (*walk).batchOne},
		{"run", 2, (*walk).runAll},
		{"list", 14, (*walk).listSome},
		{"counts", 10, (*walk).countSome},
		{"record", 4, (*walk).recordOne},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	tag := &tagged{tester: f.tester}
	f.tester = tag
	w := &walk{fixture: f, g: f.generator(), m: &model{}}
	for n := 1; n <= workloadSteps && !tag.failed; n++ {
		at := w.g.IntN(total)
		for _, s := range steps {
			if at -= s.weight; at < 0 {
				tag.step = fmt.Sprintf("step %d, %s", n, s.name)
				s.do(w)
				break
			}
		}
		w.expectLogged()
		if n%compareEvery == 0 {
			w.expectSessions("everything", w.m.sessions...)
		}
	}
}

// expectLogged compares the events since the step before with what this one should have logged.
func (w *walk) expectLogged() {
	w.Helper()
	w.mark, w.logged = w.expectLog("the step", w.mark, w.logged...), nil
}

// someone is a session, in most cases; otherwise one that is not there.
func (w *walk) someone() sessioncleanup.Session {
	if len(w.m.sessions) == 0 || w.g.chance(5) {
		return w.session(w.newest+1, true, w.now)
	}
	return pick(w.g, w.m.sessions...)
}

// someOwner is the owner that an operation is limited to: nobody, the session's own, or somebody else.
func (w *walk) someOwner(s sessioncleanup.Session) string {
	return pick(w.g, "", "", s.OwnerID, w.owner(1), w.owner(9))
}

// found is the place of the target's session in the model, or -1.
func (w *walk) found(t sessioncleanup.Target) int {
	i := w.m.at(t.ID)
	if i >= 0 && t.OwnerID != "" && w.m.sessions[i].OwnerID != t.OwnerID {
		return -1
	}
	return i
}

// cutoffs are those of some policy, at the time the workload began or now.
func (w *walk) cutoffs() sessioncleanup.Cutoffs {
	if w.g.chance(10) { // everything that may be, is due
		now := w.clock().Truncate(tick)
		return sessioncleanup.Cutoffs{Now: now, Inactive: now, Delete: now}
	}
	return pick(w.g, w.policies()...)
}

// adopt takes a session as the store now has it into the model, after the caller compared the two.
func (w *walk) adopt(s sessioncleanup.Session) {
	if i := w.m.at(s.ID); i >= 0 {
		w.m.sessions[i] = s
	}
}
