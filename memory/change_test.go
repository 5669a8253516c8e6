package memory

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestTouchWritesEachSessionOncePerInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, unused("1", true, time.Hour), unused("2", true, 59*time.Second), unused("later", true, -time.Hour))
		ids := sessioncleanup.Touch{IDs: []string{"1", "2", "1", "3", "later"}, Interval: time.Minute}
		expect(t, "first touch", touch(t, s, ids), 1)
		time.Sleep(time.Second)
		expect(t, "a second later", touch(t, s, ids), 1)
		time.Sleep(58 * time.Second)
		expect(t, "a minute but a second after the first", touch(t, s, ids), 0)
		time.Sleep(time.Second)
		expect(t, "a minute after the first", touch(t, s, ids), 1)
		if got := get(t, s, "1").LastActivity; !got.Equal(time.Now()) {
			t.Errorf("last activity is %v, want now, %v", got, time.Now())
		}
		if got := get(t, s, "later").LastActivity; got.Before(time.Now()) {
			t.Errorf("last activity in the future became %v", got)
		}
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
	})
}

func TestTouchWithoutIntervalCountsDuplicatesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, unused("1", true, 0), unused("2", true, time.Hour))
		ids := sessioncleanup.Touch{IDs: []string{"1", "2", "2", "1"}}
		for range 2 {
			expect(t, "written", touch(t, s, ids), 2)
		}
	})
}

func TestTouchReachesOnlyTheOwnersSessions(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	mine, theirs := unused("1", true, time.Hour), unused("2", true, time.Hour)
	mine.OwnerID, theirs.OwnerID = "me", "them"
	put(t, s, mine, theirs, unused("3", true, time.Hour))
	expect(t, "written", touch(t, s, sessioncleanup.Touch{IDs: []string{"1", "2", "3"}, OwnerID: "me"}), 1)
	expect(t, "theirs", get(t, s, "2"), theirs)
}

func TestTouchReactivatesWithOneEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		expired, idle, expires := unused("1", true, 0), unused("2", true, 2*day), unused("3", true, 2*day)
		expired.ExpiresAt, expires.ExpiresAt = time.Now().UTC(), time.Now().UTC().Add(day)
		put(t, s, expired, idle, expires, unused("4", true, 2*day), unused("5", true, time.Hour))
		sweepOnce(t, s, batch(sessioncleanup.ActionDeactivated, 10))
		protect := sessioncleanup.Change{Cause: system, Action: sessioncleanup.ActionAutoCleanupOff, AutoCleanup: sessioncleanup.Off}
		protected, err := s.Update(t.Context(), sessioncleanup.Target{ID: "4"}, protect)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		now := time.Now().UTC()
		cause := sessioncleanup.Cause{Actor: "owner:1", Reason: "activity"}
		ids := sessioncleanup.Touch{IDs: []string{"1", "2", "3", "5", "2", "4"}, Interval: time.Minute, Reactivate: &cause}
		expect(t, "written", touch(t, s, ids), 5)
		expired.LastActivity, expired.ExpiresAt = now, time.Time{}
		idle.LastActivity, expires.LastActivity = now, now
		protected.LastActivity, protected.AsOf = now, time.Time{}
		expect(t, "expired session, touched less than the interval ago", get(t, s, "1"), expired)
		expect(t, "idle session", get(t, s, "2"), idle)
		expect(t, "session that expires later", get(t, s, "3"), expires)
		expect(t, "protected session", get(t, s, "4"), protected)
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{Limit: 1}), []sessioncleanup.Event{{
			ID: 3, At: now, Action: sessioncleanup.ActionReactivated, Sessions: []sessioncleanup.SessionRef{{ID: "1"}, {ID: "2"}, {ID: "3"}},
			Actor: "owner:1", Reason: "activity",
		}})
	})
}

func TestTouchReactivatesOnlyWhatTheLogSaysARunDeactivated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		person := sessioncleanup.Cause{Actor: "owner:1"}
		set := func(id string, active bool) {
			t.Helper()
			change := sessioncleanup.Change{Cause: person, Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.SwitchOf(active)}
			if _, err := s.Update(t.Context(), sessioncleanup.Target{ID: id}, change); err != nil {
				t.Fatal(err)
			}
		}
		put(t, s, unused("closed", true, time.Hour), unused("by run", true, 2*day), unused("by run, then closed", true, 2*day), unused("inserted", false, day))
		sweepOnce(t, s, batch(sessioncleanup.ActionDeactivated, 10))
		time.Sleep(time.Second)
		set("closed", false)
		set("by run, then closed", true)
		set("by run, then closed", false)
		ids := []string{"closed", "by run", "by run, then closed", "inserted"}
		statuses := func() (active []string) {
			for _, id := range ids {
				if get(t, s, id).Active {
					active = append(active, id)
				}
			}
			return active
		}
		early := sessioncleanup.Touch{IDs: ids, Ago: []time.Duration{time.Minute, time.Minute, time.Minute, time.Minute}, Reactivate: &person}
		touch(t, s, early)
		expect(t, "active after a touch from before the deactivation", statuses(), nil)
		time.Sleep(time.Second)
		touch(t, s, sessioncleanup.Touch{IDs: ids, Reactivate: &person})
		expect(t, "active after a touch", statuses(), []string{"by run"})
	})
}

func TestTouchCountsAtItsOwnTimeTheLatestOfSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		now := time.Now().UTC()
		put(t, s, unused("1", true, time.Hour), unused("2", true, time.Hour), unused("3", true, time.Minute))
		many := sessioncleanup.Touch{IDs: []string{"1", "2", "1", "3", "1"}, Ago: []time.Duration{5, 7, 2, 10 * time.Minute, 9}}
		for i := range many.Ago[:3] {
			many.Ago[i] *= time.Second
		}
		expect(t, "written", touch(t, s, many), 2)
		expect(t, "latest of three", get(t, s, "1").LastActivity, now.Add(-9).Truncate(time.Millisecond))
		expect(t, "one", get(t, s, "2").LastActivity, now.Add(-7*time.Second))
		expect(t, "older than what is known", get(t, s, "3").LastActivity, now.Add(-time.Minute))
	})
}

func TestUpdateThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		session := unused("1", true, time.Hour)
		session.ExpiresAt = time.Now().UTC().Add(-time.Minute)
		put(t, s, session)
		elsewhere := session.ExpiresAt.In(time.FixedZone("elsewhere", 3600))
		for what, c := range map[string]sessioncleanup.Change{
			"nothing":        {},
			"active already": {Active: sessioncleanup.On},
			"same expiry":    {ExpiresAt: &elsewhere},
			"not protected":  {AutoCleanup: sessioncleanup.On},
		} {
			got, err := s.Update(t.Context(), sessioncleanup.Target{ID: "1"}, c)
			if err != nil || !got.Equal(session) {
				t.Errorf("%s: got %+v, %v; want the session as it was", what, got, err)
			}
		}
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
	})
}

func TestConditionGuardsUpdateAndDelete(t *testing.T) {
	t.Parallel()
	s := New(Config{Refuse: func(sessioncleanup.Session) error { return errors.New("must not be called") }})
	session := unused("1", true, time.Hour)
	session.OwnerID = "ann"
	put(t, s, session)
	for want, target := range map[error]sessioncleanup.Target{
		sessioncleanup.ErrNotFound: {ID: "1", OwnerID: "bob"},
		sessioncleanup.ErrChanged: {ID: "1", OwnerID: "ann", If: func(got sessioncleanup.Session) bool {
			if !got.Equal(session) || got.AsOf.IsZero() {
				t.Errorf("the condition is asked for %+v, want %+v with the time", got, session)
			}
			return false
		}},
	} {
		if _, err := s.Update(t.Context(), target, sessioncleanup.Change{Active: sessioncleanup.Off}); !errors.Is(err, want) {
			t.Errorf("Update: error is %v, want %v", err, want)
		}
		if _, err := s.Delete(t.Context(), target, system); !errors.Is(err, want) {
			t.Errorf("Delete: error is %v, want %v", err, want)
		}
	}
	expect(t, "session", get(t, s, "1"), session)
	expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
}
