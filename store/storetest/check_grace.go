package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "sweep" prove that a session is kept for a while after its deactivation, regardless of who
// deactivated it.
func graceChecks() []check {
	return []check{
		{"sweep", "deactivates at exactly the time of its event", graceStamps},
		{"sweep", "deletes nothing that was deactivated less than the policy's time ago, by whomever", graceKeeps},
		{"sweep", "dates what is inactive since an unknown time, in batches, and logs nothing", datesUnknown},
		{"sweep", "takes a last activity in the future for a use now, in batches, each with its event", correctsTheFuture},
		{"sweep", "dates random sessions, each once, filter by filter", datesRandom},
	}
}

func graceStamps(f *fixture) {
	m := f.hold(append(many(0, 19, f.dueForDeactivation), f.fresh(20), f.undated(21), f.idle(22))...)
	f.expectBatches(m, deactivation, f.batchOf("stamp", 6))
	f.expectSessions("after a run", m.sessions...)
	for _, e := range f.events(sessioncleanup.EventQuery{}) {
		for _, r := range e.Sessions {
			if got := f.get(r.ID).DeactivatedAt; !got.Equal(e.At) {
				f.Errorf("session %s was deactivated at %s, and its event happened at %s", r.ID, stamp(got), stamp(e.At))
			}
		}
	}
}

// graceKeeps has sessions that were unused for long before they were deactivated. They are due one tick after the
// policy's time, and not before: for batches, lists and counts.
func graceKeeps(f *fixture) {
	unused := func(n int) sessioncleanup.Session { return f.session(n, true, f.now.Add(-90*day)) }
	sessions := []sessioncleanup.Session{unused(0), expiring(unused(1), f.now.Add(-80*day)), unused(2)}
	if f.SetActive != nil {
		sessions = append(sessions, unused(3))
	}
	f.insert(sessions...)
	f.update(sessioncleanup.Target{ID: f.id(2)}, sessioncleanup.Change{Cause: person("close"), Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off})
	if f.SetActive != nil {
		f.setActive(f.id(3), false)
	}
	f.sweep(deactivation, f.batchOf("grace", 5), nil)
	m := &model{sessions: f.all()}
	for _, s := range f.all() {
		since := s.DeactivatedAt.Truncate(tick)
		f.expectClock("DeactivatedAt of session "+s.ID, s.DeactivatedAt, f.now)
		for _, late := range []time.Duration{-tick, 0, tick} {
			t := f.pin
			t.Now = since.Add(t.Delete + late)
			q := sessioncleanup.Query{Filter: byID(s.ID), Status: toDelete, Thresholds: t}
			f.expectList(m, q, 2)
			f.expectCounts(m, sessioncleanup.CountsQuery{Filter: q.Filter, Thresholds: t})
			b := f.batchOf("grace", 5)
			b.Filter, b.Cutoffs = q.Filter, t.At(f.now)
			f.expectBatches(m, deletion, b)
		}
	}
	f.expectSessions("after their time")
}

func datesUnknown(f *fixture) {
	m := f.hold(append(many(0, 11, func(n int) sessioncleanup.Session {
		return ownedBy([]string{f.owner(1), f.owner(2), ""}[n%3], f.undated(n))
	}), f.fresh(20), f.dueForDeactivation(21), f.dueForDeletion(22), f.idle(23), protected(f.undated(24)), expiring(f.undated(25), f.now.Add(day)))...)
	mine := f.batchOf("date", 2)
	mine.Filter.OwnerID = f.owner(2)
	f.expectBatches(m, dating, mine)
	f.expectBatches(m, dating, f.batchOf("date", 5))
	f.expectSessions("after they were dated", m.sessions...)
	f.expectBatches(m, dating, f.batchOf("date again", 5))
	f.expectIDs("sessions deleted after they were dated", f.sweep(deletion, f.batchOf("date", 50), nil), f.id(22))
}

func datesRandom(f *fixture) {
	m := f.stock(120)
	for _, filter := range f.filters() {
		b := f.batchOf("date", 7)
		b.Filter = filter
		f.expectBatches(m, dating, b)
	}
	f.expectSessions("after they were dated", m.sessions...)
}

func correctsTheFuture(f *fixture) {
	ahead := f.cut.Ahead()
	used := func(s sessioncleanup.Session, at time.Time) sessioncleanup.Session {
		s.LastActivity = at
		return s
	}
	m := f.hold(append(many(0, 9, func(n int) sessioncleanup.Session {
		make := []func(int) sessioncleanup.Session{f.fresh, f.idle, f.dueForDeletion}[n%3]
		return used(ownedBy([]string{f.owner(1), f.owner(2), ""}[n%2], make(n)), ahead.Add(time.Duration(1+n/2)*day))
	}), used(f.fresh(20), ahead), used(f.fresh(21), ahead.Add(tick)), used(f.idle(22), ahead.Add(-tick)), protected(used(f.fresh(23), ahead.Add(day))),
		expiring(f.idle(24), f.now.Add(day)), f.undated(25), f.dueForDeletion(26), f.dueForDeactivation(27))...)
	mine := f.batchOf("correct", 2)
	mine.Filter.OwnerID = f.owner(2)
	f.expectBatches(m, correction, mine)
	f.expectBatches(m, correction, f.batchOf("correct", 3))
	f.expectSessions("after they were corrected", m.sessions...)
	f.expectBatches(m, correction, f.batchOf("correct again", 3))
}
