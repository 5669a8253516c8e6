package storetest

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "touch" prove that a touch has a time of its own, and that it reactivates only what a run
// deactivated before that time.
func reactivateChecks() []check {
	return []check{
		{"touch", "with a time of its own sets the last activity to that time, of several to the latest", touchAgo},
		{"touch", "from before a deactivation does not reactivate, one from after it does", touchBuffered},
		{"touch", "leaves inactive what a person or the application closed", touchClosed},
	}
}

func touchAgo(f *fixture) {
	m := f.hold(
		f.fresh(1), f.dueForDeactivation(2), f.session(3, true, f.now.Add(-10*time.Minute)), f.session(4, true, f.now.Add(-10*time.Minute)),
		f.idle(5), f.fresh(6), protected(f.dueForDeletion(7)),
	)
	const minute = time.Minute
	t := sessioncleanup.Touch{
		IDs: append(idsOf(m.sessions), f.id(1), f.id(2), f.id(6), "nobody"),
		Ago: []time.Duration{30 * minute, 5 * minute, 5 * minute, 20 * minute, 3 * minute, -minute, 90 * minute, 7 * minute, 40 * minute, minute, 0},
	}
	f.expectTouch("used before", m, t)
	f.expectTouch("used before, once more", m, t)
	t.Interval = 4 * minute
	f.expectTouch("used before, within an interval", m, t)
}

// touchBuffered has what a tracker sends that was touched before and after a run.
func touchBuffered(f *fixture) {
	m := f.deactivated(many(1, 6, func(n int) sessioncleanup.Session {
		if n%2 == 0 {
			return expiring(f.session(n, true, f.now.Add(-time.Minute)), f.now)
		}
		return f.dueForDeactivation(n)
	})...)
	f.expectTouch("used before the deactivation", m, sessioncleanup.Touch{
		IDs: append(idsOf(m.sessions), f.id(1)), Reactivate: activity(), Interval: time.Minute,
		Ago: []time.Duration{time.Hour, time.Hour, 30 * time.Second, 30 * time.Second, 3 * day, 3 * day, 20 * time.Minute},
	})
	f.expectTouch("used before and after it", m, sessioncleanup.Touch{
		IDs: []string{f.id(1), f.id(2), f.id(1), f.id(3), f.id(2), f.id(4)}, Reactivate: activity(),
		Ago: []time.Duration{time.Hour, 0, 0, time.Hour, time.Hour, 0},
	})
}

func touchClosed(f *fixture) {
	m, _ := f.closedInEveryWay()
	t := sessioncleanup.Touch{IDs: idsOf(m.sessions), Interval: time.Hour, Reactivate: activity()}
	f.expectTouch("closed", m, t)
	f.expectTouch("closed, once more", m, t)
}

// closedInEveryWay makes inactive sessions, and says of each how it became so.
func (f *fixture) closedInEveryWay() (m *model, ways []string) {
	f.Helper()
	ways = []string{
		"deactivated by a run for idleness", "deactivated by a run for its expiry, just used",
		"deactivated by a run, then protected", "deactivated by a run, reactivated and closed by a person", "closed by a person",
		"inserted inactive", "inserted inactive, dated by a run", "inserted inactive, not dated",
	}
	sessions := []sessioncleanup.Session{
		f.dueForDeactivation(0), expiring(f.session(1, true, f.now.Add(-time.Minute)), f.now),
		f.dueForDeactivation(2), f.dueForDeactivation(3), f.fresh(4),
		f.idle(5), f.undated(6), f.undated(7),
	}
	if f.SetActive != nil {
		ways = append(ways, "closed by the application", "deactivated by a run, reactivated and closed by the application")
		sessions = append(sessions, f.fresh(8), f.dueForDeactivation(9))
	}
	m = f.deactivated(sessions...)
	dated := f.batchOf("idle", 5)
	dated.Filter = byID(f.id(6))
	f.expectBatches(m, dating, dated)
	f.passDeactivations(m)
	for _, c := range []struct {
		n      int
		change sessioncleanup.Change
	}{
		{2, sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off}},
		{3, sessioncleanup.Change{Action: sessioncleanup.ActionReactivated, Active: sessioncleanup.On}},
		{3, sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off}},
		{4, sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off}},
	} {
		c.change.Cause = person("close")
		m.set(f.update(sessioncleanup.Target{ID: f.id(c.n)}, c.change))
	}
	if f.SetActive != nil {
		f.setActive(f.id(8), false)
		f.setActive(f.id(9), true)
		f.setActive(f.id(9), false)
		m.set(f.get(f.id(8)))
		m.set(f.get(f.id(9)))
	}
	return m, ways
}
