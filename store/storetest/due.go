package storetest

import (
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "due" proves that a store agrees with sessioncleanup.Cutoffs on what is due: in its lists, in its counts
// and in what its batches then do.
func dueChecks() []check {
	return []check{
		{"due", "last used exactly at the cutoff is not due, a millisecond earlier is", dueAtCutoff},
		{"due", "an expiry at or before now makes an active session due", dueByExpiry},
		{"due", "an expiry keeps an inactive session until it is old too", dueKeptByExpiry},
		{"due", "a missing expiry does not count", dueWithoutExpiry},
		{"due", "a protected session is never due", dueNeverProtected},
		{"due", "a phase that is off makes nothing due", duePhaseOff},
		{"due", "an instant is the same in every time zone", dueInZones},
		{"due", "times far from now compare like others", dueFarTimes},
	}
}

// dueCase is a session and the status that it should have.
type dueCase struct {
	what    string
	session sessioncleanup.Session
	want    sessioncleanup.Status
}

// proveDue inserts the sessions of the cases, sees that lists and counts give each its status, sweeps, and sees that
// exactly what was due was changed. A phase that the cutoffs turn off is not called, as the contract says.
func (f *fixture) proveDue(cut sessioncleanup.Cutoffs, cases ...dueCase) {
	f.Helper()
	m, names := &model{}, map[string]string{}
	var left []sessioncleanup.Session
	for i, c := range cases {
		c.session.ID = f.id(i)
		names[c.session.ID] = c.what
		m.sessions = append(m.sessions, c.session)
		if got := cut.Status(c.session); got != c.want {
			f.Fatalf("the check is wrong: %s has status %s by the cutoffs, not %s", c.what, got, c.want)
		}
		if c.want == sessioncleanup.StatusToDeactivate {
			c.session.Active = false
		}
		if c.want != sessioncleanup.StatusToDelete {
			left = append(left, c.session)
		}
	}
	f.insert(m.sessions...)
	withStatus := func(s sessioncleanup.Status) []string {
		return called(names, idsOf(m.list(sessioncleanup.Query{Status: s, Cutoffs: cut})))
	}
	for _, status := range sessioncleanup.Statuses() {
		got := f.page(sessioncleanup.Query{Status: status, Cutoffs: cut, Limit: everything}).Sessions
		f.expectIDs("sessions listed with status "+string(status), called(names, idsOf(got)), withStatus(status)...)
	}
	f.expectCounts(m, sessioncleanup.CountsQuery{Cutoffs: cut})
	for _, p := range phases() {
		if !p.on(cut) {
			continue
		}
		changed := f.sweep(p, sessioncleanup.Batch{Cause: cause("due"), Cutoffs: cut, Limit: 2}, nil)
		f.expectIDs("sessions that "+p.name+" changed", called(names, changed), withStatus(p.status)...)
	}
	f.expectSessions("after the sweeps", left...)
}

// called replaces IDs by what the cases call them.
func called(names map[string]string, ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strings.TrimSpace(id + " " + names[id])
	}
	return out
}

func dueAtCutoff(f *fixture) {
	f.proveDue(f.cut,
		dueCase{"active, at the cutoff", f.session(0, true, f.cut.Inactive), sessioncleanup.StatusActive},
		dueCase{"active, a tick before it", f.session(0, true, f.cut.Inactive.Add(-tick)), sessioncleanup.StatusToDeactivate},
		dueCase{"active, a tick after it", f.session(0, true, f.cut.Inactive.Add(tick)), sessioncleanup.StatusActive},
		dueCase{"inactive, at the cutoff", f.session(0, false, f.cut.Delete), sessioncleanup.StatusInactive},
		dueCase{"inactive, a tick before it", f.session(0, false, f.cut.Delete.Add(-tick)), sessioncleanup.StatusToDelete},
		dueCase{"inactive, a tick after it", f.session(0, false, f.cut.Delete.Add(tick)), sessioncleanup.StatusInactive},
		dueCase{"active, before the cutoff of deletion", f.session(0, true, f.cut.Delete.Add(-day)), sessioncleanup.StatusToDeactivate},
	)
}

// expiring gives a session an expiry.
func expiring(s sessioncleanup.Session, at time.Time) sessioncleanup.Session {
	s.ExpiresAt = at
	return s
}

func protected(s sessioncleanup.Session) sessioncleanup.Session {
	s.AutoCleanup = false
	return s
}

func ownedBy(owner string, s sessioncleanup.Session) sessioncleanup.Session {
	s.OwnerID = owner
	return s
}

func dueByExpiry(f *fixture) {
	f.proveDue(f.cut,
		dueCase{"expired just now", expiring(f.fresh(0), f.now), sessioncleanup.StatusToDeactivate},
		dueCase{"expires in a tick", expiring(f.fresh(0), f.now.Add(tick)), sessioncleanup.StatusActive},
		dueCase{"expired a tick ago", expiring(f.fresh(0), f.now.Add(-tick)), sessioncleanup.StatusToDeactivate},
		dueCase{"expired long ago, used since", expiring(f.fresh(0), f.now.Add(-60*day)), sessioncleanup.StatusToDeactivate},
		dueCase{"unused, expires later", expiring(f.dueForDeactivation(0), f.now.Add(day)), sessioncleanup.StatusToDeactivate},
	)
}

func dueKeptByExpiry(f *fixture) {
	f.proveDue(f.cut,
		dueCase{"expires later", expiring(f.dueForDeletion(0), f.now.Add(day)), sessioncleanup.StatusInactive},
		dueCase{"expired yesterday", expiring(f.dueForDeletion(0), f.now.Add(-day)), sessioncleanup.StatusInactive},
		dueCase{"expired at the cutoff", expiring(f.dueForDeletion(0), f.cut.Delete), sessioncleanup.StatusInactive},
		dueCase{"expired a tick before it", expiring(f.dueForDeletion(0), f.cut.Delete.Add(-tick)), sessioncleanup.StatusToDelete},
		dueCase{"expired long ago, used since", expiring(f.idle(0), f.now.Add(-60*day)), sessioncleanup.StatusInactive},
	)
}

func dueWithoutExpiry(f *fixture) {
	f.proveDue(f.cut,
		dueCase{"active and used", f.fresh(0), sessioncleanup.StatusActive},
		dueCase{"active and unused", f.dueForDeactivation(0), sessioncleanup.StatusToDeactivate},
		dueCase{"inactive for days", f.idle(0), sessioncleanup.StatusInactive},
		dueCase{"inactive for long", f.dueForDeletion(0), sessioncleanup.StatusToDelete},
	)
}

func dueNeverProtected(f *fixture) {
	f.proveDue(f.cut,
		dueCase{"active and unused", protected(f.dueForDeactivation(0)), sessioncleanup.StatusProtected},
		dueCase{"active and expired", protected(expiring(f.fresh(0), f.now.Add(-day))), sessioncleanup.StatusProtected},
		dueCase{"inactive for long", protected(f.dueForDeletion(0)), sessioncleanup.StatusProtected},
		dueCase{"not protected, unused", f.dueForDeactivation(0), sessioncleanup.StatusToDeactivate},
		dueCase{"not protected, inactive for long", f.dueForDeletion(0), sessioncleanup.StatusToDelete},
	)
}

// duePhaseOff proves each phase with the other one off: "never" must not be read as a time, neither the first nor now.
func duePhaseOff(f *fixture) {
	noDeletion, noDeactivation, nothing := f.cut, f.cut, f.cut
	noDeletion.Delete = time.Time{}
	noDeactivation.Inactive = time.Time{}
	nothing.Delete, nothing.Inactive = time.Time{}, time.Time{}
	expired := expiring(f.fresh(0), f.now.Add(-day))
	cases := func(unused, expiredSession, old sessioncleanup.Status) []dueCase {
		return []dueCase{
			{"active and unused", f.dueForDeactivation(0), unused},
			{"active and expired", expired, expiredSession},
			{"inactive for long", f.dueForDeletion(0), old},
		}
	}
	const (
		active, inactive       = sessioncleanup.StatusActive, sessioncleanup.StatusInactive
		toDeactivate, toDelete = sessioncleanup.StatusToDeactivate, sessioncleanup.StatusToDelete
	)
	f.proveDue(nothing, cases(active, active, inactive)...)
	f.empty()
	f.proveDue(noDeletion, cases(toDeactivate, toDeactivate, inactive)...)
	f.empty()
	f.proveDue(noDeactivation, cases(active, active, toDelete)...)
}

// empty deletes every session.
func (f *fixture) empty() {
	f.Helper()
	for _, s := range f.all() {
		if _, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: s.ID}, cause("empty")); err != nil {
			f.Fatalf("Delete %s: %v", s.ID, err)
		}
	}
}

// dueInZones inserts the same instants as hosts in several places would write them. Among them are two an hour apart
// that show the same time of day, as happens when the clocks go back.
func dueInZones(f *fixture) {
	var cases []dueCase
	for _, zone := range []*time.Location{
		time.UTC, time.FixedZone("far east", 14*3600), time.FixedZone("far west", -11*3600), time.FixedZone("quarter", 5*3600+45*60),
	} {
		in := func(t time.Time) time.Time { return t.In(zone) }
		cases = append(cases,
			dueCase{"at the cutoff in " + zone.String(), f.session(0, true, in(f.cut.Inactive)), sessioncleanup.StatusActive},
			dueCase{"before it in " + zone.String(), f.session(0, true, in(f.cut.Inactive.Add(-tick))), sessioncleanup.StatusToDeactivate},
			dueCase{"expired in " + zone.String(), expiring(f.fresh(0), in(f.now)), sessioncleanup.StatusToDeactivate},
			dueCase{"not expired in " + zone.String(), expiring(f.fresh(0), in(f.now.Add(tick))), sessioncleanup.StatusActive},
			dueCase{"old in " + zone.String(), f.session(0, false, in(f.cut.Delete.Add(-tick))), sessioncleanup.StatusToDelete},
		)
	}
	summer, winter := time.FixedZone("summer", 2*3600), time.FixedZone("winter", 3600)
	cases = append(cases,
		dueCase{"before the clocks went back", f.session(0, true, f.cut.Inactive.Add(-30*time.Minute).In(summer)), sessioncleanup.StatusToDeactivate},
		dueCase{"after they went back", f.session(0, true, f.cut.Inactive.Add(30*time.Minute).In(winter)), sessioncleanup.StatusActive},
	)
	elsewhere := time.FixedZone("elsewhere", -8*3600)
	f.proveDue(sessioncleanup.Cutoffs{
		Now: f.cut.Now.In(elsewhere), Inactive: f.cut.Inactive.In(elsewhere), Delete: f.cut.Delete.In(elsewhere),
	}, cases...)
}

// dueFarTimes has the earliest time that an adopted table can hold and the latest that means "never expires".
func dueFarTimes(f *fixture) {
	first, last := time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	f.proveDue(f.cut,
		dueCase{"used in 1970", f.session(0, true, first), sessioncleanup.StatusToDeactivate},
		dueCase{"inactive since 1970", f.session(0, false, first), sessioncleanup.StatusToDelete},
		dueCase{"expired in 1970", expiring(f.fresh(0), first), sessioncleanup.StatusToDeactivate},
		dueCase{"expires in 9999", expiring(f.fresh(0), last), sessioncleanup.StatusActive},
		dueCase{"inactive since 1970, expires in 9999", expiring(f.session(0, false, first), last), sessioncleanup.StatusInactive},
	)
}
