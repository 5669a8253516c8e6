package storetest

import (
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "touch" proves how activity is written: by touches here, by the host's own rows in activity.go.
func touchChecks() []check {
	return []check{
		{"touch", "sets the last activity to now, nothing else, and logs nothing", touchWrites},
		{"touch", "within its interval is not written", touchThrottled},
		{"touch", "counts duplicates once and ids that are not there not at all", touchStrangers},
		{"touch", "with an owner leaves the sessions of others alone", touchOwner},
		{"touch", "leaves an inactive session inactive unless told otherwise", touchInactive},
		{"touch", "that reactivates does so even within its interval, with one entry each", touchReactivates},
		{"touch", "does not reactivate a protected session", touchProtected},
		{"touch", "of many sessions is one call", touchMany},
	}
}

// expectTouched requires that the sessions were last used just now and are otherwise as they were.
func (f *fixture) expectTouched(what string, before time.Time, sessions ...sessioncleanup.Session) {
	f.Helper()
	for _, s := range sessions {
		got := f.get(s.ID)
		f.expectJustNow(what+": last activity of session "+s.ID, got.LastActivity, before)
		s.LastActivity = got.LastActivity
		if diff := difference(s, got); diff != "" {
			f.Errorf("%s: session %s: %s", what, s.ID, diff)
		}
	}
}

// expectUntouched requires that the sessions are as they were.
func (f *fixture) expectUntouched(what string, sessions ...sessioncleanup.Session) {
	f.Helper()
	for _, s := range sessions {
		if diff := difference(s, f.get(s.ID)); diff != "" {
			f.Errorf("%s: session %s: %s", what, s.ID, diff)
		}
	}
}

func touchWrites(f *fixture) {
	touched := []sessioncleanup.Session{
		f.fresh(1), f.dueForDeactivation(2), protected(f.dueForDeactivation(3)), expiring(f.fresh(4), f.now.Add(-time.Hour)),
	}
	others := []sessioncleanup.Session{f.fresh(5), f.idle(6)}
	f.insert(slices.Concat(touched, others)...)
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: idsOf(touched)}, len(touched))
	f.expectTouched("touched", before, touched...)
	f.expectUntouched("not touched", others...)
	f.expectLog("after a touch", 0)

	due := f.page(sessioncleanup.Query{Status: sessioncleanup.StatusToDeactivate, Cutoffs: f.cut, Limit: 5}).Sessions
	f.expectIDs("sessions due after a touch", idsOf(due), f.id(4))

	before = f.clock()
	f.touch(sessioncleanup.Touch{IDs: idsOf(touched)}, len(touched))
	f.expectTouched("touched again, without an interval", before, touched...)
}

func touchThrottled(f *fixture) {
	const interval = 10 * time.Minute
	recent := []sessioncleanup.Session{f.session(1, true, f.now), f.session(2, true, f.now.Add(-8*time.Minute)), f.session(3, false, f.now.Add(-time.Minute))}
	longAgo := []sessioncleanup.Session{f.session(4, true, f.now.Add(-interval)), f.session(5, true, f.now.Add(-interval-tick)), f.session(6, true, f.now.Add(-12*time.Minute))}
	f.insert(slices.Concat(recent, longAgo)...)
	t := sessioncleanup.Touch{IDs: idsOf(slices.Concat(recent, longAgo)), Interval: interval}
	before := f.clock()
	f.touch(t, len(longAgo))
	f.expectTouched("last used before the interval", before, longAgo...)
	f.expectUntouched("last used within the interval", recent...)
	f.touch(t, 0)
}

func touchStrangers(f *fixture) {
	s := f.fresh(1)
	f.insert(s)
	f.touch(sessioncleanup.Touch{}, 0)
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(8), f.id(9)}}, 0)
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(8), s.ID, f.id(9), s.ID, s.ID, "nobody", "", "99999999999999999999999999", "' OR 1=1 --"}}, 1)
	f.expectTouched("among ids that are not there", before, s)
	if all := f.all(); len(all) != 1 {
		f.Errorf("after a touch of ids that are not there: sessions %v, want only %s", idsOf(all), s.ID)
	}
}

func touchOwner(f *fixture) {
	mine, other, nobodys := f.fresh(1), ownedBy(f.owner(2), f.idle(2)), ownedBy("", f.fresh(3))
	f.insert(mine, other, nobodys)
	all := []string{mine.ID, other.ID, nobodys.ID}
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: all, OwnerID: f.owner(1)}, 1)
	f.expectTouched("the owner's", before, mine)
	revive := cause("revive")
	f.touch(sessioncleanup.Touch{IDs: all, OwnerID: f.owner(9), Reactivate: &revive}, 0)
	f.touch(sessioncleanup.Touch{IDs: all, OwnerID: "nobody", Reactivate: &revive}, 0)
	f.expectUntouched("of others", other, nobodys)
	f.expectLog("touches of other owners", 0)
}

func touchInactive(f *fixture) {
	sessions := []sessioncleanup.Session{f.dueForDeletion(1), expiring(f.idle(2), f.now.Add(-day))}
	f.insert(sessions...)
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: idsOf(sessions)}, len(sessions))
	f.expectTouched("inactive", before, sessions...)
	f.expectLog("after touching inactive sessions", 0)
}

// activity is the cause of reactivation by a touch, which belongs to no run.
func activity() sessioncleanup.Cause {
	return sessioncleanup.Cause{Actor: "system", Reason: "activity"}
}

func touchReactivates(f *fixture) {
	future := f.now.Add(day)
	inactive := []sessioncleanup.Session{
		f.dueForDeletion(1), f.session(2, false, f.now.Add(-time.Minute)),
		expiring(f.idle(3), f.now.Add(-day)), expiring(f.session(4, false, f.now.Add(-time.Minute)), future),
		ownedBy(f.owner(2), f.idle(5)),
	}
	active, recent := expiring(f.fresh(6), f.now.Add(-day)), f.session(7, true, f.now.Add(-time.Minute))
	other := f.idle(8)
	f.insert(slices.Concat(inactive, []sessioncleanup.Session{active, recent, other})...)
	reason := activity()
	t := sessioncleanup.Touch{IDs: idsOf(append(inactive, active, recent, inactive[0])), Interval: time.Hour, Reactivate: &reason}
	before := f.clock()
	f.touch(t, len(inactive)+1)
	for i := range inactive {
		inactive[i].Active = true
		if !inactive[i].ExpiresAt.Equal(future) {
			inactive[i].ExpiresAt = time.Time{}
		}
	}
	f.expectTouched("reactivated", before, inactive...)
	f.expectTouched("active before", before, active)
	f.expectUntouched("used recently, or not touched", recent, other)
	f.expectLog("after a touch that reactivates", 0, entries(sessioncleanup.ActionReactivated, reason, inactive...)...)

	since := f.mark()
	f.touch(t, 0)
	f.expectLog("after touching sessions that are active again", since)
}

// touchProtected: reactivation by a touch is automatic, and nothing automatic happens to a protected session. That it
// was used is noted all the same.
func touchProtected(f *fixture) {
	s := protected(f.idle(1))
	f.insert(s)
	reason := activity()
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: []string{s.ID}, Reactivate: &reason}, 1)
	f.expectTouched("protected", before, s)
	f.expectLog("after a touch of a protected session", 0)
}

// touchMany is what a busy service's tracker sends at once, most of it long gone.
func touchMany(f *fixture) {
	sessions := many(1, 120, f.fresh)
	f.insert(sessions...)
	var ids []string
	for n := range 3000 {
		ids = append(ids, f.id(n))
	}
	f.touch(sessioncleanup.Touch{IDs: ids, Interval: time.Minute}, len(sessions))
	f.touch(sessioncleanup.Touch{IDs: ids, Interval: time.Minute}, 0)
}
