package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "update" proves changes to one session: here, and those with a condition in check_condition.go.
func updateChecks() []check {
	return []check{
		{"update", "makes every change, returns what it made and logs it once", updateEvery},
		{"update", "that changes nothing writes nothing and logs nothing", updateNothing},
		{"update", "that reactivates counts as activity and removes an expiry that has passed", updateReactivates},
		{"update", "that reactivates never moves the last activity backward", updateKeepsActivity},
		{"update", "that reactivates and sets an expiry keeps that expiry, even a past one", updateKeepsExpiry},
		{"update", "of random sessions does what Change.Apply does", updateRandom},
		{"update", "of a session that is not the target's is not found and changes nothing", updateNotFound},
	}
}

// expectUpdate compares an update's result, the stored session and the log with Change.Apply, and returns the session.
func (f *fixture) expectUpdate(what string, t sessioncleanup.Target, was sessioncleanup.Session, c sessioncleanup.Change) sessioncleanup.Session {
	f.Helper()
	since, before := f.mark(), f.clock()
	got := f.update(t, c)
	after := f.clock()
	early, late := c.Apply(was, before), c.Apply(was, after)
	f.expectApplied(what+": returned", early, late, got)
	f.expectClock(what+": AsOf", got.AsOf, before)
	f.expectUnchanged(what+": as stored, compared with as returned", got)
	var logged []entry
	if !early.Equal(was) {
		logged = entries(c.Action, c.Cause, was)
	}
	f.expectLog(what, since, logged...)
	return got
}

// changed is a change, and what it is called.
type changed struct {
	what    string
	session sessioncleanup.Session
	change  sessioncleanup.Change
}

// expectUpdates makes each change to a session of its own, next to others.
func (f *fixture) expectUpdates(cases ...changed) {
	f.Helper()
	m := &model{}
	for i, c := range cases {
		c.session.ID = f.id(i)
		m.sessions = append(m.sessions, c.session)
	}
	f.insert(m.sessions...)
	for i, c := range cases {
		s := m.sessions[i]
		c.change.Cause = cause(c.what)
		m.set(f.expectUpdate(c.what, sessioncleanup.Target{ID: s.ID, OwnerID: s.OwnerID}, s, c.change))
		f.expectSessions("after "+c.what, m.sessions...)
	}
}

func updateEvery(f *fixture) {
	const off, on, expiry = sessioncleanup.ActionAutoCleanupOff, sessioncleanup.ActionAutoCleanupOn, sessioncleanup.ActionExpirySet
	const deactivated = sessioncleanup.ActionDeactivated
	future, past := f.now.Add(3*day+tick), f.now.Add(-3*day-tick)
	f.expectUpdates(
		changed{"deactivate", f.fresh(0), sessioncleanup.Change{Action: deactivated, Active: sessioncleanup.Off}},
		changed{"deactivate, protected", protected(f.fresh(0)), sessioncleanup.Change{Action: deactivated, Active: sessioncleanup.Off}},
		changed{"protect", f.idle(0), sessioncleanup.Change{Action: off, AutoCleanup: sessioncleanup.Off}},
		changed{"lift the protection", protected(f.dueForDeletion(0)), sessioncleanup.Change{Action: on, AutoCleanup: sessioncleanup.On}},
		changed{"set an expiry", f.fresh(0), sessioncleanup.Change{Action: expiry, ExpiresAt: &future}},
		changed{"set an expiry in the past", f.idle(0), sessioncleanup.Change{Action: expiry, ExpiresAt: &past}},
		changed{"set an expiry with microseconds", f.fresh(0), sessioncleanup.Change{Action: expiry, ExpiresAt: new(future.Add(789 * time.Microsecond))}},
		changed{"move an expiry", expiring(f.fresh(0), past), sessioncleanup.Change{Action: expiry, ExpiresAt: &future}},
		changed{"remove an expiry", expiring(f.fresh(0), future), sessioncleanup.Change{Action: expiry, ExpiresAt: new(time.Time)}},
		changed{"all at once", expiring(f.fresh(0), past), sessioncleanup.Change{Action: deactivated, Active: sessioncleanup.Off, AutoCleanup: sessioncleanup.Off, ExpiresAt: &future}},
		changed{"one new, one as it was", f.fresh(0), sessioncleanup.Change{Action: off, Active: sessioncleanup.On, AutoCleanup: sessioncleanup.Off}},
	)
}

func updateNothing(f *fixture) {
	const off, on, expiry = sessioncleanup.ActionAutoCleanupOff, sessioncleanup.ActionAutoCleanupOn, sessioncleanup.ActionExpirySet
	const deactivated, reactivated = sessioncleanup.ActionDeactivated, sessioncleanup.ActionReactivated
	at := f.now.Add(-2 * day)
	elsewhere := at.In(time.FixedZone("elsewhere", 7*3600))
	s, expired, sleeping := f.session(0, true, f.now.Add(-5*day)), expiring(f.dueForDeactivation(0), at), protected(f.idle(0))
	f.expectUpdates(
		changed{"no change", s, sessioncleanup.Change{Action: reactivated}},
		changed{"active already", s, sessioncleanup.Change{Action: reactivated, Active: sessioncleanup.On}},
		changed{"active already, though expired", expired, sessioncleanup.Change{Action: reactivated, Active: sessioncleanup.On}},
		changed{"inactive already", sleeping, sessioncleanup.Change{Action: deactivated, Active: sessioncleanup.Off}},
		changed{"protected already", sleeping, sessioncleanup.Change{Action: off, AutoCleanup: sessioncleanup.Off}},
		changed{"not protected anyway", s, sessioncleanup.Change{Action: on, AutoCleanup: sessioncleanup.On}},
		changed{"no expiry anyway", s, sessioncleanup.Change{Action: expiry, ExpiresAt: new(time.Time)}},
		changed{"the same expiry, in another zone", expired, sessioncleanup.Change{Action: expiry, ExpiresAt: &elsewhere}},
		changed{"all as they were", expired, sessioncleanup.Change{Action: expiry, Active: sessioncleanup.On, AutoCleanup: sessioncleanup.On, ExpiresAt: &at}},
	)
	f.expectLog("after updates that changed nothing", 0)
}

// reactivate makes a session active, without an expiry or with one.
func reactivate(expiry *time.Time) sessioncleanup.Change {
	return sessioncleanup.Change{Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On, ExpiresAt: expiry}
}

// updateReactivates has sessions that the next run would deactivate again if reactivation were only a flag.
func updateReactivates(f *fixture) {
	f.expectUpdates(
		changed{"reactivate", f.dueForDeletion(0), reactivate(nil)},
		changed{"reactivate, expired", expiring(f.idle(0), f.now.Add(-day)), reactivate(nil)},
		changed{"reactivate, expired just now", expiring(f.idle(0), f.now), reactivate(nil)},
		changed{"reactivate, expires later", expiring(f.idle(0), f.now.Add(day)), reactivate(nil)},
		changed{"reactivate, protected", protected(f.idle(0)), reactivate(nil)},
	)
	b := f.batchOf("again", 10)
	b.Cutoffs = sessioncleanup.Policy{}.CutoffsAt(f.clock())
	f.expectIDs("sessions due for deactivation after they were reactivated", f.sweep(deactivation, b, nil))
}

func updateKeepsActivity(f *fixture) {
	f.expectUpdates(
		changed{"reactivate, used in an hour", f.session(0, false, f.now.Add(time.Hour)), reactivate(nil)},
		changed{"reactivate, used tomorrow, expired", expiring(f.session(0, false, f.now.Add(day)), f.now.Add(-day)), reactivate(nil)},
	)
}

func updateKeepsExpiry(f *fixture) {
	past, future := f.now.Add(-2*day), f.now.Add(2*day)
	f.expectUpdates(
		changed{"reactivate until yesterday", f.idle(0), reactivate(&past)},
		changed{"reactivate until yesterday, expired before", expiring(f.idle(0), f.now.Add(-5*day)), reactivate(&past)},
		changed{"reactivate with the past expiry that it has", expiring(f.idle(0), past), reactivate(&past)},
		changed{"reactivate until later, expired before", expiring(f.idle(0), past), reactivate(&future)},
		changed{"reactivate without an expiry", expiring(f.idle(0), future), reactivate(new(time.Time))},
	)
}

func updateRandom(f *fixture) {
	newWalk(f).steps(300, step{"insert", 1, (*walk).insertSome}, step{"update", 3, (*walk).updateOne})
}

// strangers are targets that match no session of the first owner.
func (f *fixture) strangers(s sessioncleanup.Session) []sessioncleanup.Target {
	return []sessioncleanup.Target{
		{ID: f.id(999)},
		{ID: s.ID, OwnerID: f.owner(2)},
		{ID: s.ID, OwnerID: f.owner(9)},
		{ID: f.id(999), OwnerID: s.OwnerID},
		{ID: "nobody"},
		{ID: s.ID, OwnerID: "nobody"},
		{ID: "99999999999999999999999999"},
	}
}

func updateNotFound(f *fixture) {
	s, other, nobodys := f.fresh(1), ownedBy(f.owner(2), f.fresh(2)), ownedBy("", f.fresh(3))
	f.insert(s, other, nobodys)
	for _, t := range append(f.strangers(s), sessioncleanup.Target{ID: nobodys.ID, OwnerID: f.owner(1)}) {
		for _, c := range []sessioncleanup.Change{
			{Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off},
			{Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On}, // nothing to change, were it found
		} {
			c.Cause = cause("stranger")
			f.expectError(failure(f.Store.Update(f.ctx, t, c)), sessioncleanup.ErrNotFound, "Update(%+v)", t)
		}
	}
	f.expectSessions("after updates that found nothing", s, other, nobodys)
	f.expectLog("after updates that found nothing", 0)
}
