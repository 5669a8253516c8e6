package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "batch" proves the batches of a run: one by one here, put together in sweeps.go, and around rows that
// cannot be deleted in pinned.go.
func batchChecks() []check {
	return []check{
		{"batch", "changes at most its limit and logs exactly what it changed", batchLimit},
		{"batch", "changes nothing of a session but what it is for", batchLeavesRest},
		{"batch", "with nothing due changes nothing and logs nothing", batchNothingDue},
		{"batch", "goes by its cutoffs and not by the clock", batchCutoffs},
	}
}

// batchLimit looks at each batch of a sweep: its size, its sessions, its events.
func batchLimit(f *fixture) {
	for i, p := range phases() {
		due := many(100*i, 100*i+9, func(n int) sessioncleanup.Session {
			return ownedBy([]string{f.owner(1), f.owner(2), ""}[n%3], p.due(f, n))
		})
		f.insert(due...)
		b := sessioncleanup.Batch{Cause: cause("limit"), Cutoffs: f.cut, Limit: 3}
		var changed []string
		for n := range maxSteps {
			since := f.mark()
			out, err := f.batch(p, b)
			if err != nil {
				f.Fatalf("%s(%+v): %v", p.name, b, err)
			}
			f.expectLog(fmt.Sprintf("batch %d of %s", n, p.name), since, entries(p.action, b.Cause, those(due, out.IDs)...)...)
			if left := f.page(sessioncleanup.Query{Status: p.status, Cutoffs: f.cut, CountUpTo: everything}).Total; left != 10-len(changed)-len(out.IDs) {
				f.Errorf("batch %d of %s changed %d sessions, after which %d of 10 are due", n, p.name, len(out.IDs), left)
			}
			changed = append(changed, out.IDs...)
			if b.After = out.Next; b.After == "" {
				break
			}
		}
		f.expectIDs("sessions that "+p.name+" changed", changed, idsOf(due)...)
	}
}

// those are the sessions with these IDs.
func those(sessions []sessioncleanup.Session, ids []string) []sessioncleanup.Session {
	var found []sessioncleanup.Session
	for _, s := range sessions {
		if slices.Contains(ids, s.ID) {
			found = append(found, s)
		}
	}
	return found
}

func batchLeavesRest(f *fixture) {
	due := []sessioncleanup.Session{
		f.dueForDeactivation(1),
		expiring(ownedBy(f.owner(2), f.fresh(2)), f.now.Add(-time.Hour)),
		expiring(ownedBy("", f.dueForDeactivation(3)), f.now.Add(time.Hour)),
	}
	rest := []sessioncleanup.Session{f.fresh(4), f.idle(5), f.dueForDeletion(6), protected(f.dueForDeactivation(7))}
	f.insert(slices.Concat(due, rest)...)
	f.sweep(phases()[1], sessioncleanup.Batch{Cause: cause("rest"), Cutoffs: f.cut, Limit: 2}, nil)
	for i := range due {
		due[i].Active = false
	}
	f.expectSessions("after DeactivateDue", slices.Concat(due, rest)...)

	old := []sessioncleanup.Session{f.dueForDeletion(8), ownedBy(f.owner(2), f.dueForDeletion(9))}
	f.insert(old...)
	f.sweep(phases()[0], sessioncleanup.Batch{Cause: cause("rest"), Cutoffs: f.cut, Limit: 2}, nil)
	rest = slices.DeleteFunc(rest, func(s sessioncleanup.Session) bool { return f.cut.DueForDeletion(s) })
	f.expectSessions("after DeleteDue", slices.Concat(due, rest)...)
}

func batchNothingDue(f *fixture) {
	rest := []sessioncleanup.Session{f.fresh(1), f.idle(2), protected(f.dueForDeletion(3)), protected(f.dueForDeactivation(4))}
	for _, sessions := range [][]sessioncleanup.Session{nil, rest} {
		if len(sessions) > 0 {
			f.insert(sessions...)
		}
		for _, p := range phases() {
			changed := f.sweep(p, sessioncleanup.Batch{Cause: cause("nothing"), Cutoffs: f.cut, Limit: 10}, nil)
			f.expectIDs("sessions that "+p.name+" changed", changed)
		}
		f.expectSessions("with nothing due", sessions...)
		f.expectLog("with nothing due", 0)
	}
}

// batchCutoffs runs with the cutoffs of a run that began an hour ago: what came to be due since is not its to change.
func batchCutoffs(f *fixture) {
	began := sessioncleanup.Policy{}.CutoffsAt(f.now.Add(-time.Hour))
	due := []sessioncleanup.Session{
		f.session(1, true, began.Inactive.Add(-tick)), expiring(f.fresh(2), began.Now), f.session(3, false, began.Delete.Add(-tick)),
	}
	since := []sessioncleanup.Session{
		f.session(4, true, began.Inactive.Add(time.Minute)), expiring(f.fresh(5), began.Now.Add(time.Minute)),
		f.session(6, false, began.Delete.Add(time.Minute)),
	}
	f.insert(slices.Concat(due, since)...)
	var changed []string
	for _, p := range phases() {
		changed = append(changed, f.sweep(p, sessioncleanup.Batch{Cause: cause("began"), Cutoffs: began, Limit: 10}, nil)...)
	}
	f.expectIDs("sessions changed by a run that began an hour ago", changed, idsOf(due)...)
}
