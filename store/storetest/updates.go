package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "update" proves changes to one session.
func updateChecks() []check {
	return []check{
		{"update", "makes every change, says what it made and logs it once", updateEvery},
		{"update", "that changes nothing writes nothing and logs nothing", updateNothing},
		{"update", "that reactivates counts as activity and removes an expiry that has passed", updateReactivates},
		{"update", "of a session that is not the target's is not found and changes nothing", updateNotFound},
	}
}

// updateCase is a change to a session.
type updateCase struct {
	what    string
	session sessioncleanup.Session
	change  sessioncleanup.Change
}

func updateEvery(f *fixture) {
	future, past := f.now.Add(3*day+tick), f.now.Add(-3*day-tick)
	for i, c := range []updateCase{
		{"deactivate", f.fresh(0), sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: new(false)}},
		{"deactivate, protected", protected(f.fresh(0)), sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: new(false)}},
		{"protect", f.idle(0), sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: new(false)}},
		{"lift the protection", protected(f.dueForDeletion(0)), sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOn, AutoCleanup: new(true)}},
		{"set an expiry", f.fresh(0), sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: &future}},
		{"set an expiry in the past", f.idle(0), sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: &past}},
		{"move an expiry", expiring(f.fresh(0), past), sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: &future}},
		{"remove an expiry", expiring(f.fresh(0), future), sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: new(time.Time)}},
		{"all at once", expiring(f.fresh(0), past), sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: new(false), AutoCleanup: new(false), ExpiresAt: &future}},
		{"one new, one as it was", f.fresh(0), sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOff, Active: new(true), AutoCleanup: new(false)}},
	} {
		s, bystander := c.session, f.fresh(100+i)
		s.ID = f.id(i)
		f.insert(s, bystander)
		c.change.Cause = cause(c.what)
		want, _ := change(s, c.change, f.now)
		since := f.mark()
		got := f.update(sessioncleanup.Target{ID: s.ID, OwnerID: s.OwnerID}, c.change)
		for source, got := range map[string]sessioncleanup.Session{"Update gave": got, "List gives": f.get(s.ID)} {
			if diff := difference(want, got); diff != "" {
				f.Errorf("%s: of what %s, %s", c.what, source, diff)
			}
		}
		if diff := difference(bystander, f.get(bystander.ID)); diff != "" {
			f.Errorf("%s: another session changed: %s", c.what, diff)
		}
		f.expectLog(c.what, since, entries(c.change.Action, c.change.Cause, s)...)
	}
}

func updateNothing(f *fixture) {
	at := f.now.Add(-2 * day)
	elsewhere := at.In(time.FixedZone("elsewhere", 7*3600))
	s := f.session(1, true, f.now.Add(-5*day))
	expired := expiring(f.dueForDeactivation(2), at)
	sleeping := protected(f.idle(3))
	f.insert(s, expired, sleeping)
	for _, c := range []updateCase{
		{"no change", s, sessioncleanup.Change{Action: sessioncleanup.ActionReactivated}},
		{"active already", s, sessioncleanup.Change{Action: sessioncleanup.ActionReactivated, Active: new(true)}},
		{"active already, though expired", expired, sessioncleanup.Change{Action: sessioncleanup.ActionReactivated, Active: new(true)}},
		{"inactive already", sleeping, sessioncleanup.Change{Action: sessioncleanup.ActionDeactivated, Active: new(false)}},
		{"protected already", sleeping, sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: new(false)}},
		{"not protected anyway", s, sessioncleanup.Change{Action: sessioncleanup.ActionAutoCleanupOn, AutoCleanup: new(true)}},
		{"no expiry anyway", s, sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: new(time.Time)}},
		{"the same expiry, in another zone", expired, sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, ExpiresAt: &elsewhere}},
		{"all as they were", expired, sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, Active: new(true), AutoCleanup: new(true), ExpiresAt: &at}},
	} {
		c.change.Cause = cause(c.what)
		if diff := difference(c.session, f.update(sessioncleanup.Target{ID: c.session.ID}, c.change)); diff != "" {
			f.Errorf("%s: of what Update gave, %s", c.what, diff)
		}
		f.expectSessions(c.what, s, expired, sleeping)
		f.expectLog(c.what, 0)
	}
}

// updateReactivates has sessions that the next run would deactivate again if reactivation were only a flag.
func updateReactivates(f *fixture) {
	future := f.now.Add(day)
	for i, c := range []struct {
		session sessioncleanup.Session
		expiry  time.Time // afterwards
	}{
		{f.dueForDeletion(0), time.Time{}},
		{expiring(f.idle(0), f.now.Add(-day)), time.Time{}},
		{expiring(f.idle(0), f.now), time.Time{}},
		{expiring(f.idle(0), future), future},
		{protected(f.idle(0)), time.Time{}},
	} {
		s, since, before := c.session, f.mark(), f.clock()
		s.ID = f.id(i)
		f.insert(s)
		b := sessioncleanup.Change{Cause: cause("reactivate"), Action: sessioncleanup.ActionReactivated, Active: new(true)}
		got := f.update(sessioncleanup.Target{ID: s.ID}, b)
		f.expectJustNow("the last activity of a reactivated session", got.LastActivity, before)
		if diff := difference(got, f.get(s.ID)); diff != "" {
			f.Errorf("reactivated session as listed and as Update gave it: %s", diff)
		}
		want := expiring(s, c.expiry)
		want.Active, want.LastActivity = true, got.LastActivity
		if diff := difference(want, got); diff != "" {
			f.Errorf("reactivated session %d: %s", i, diff)
		}
		f.expectLog("reactivation", since, entries(b.Action, b.Cause, s)...)
	}
	f.expectIDs("sessions due for deactivation after they were reactivated", f.sweep(phases()[1],
		sessioncleanup.Batch{Cause: cause("again"), Cutoffs: sessioncleanup.Policy{}.CutoffsAt(f.clock()), Limit: 10}, nil))
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
			{Action: sessioncleanup.ActionDeactivated, Active: new(false)},
			{Action: sessioncleanup.ActionReactivated, Active: new(true)}, // nothing to change, were it found
		} {
			c.Cause = cause("stranger")
			if _, err := f.Store.Update(f.ctx, t, c); !errors.Is(err, sessioncleanup.ErrNotFound) {
				f.Errorf("Update(%+v): error %v, want ErrNotFound", t, err)
			}
		}
	}
	f.expectSessions("after updates that found nothing", s, other, nobodys)
	f.expectLog("after updates that found nothing", 0)
}

// The group "delete" proves the deletion of one session.
func deleteChecks() []check {
	return []check{
		{"delete", "removes one session in any state, gives it as it was and logs it", deleteAny},
		{"delete", "of a session that is not the target's is not found and changes nothing", deleteNotFound},
		{"delete", "that the database refuses fails and changes nothing", deletePinned},
	}
}

func deleteAny(f *fixture) {
	sessions := []sessioncleanup.Session{
		f.fresh(1), f.idle(2), protected(f.fresh(3)), expiring(ownedBy(f.owner(2), f.idle(4)), f.now.Add(day)), ownedBy("", f.dueForDeletion(5)),
	}
	f.insert(sessions...)
	for i, s := range sessions {
		since, c := f.mark(), cause(fmt.Sprint("delete ", i))
		got, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: s.ID, OwnerID: s.OwnerID}, c)
		if err != nil {
			f.Fatalf("Delete: %v", err)
		}
		if diff := difference(s, got); diff != "" {
			f.Errorf("of what Delete gave, %s", diff)
		}
		f.expectSessions("after a deletion", sessions[i+1:]...)
		f.expectLog("deletion", since, entries(sessioncleanup.ActionDeleted, c, s)...)
	}
}

func deleteNotFound(f *fixture) {
	s, gone := f.fresh(1), f.fresh(2)
	f.insert(s, gone)
	f.remove(gone.ID)
	since := f.mark()
	for _, t := range append(f.strangers(s), sessioncleanup.Target{ID: gone.ID}) {
		if _, err := f.Store.Delete(f.ctx, t, cause("stranger")); !errors.Is(err, sessioncleanup.ErrNotFound) {
			f.Errorf("Delete(%+v): error %v, want ErrNotFound", t, err)
		}
	}
	f.expectSessions("after deletions that found nothing", s)
	f.expectLog("after deletions that found nothing", since)
}

func deletePinned(f *fixture) {
	due := f.pinned(1, 2, 1)
	_, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: due[0].ID}, cause("pinned"))
	switch {
	case err == nil:
		f.Errorf("Delete of a pinned session succeeded")
	case errors.Is(err, sessioncleanup.ErrNotFound), errors.Is(err, sessioncleanup.ErrUnavailable):
		f.Errorf("Delete of a pinned session: error %v, want one that is neither ErrNotFound nor ErrUnavailable", err)
	}
	f.expectSessions("after a deletion that was refused", due...)
	f.expectLog("after a deletion that was refused", 0)
}
