package memory

import (
	"context"
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
		now := time.Now().UTC()
		expired, expires := unused("1", false, time.Hour), unused("2", false, 0)
		expired.ExpiresAt, expires.ExpiresAt = now, now.Add(day)
		protected := unused("4", false, 0)
		protected.AutoCleanup = false
		put(t, s, expired, expires, unused("3", true, time.Hour), protected)
		cause := sessioncleanup.Cause{Actor: "owner:1", Reason: "activity"}
		ids := sessioncleanup.Touch{IDs: []string{"1", "2", "3", "1", "4"}, Interval: time.Minute, Reactivate: &cause}
		expect(t, "written", touch(t, s, ids), 3)
		expired.Active, expired.LastActivity, expired.ExpiresAt = true, now, time.Time{}
		expires.Active = true
		expect(t, "expired session", get(t, s, "1"), expired)
		expect(t, "protected session", get(t, s, "4"), protected)
		expect(t, "session touched less than the interval ago", get(t, s, "2"), expires)
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), []sessioncleanup.Event{{
			ID: 1, At: now, Action: sessioncleanup.ActionReactivated, Sessions: []sessioncleanup.SessionRef{{ID: "1"}, {ID: "2"}},
			Actor: "owner:1", Reason: "activity",
		}})
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
			"active already": {Active: new(true)},
			"same expiry":    {ExpiresAt: &elsewhere},
			"not protected":  {AutoCleanup: new(true)},
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
	s := New(Config{BeforeDelete: func(context.Context, sessioncleanup.Session) error { return errors.New("must not be called") }})
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
		if _, err := s.Update(t.Context(), target, sessioncleanup.Change{Active: new(false)}); !errors.Is(err, want) {
			t.Errorf("Update: error is %v, want %v", err, want)
		}
		if _, err := s.Delete(t.Context(), target, system); !errors.Is(err, want) {
			t.Errorf("Delete: error is %v, want %v", err, want)
		}
	}
	expect(t, "session", get(t, s, "1"), session)
	expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
}
