package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "touch" proves how activity is written: by touches here, by the application's own rows in check_activity.go.
func touchChecks() []check {
	return []check{
		{"touch", "sets the last activity to now, nothing else, and logs nothing", touchWrites},
		{"touch", "within its interval is not written", touchThrottled},
		{"touch", "never moves the last activity backward", touchKeepsActivity},
		{"touch", "counts duplicates once and ignores ids that are not there", touchStrangers},
		{"touch", "with an owner leaves the sessions of others alone", touchOwner},
		{"touch", "leaves an inactive session inactive unless told otherwise", touchInactive},
		{"touch", "that reactivates does so even within its interval, with one log entry each", touchReactivates},
		{"touch", "does not reactivate a protected session", touchProtected},
		{"touch", "of many sessions is one call", touchMany},
		{"touch", "of random sessions does what Touch.Apply does", touchRandom},
	}
}

// expectTouch compares a touch's result, everything in the store and the log with Touch.Apply.
func (f *fixture) expectTouch(what string, m *model, t sessioncleanup.Touch) {
	f.Helper()
	f.passDeactivations(m)
	since, before := f.mark(), f.clock()
	n := must(f.Store.Touch(f.ctx, t))(f, "Touch(%+v)", t)
	after, written := f.clock(), 0
	var logged []entry
	stored := &model{sessions: f.all()}
	for i, s := range m.sessions {
		at, touched := used(t, s.ID, before)
		early, writes := t.Apply(s, at, m.byRun(s))
		if !writes || !touched {
			continue
		}
		written++
		if early.Active && !s.Active {
			logged = append(logged, entries(sessioncleanup.ActionReactivated, *t.Reactivate, s)...)
		}
		if place := stored.at(s.ID); place >= 0 {
			late, _ := t.Apply(s, at.Add(after.Sub(before)), m.byRun(s))
			f.expectApplied(what, early, late, stored.sessions[place])
			m.sessions[i] = stored.sessions[place]
		}
	}
	if n != written {
		f.Errorf("%s: Touch of %d ids returned %d, want %d", what, len(t.IDs), n, written)
	}
	want := slices.Clone(m.sessions)
	sortByID(want)
	if diff := differences(want, stored.sessions); diff != "" {
		f.Errorf("%s: %s", what, diff)
	}
	f.expectLog(what, since, logged...)
}

// used is when a touch made at now used a session last, and false when it did not.
func used(t sessioncleanup.Touch, id string, now time.Time) (at time.Time, touched bool) {
	for i := range t.IDs {
		if t.IDs[i] == id {
			if one := t.At(i, now); !touched || one.After(at) {
				at, touched = one, true
			}
		}
	}
	return at, touched
}

// passDeactivations waits until the store's clock is past what runs deactivated: activity within the same millisecond is
// not after it.
func (f *fixture) passDeactivations(m *model) {
	f.Helper()
	for id, at := range m.runs {
		f.eventually("wait for a later time than that of the deactivation of session "+id, func() error {
			if now := f.clock(); !now.Truncate(tick).After(at) {
				return fmt.Errorf("the store's clock is %s", stamp(now))
			}
			return nil
		})
	}
}

func touchWrites(f *fixture) {
	touched := []sessioncleanup.Session{
		f.fresh(1), f.dueForDeactivation(2), protected(f.dueForDeactivation(3)), expiring(f.fresh(4), f.now.Add(-time.Hour)),
	}
	m := f.hold(append(touched, f.fresh(5), f.idle(6))...)
	t := sessioncleanup.Touch{IDs: idsOf(touched)}
	f.expectTouch("touched", m, t)
	due := f.page(sessioncleanup.Query{Status: toDeactivate, Thresholds: f.pin, Limit: 5}).Sessions
	f.expectIDs("sessions due after a touch", idsOf(due), f.id(4))
	f.expectTouch("touched again, without an interval", m, t)
}

func touchThrottled(f *fixture) {
	const interval = 10 * time.Minute
	m := f.hold(
		f.session(1, true, f.now), f.session(2, true, f.now.Add(-8*time.Minute)), f.session(3, false, f.now.Add(-time.Minute)),
		f.session(4, true, f.now.Add(-interval)), f.session(5, true, f.now.Add(-interval-tick)), f.session(6, true, f.now.Add(-12*time.Minute)),
	)
	t := sessioncleanup.Touch{IDs: idsOf(m.sessions), Interval: interval}
	f.expectTouch("touched", m, t)
	f.expectTouch("touched again", m, t)
}

func touchKeepsActivity(f *fixture) {
	m := f.hold(
		f.session(1, true, f.now.Add(time.Hour)), f.session(2, false, f.now.Add(time.Hour)),
		protected(f.session(3, false, f.now.Add(day))), f.fresh(4),
	)
	for _, interval := range []time.Duration{0, time.Minute} {
		f.expectTouch("used in the future", m, sessioncleanup.Touch{IDs: idsOf(m.sessions), Interval: interval})
	}
	f.expectTouch("used in the future, reactivated", m, sessioncleanup.Touch{IDs: idsOf(m.sessions), Reactivate: activity()})
}

func touchStrangers(f *fixture) {
	m := f.hold(f.fresh(1))
	id := f.id(1)
	for _, ids := range [][]string{
		nil, {f.id(8), f.id(9)}, {f.id(8), id, f.id(9), id, id, "nobody", "", "99999999999999999999999999", "' OR 1=1 --"},
	} {
		f.expectTouch("among ids that are not there", m, sessioncleanup.Touch{IDs: ids})
	}
}

func touchOwner(f *fixture) {
	m := f.deactivated(f.fresh(1), ownedBy(f.owner(2), f.dueForDeactivation(2)), ownedBy("", f.fresh(3)))
	for _, owner := range []string{f.owner(1), f.owner(9), "nobody"} {
		f.expectTouch("of owner "+owner, m, sessioncleanup.Touch{IDs: idsOf(m.sessions), OwnerID: owner, Reactivate: activity()})
	}
}

// deactivated inserts sessions, and has a run deactivate those that are due.
func (f *fixture) deactivated(sessions ...sessioncleanup.Session) *model {
	f.Helper()
	m := f.hold(sessions...)
	f.expectBatches(m, deactivation, f.batchOf("idle", len(sessions)))
	return m
}

func touchInactive(f *fixture) {
	m := f.deactivated(f.dueForDeactivation(1), expiring(f.fresh(2), f.now.Add(-day)), f.dueForDeletion(3))
	f.expectTouch("inactive", m, sessioncleanup.Touch{IDs: idsOf(m.sessions)})
}

func touchReactivates(f *fixture) {
	m := f.deactivated(
		f.dueForDeactivation(1), expiring(f.session(2, true, f.now.Add(-time.Minute)), f.now), expiring(f.dueForDeactivation(3), f.now.Add(day)),
		ownedBy(f.owner(2), f.dueForDeactivation(4)), expiring(f.fresh(5), f.now.Add(-day)), f.session(6, true, f.now.Add(-time.Minute)),
		expiring(f.session(7, true, f.now.Add(time.Hour)), f.now.Add(-day)), f.dueForDeactivation(8),
	)
	t := sessioncleanup.Touch{IDs: append(idsOf(m.sessions[:7]), f.id(1)), Interval: time.Hour, Reactivate: activity()}
	f.expectTouch("reactivated", m, t)
	f.expectTouch("active again", m, t)
}

// touchProtected: reactivation by a touch is automatic, and nothing automatic happens to a protected session. Its last
// activity is written all the same.
func touchProtected(f *fixture) {
	m := f.deactivated(f.dueForDeactivation(1), expiring(f.fresh(2), f.now.Add(-day)))
	for _, s := range m.sessions {
		protect := sessioncleanup.Change{Cause: person("protect"), Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off}
		m.set(f.update(sessioncleanup.Target{ID: s.ID}, protect))
	}
	f.expectTouch("protected", m, sessioncleanup.Touch{IDs: idsOf(m.sessions), Reactivate: activity()})
}

// touchMany has what a busy service's tracker sends at once, most of it long gone.
func touchMany(f *fixture) {
	m := f.hold(many(1, 120, f.fresh)...)
	t := sessioncleanup.Touch{Interval: time.Minute}
	for n := range 3000 {
		t.IDs, t.Ago = append(t.IDs, f.id(n)), append(t.Ago, time.Duration(n)*time.Second)
	}
	f.expectTouch("many", m, t)
	f.expectTouch("many again", m, t)
}

func touchRandom(f *fixture) {
	newWalk(f).steps(fewer(300, 180), step{"insert", 2, (*walk).insertSome}, step{"touch", 6, (*walk).touchSome}, step{"deactivate", 3, (*walk).deactivateSome})
}
