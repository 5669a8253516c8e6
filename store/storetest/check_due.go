package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "due" proves that a store agrees with sessioncleanup.Cutoffs about what is due: in its lists, in its counts
// and in what its batches then do.
func dueChecks() []check {
	return []check{
		{"due", "last used exactly at the cutoff is not due, a millisecond earlier is", dueAtCutoff},
		{"due", "an expiry at or before now makes an active session due", dueByExpiry},
		{"due", "an expiry keeps an inactive session until it is old too", dueKeptByExpiry},
		{"due", "a missing expiry does not count", dueWithoutExpiry},
		{"due", "a deactivation keeps a session until it is old too, however long it was unused before", dueKeptByDeactivation},
		{"due", "a session that is inactive since an unknown time is not due", dueUndated},
		{"due", "a protected session is never due", dueNeverProtected},
		{"due", "a phase that is off makes nothing due", duePhaseOff},
		{"due", "an instant is the same in every time zone", dueInZones},
		{"due", "times far from now compare like others", dueFarTimes},
		{"due", "a session without a last activity is not due for idleness", dueUnknownActivity},
	}
}

const (
	active       = sessioncleanup.StatusActive
	toDeactivate = sessioncleanup.StatusToDeactivate
	inactive     = sessioncleanup.StatusInactive
	toDelete     = sessioncleanup.StatusToDelete
	isProtected  = sessioncleanup.StatusProtected
)

// dueCase is a session and the status that it should have.
type dueCase struct {
	what    string
	session sessioncleanup.Session
	want    sessioncleanup.Status
}

// proveDue inserts the sessions of the cases, requires that lists and counts agree on the status of each, sweeps, and
// requires that exactly the sessions that were due have changed.
func (f *fixture) proveDue(t sessioncleanup.Thresholds, cases ...dueCase) {
	f.Helper()
	cut := t.At(f.now)
	m, names := &model{}, map[string]string{}
	for i, c := range cases {
		c.session.ID = f.id(i)
		names[c.session.ID] = c.what
		m.sessions = append(m.sessions, c.session)
		if got := cut.Status(c.session); got != c.want {
			f.Fatalf("the check is wrong: %s has status %s by the cutoffs, not %s", c.what, got, c.want)
		}
	}
	f.insert(m.sessions...)
	for _, status := range sessioncleanup.Statuses() {
		q := sessioncleanup.Query{Status: status, Thresholds: t, Limit: everything}
		f.expectIDs("sessions listed with status "+string(status), called(names, f.page(q).Sessions), called(names, m.list(q))...)
	}
	f.expectCounts(m, sessioncleanup.CountsQuery{Thresholds: t})
	zone := t.Now.Location()
	b := sessioncleanup.Batch{Cause: cause("due"), Limit: 2, Cutoffs: sessioncleanup.Cutoffs{
		Now: cut.Now.In(zone), Inactive: cut.Inactive.In(zone), Delete: cut.Delete.In(zone),
	}}
	for _, p := range phases() {
		if p.on(b.Cutoffs) {
			due, since := m.due(p, b), f.mark()
			changed := f.sweep(p, b, nil)
			f.expectIDs("sessions changed by "+p.name, called(names, those(m.sessions, changed)), called(names, due)...)
			m.swept(p, idsOf(due), f.deactivations(since))
		}
	}
	f.expectSessions("after the sweeps", m.sessions...)
}

// called describes sessions as the cases do.
func called(names map[string]string, sessions []sessioncleanup.Session) []string {
	out := make([]string, len(sessions))
	for i, s := range sessions {
		out[i] = strings.TrimSpace(s.ID + " " + names[s.ID])
	}
	return out
}

func dueAtCutoff(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"active, at the cutoff", f.session(0, true, f.cut.Inactive), active},
		dueCase{"active, a tick before it", f.session(0, true, f.cut.Inactive.Add(-tick)), toDeactivate},
		dueCase{"active, a tick after it", f.session(0, true, f.cut.Inactive.Add(tick)), active},
		dueCase{"inactive, at the cutoff", f.session(0, false, f.cut.Delete), inactive},
		dueCase{"inactive, a tick before it", f.session(0, false, f.cut.Delete.Add(-tick)), toDelete},
		dueCase{"inactive, a tick after it", f.session(0, false, f.cut.Delete.Add(tick)), inactive},
		dueCase{"active, before the cutoff of deletion", f.session(0, true, f.cut.Delete.Add(-day)), toDeactivate},
	)
}

func dueByExpiry(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"expired just now", expiring(f.fresh(0), f.now), toDeactivate},
		dueCase{"expires in a tick", expiring(f.fresh(0), f.now.Add(tick)), active},
		dueCase{"expired a tick ago", expiring(f.fresh(0), f.now.Add(-tick)), toDeactivate},
		dueCase{"expired long ago, used since", expiring(f.fresh(0), f.now.Add(-60*day)), toDeactivate},
		dueCase{"unused, expires later", expiring(f.dueForDeactivation(0), f.now.Add(day)), toDeactivate},
	)
}

func dueKeptByExpiry(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"expires later", expiring(f.dueForDeletion(0), f.now.Add(day)), inactive},
		dueCase{"expired yesterday", expiring(f.dueForDeletion(0), f.now.Add(-day)), inactive},
		dueCase{"expired at the cutoff", expiring(f.dueForDeletion(0), f.cut.Delete), inactive},
		dueCase{"expired a tick before it", expiring(f.dueForDeletion(0), f.cut.Delete.Add(-tick)), toDelete},
		dueCase{"expired long ago, used since", expiring(f.idle(0), f.now.Add(-60*day)), inactive},
	)
}

func dueWithoutExpiry(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"active and used", f.fresh(0), active},
		dueCase{"active and unused", f.dueForDeactivation(0), toDeactivate},
		dueCase{"inactive for days", f.idle(0), inactive},
		dueCase{"inactive for long", f.dueForDeletion(0), toDelete},
	)
}

func dueKeptByDeactivation(f *fixture) {
	unused := f.dueForDeletion(0)
	f.proveDue(f.pin,
		dueCase{"deactivated just now", deactivatedAt(f.now, unused), inactive},
		dueCase{"deactivated at the cutoff", deactivatedAt(f.cut.Delete, unused), inactive},
		dueCase{"deactivated a tick before it", deactivatedAt(f.cut.Delete.Add(-tick), unused), toDelete},
		dueCase{"deactivated before it was adopted", deactivatedAt(time.Unix(0, 0), unused), toDelete},
		dueCase{"deactivated long ago, used since", deactivatedAt(f.now.Add(-60*day), f.idle(0)), inactive},
		dueCase{"deactivated long ago, expires later", deactivatedAt(f.now.Add(-60*day), expiring(unused, f.now.Add(day))), inactive},
		dueCase{"expired long ago, deactivated yesterday", deactivatedAt(f.now.Add(-day), expiring(unused, f.now.Add(-35*day))), inactive},
		dueCase{"deactivated yesterday, protected", deactivatedAt(f.now.Add(-day), protected(unused)), isProtected},
	)
}

func dueUndated(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"inactive since an unknown time", f.undated(0), inactive},
		dueCase{"inactive since an unknown time, expired", expiring(f.undated(0), f.now.Add(-60*day)), inactive},
		dueCase{"inactive since an unknown time, protected", protected(f.undated(0)), isProtected},
		dueCase{"inactive for long", f.dueForDeletion(0), toDelete},
	)
}

func dueNeverProtected(f *fixture) {
	f.proveDue(f.pin,
		dueCase{"active and unused", protected(f.dueForDeactivation(0)), isProtected},
		dueCase{"active and expired", protected(expiring(f.fresh(0), f.now.Add(-day))), isProtected},
		dueCase{"inactive for long", protected(f.dueForDeletion(0)), isProtected},
		dueCase{"not protected, unused", f.dueForDeactivation(0), toDeactivate},
		dueCase{"not protected, inactive for long", f.dueForDeletion(0), toDelete},
	)
}

// duePhaseOff proves each phase with the other one off: "never" must not be read as a time, neither the first one nor now.
func duePhaseOff(f *fixture) {
	const never = sessioncleanup.Never
	for _, c := range []struct {
		policy               sessioncleanup.Policy
		unused, expired, old sessioncleanup.Status
	}{
		{sessioncleanup.Policy{InactiveAfter: never, DeleteAfter: never}, active, active, inactive},
		{sessioncleanup.Policy{DeleteAfter: never}, toDeactivate, toDeactivate, inactive},
		{sessioncleanup.Policy{InactiveAfter: never}, active, active, toDelete},
	} {
		f.proveDue(f.pinned(c.policy),
			dueCase{"active and unused", f.dueForDeactivation(0), c.unused},
			dueCase{"active and expired", expiring(f.fresh(0), f.now.Add(-day)), c.expired},
			dueCase{"inactive for long", f.dueForDeletion(0), c.old},
		)
		f.remove(idsOf(f.all())...)
	}
}

// dueInZones inserts the same instants as applications in several places would write them. Among them are two an hour
// apart that show the same time of day, as happens when the clocks go back.
func dueInZones(f *fixture) {
	var cases []dueCase
	for _, zone := range []*time.Location{
		time.UTC, time.FixedZone("far east", 14*3600), time.FixedZone("far west", -11*3600), time.FixedZone("quarter", 5*3600+45*60),
	} {
		in := func(t time.Time) time.Time { return t.In(zone) }
		cases = append(cases,
			dueCase{"at the cutoff in " + zone.String(), f.session(0, true, in(f.cut.Inactive)), active},
			dueCase{"before it in " + zone.String(), f.session(0, true, in(f.cut.Inactive.Add(-tick))), toDeactivate},
			dueCase{"expired in " + zone.String(), expiring(f.fresh(0), in(f.now)), toDeactivate},
			dueCase{"not expired in " + zone.String(), expiring(f.fresh(0), in(f.now.Add(tick))), active},
			dueCase{"old in " + zone.String(), f.session(0, false, in(f.cut.Delete.Add(-tick))), toDelete},
		)
	}
	summer, winter := time.FixedZone("summer", 2*3600), time.FixedZone("winter", 3600)
	cases = append(cases,
		dueCase{"before the clocks went back", f.session(0, true, f.cut.Inactive.Add(-30*time.Minute).In(summer)), toDeactivate},
		dueCase{"after they went back", f.session(0, true, f.cut.Inactive.Add(30*time.Minute).In(winter)), active},
	)
	elsewhere := f.pin
	elsewhere.Now = f.now.In(time.FixedZone("elsewhere", -8*3600))
	f.proveDue(elsewhere, cases...)
}

// dueFarTimes has the earliest time that an adopted table can hold and the latest that means "never expires".
func dueFarTimes(f *fixture) {
	first, last := f.Earliest, f.Latest.Add(-time.Second)
	f.proveDue(f.pin,
		dueCase{"used first", f.session(0, true, first), toDeactivate},
		dueCase{"inactive since the first time", f.session(0, false, first), toDelete},
		dueCase{"expired at the first time", expiring(f.fresh(0), first), toDeactivate},
		dueCase{"expires last", expiring(f.fresh(0), last), active},
		dueCase{"inactive since the first time, expires last", expiring(f.session(0, false, first), last), inactive},
	)
}

// dueUnknownActivity has sessions that were inserted, past what Migrate filled in, without a last activity. The store may
// read it as any time at which nothing is due.
func dueUnknownActivity(f *fixture) {
	if f.ActivityNotNull {
		f.Skipf("Harness.ActivityNotNull: the column of the last activity refuses NULL")
	}
	var used time.Time
	cases := []dueCase{
		{"active", f.session(0, true, used), active},
		{"active, expired", expiring(f.session(1, true, used), f.now.Add(-day)), toDeactivate},
		{"active, protected", protected(f.session(2, true, used)), isProtected},
		{"inactive for long", deactivatedAt(f.now.Add(-40*day), f.session(3, false, used)), inactive},
	}
	for _, c := range cases {
		f.insert(c.session)
	}
	counted := map[sessioncleanup.Status]int{}
	for _, c := range cases {
		s, listed := f.get(c.session.ID), f.page(sessioncleanup.Query{Filter: byID(c.session.ID), Status: c.want, Thresholds: f.pin, Limit: 1})
		if got := f.cut.Status(s); got != c.want || len(listed.Sessions) != 1 {
			f.Errorf("%s, without a last activity: read as last used at %s, which is status %s, and listed as %s: %t; want %s",
				c.what, stamp(s.LastActivity), got, c.want, len(listed.Sessions) == 1, c.want)
		}
		counted[c.want]++
	}
	f.expectIDs("pages of sessions without a last activity", idsOf(f.pages(sessioncleanup.Query{}, 1, nil)), f.id(0), f.id(1), f.id(2), f.id(3))
	counts := f.counts(sessioncleanup.CountsQuery{Thresholds: f.pin})
	if counts.DueForDeactivation != counted[toDeactivate] || counts.DueForDeletion != 0 {
		f.Errorf("counts of sessions without a last activity have %d due for deactivation and %d for deletion, want %d and none",
			counts.DueForDeactivation, counts.DueForDeletion, counted[toDeactivate])
	}
	b, inserted := f.batchOf("unknown", 2), f.clock()
	f.eventually("wait for a later time than that of the insert", func() error {
		if b.Cutoffs = (sessioncleanup.Policy{}).CutoffsAt(f.clock()); !b.Cutoffs.Now.After(inserted) {
			return fmt.Errorf("the store's clock is %s", stamp(b.Cutoffs.Now))
		}
		return nil
	})
	f.expectIDs("sessions deleted without a last activity", f.sweep(deletion, b, nil))
	f.expectIDs("sessions deactivated without a last activity", f.sweep(deactivation, b, nil), f.id(1))
	before := f.clock()
	f.touch(sessioncleanup.Touch{IDs: []string{f.id(0)}}, 1)
	f.expectClock("the first last activity", f.get(f.id(0)).LastActivity, before)
}
