package memory

import (
	"fmt"
	"math"
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

func TestTouchKnowsDuplicatesWhenItsNumbersComeBack(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, unused("1", true, time.Hour))
	expect(t, "written by the first touch of all", touch(t, s, sessioncleanup.Touch{IDs: []string{"1"}}), 1)
	s.touches = math.MaxUint32
	for range 2 {
		expect(t, "written", touch(t, s, sessioncleanup.Touch{IDs: []string{"1", "1"}}), 1)
	}
}

func TestTimesThatKeysCannotHoldAreKeptAndTouched(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	session := unused("1", true, time.Hour)
	put(t, s, session)
	for _, year := range []int{1500, 3000} {
		touch(t, s, sessioncleanup.Touch{IDs: []string{"1"}})
		session.LastActivity = time.Date(year, 1, 2, 3, 4, 5, 6, time.UTC)
		put(t, s, session)
		expect(t, "session put after a touch", get(t, s, "1"), session)
		written := touch(t, s, sessioncleanup.Touch{IDs: []string{"1"}, Interval: time.Minute})
		expect(t, fmt.Sprint("touches written of a session last used in ", year), written, count(year == 1500))
	}
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

func TestTouchTellsCountsWithoutWaitingForAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		put(t, s, unused("1", true, 2*day), unused("2", false, 60*day), unused("3", false, 60*day))
		expect(t, "written", touch(t, s, sessioncleanup.Touch{IDs: []string{"1", "2"}}), 2)
		got, err := s.Counts(t.Context(), sessioncleanup.CountsQuery{Cutoffs: cutoffs()})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "counts", got, sessioncleanup.Counts{
			Total: 3, Active: 1, Inactive: 2, Old: 1, DueForDeletion: 1,
			OldestOverdue: 30*day - sessioncleanup.DefaultTouchInterval,
		})
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
			if err != nil || got != session {
				t.Errorf("%s: got %+v, %v; want the session as it was", what, got, err)
			}
		}
		expect(t, "events", events(t, s, sessioncleanup.EventQuery{}), nil)
	})
}

func TestReactivationUsesSessionAndLiftsPassedExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		soon := now.Add(time.Hour)
		for what, c := range map[string]struct {
			had, set time.Time
			want     time.Time
		}{
			"passed":                     {had: now.Add(-time.Hour)},
			"passing now":                {had: now},
			"to come":                    {had: soon, want: soon},
			"passed, a new one is given": {had: now.Add(-time.Hour), set: soon, want: soon},
		} {
			s := New(Config{})
			session := unused("1", false, 60*day)
			session.ExpiresAt = c.had
			put(t, s, session)
			change := sessioncleanup.Change{Action: sessioncleanup.ActionReactivated, Cause: system, Active: new(true)}
			if !c.set.IsZero() {
				change.ExpiresAt = &c.set
			}
			got, err := s.Update(t.Context(), sessioncleanup.Target{ID: "1"}, change)
			if err != nil {
				t.Fatal(err)
			}
			session.Active, session.LastActivity, session.ExpiresAt = true, now, c.want
			expect(t, what, got, session)
			expect(t, what+", as stored", get(t, s, "1"), session)
		}
	})
}
