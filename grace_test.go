package sessioncleanup_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// stored returns all sessions, by ID.
func stored(t *testing.T, db sessioncleanup.Store) map[string]sessioncleanup.Session {
	t.Helper()
	page, err := db.List(t.Context(), sessioncleanup.Query{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]sessioncleanup.Session{}
	for _, s := range page.Sessions {
		all[s.ID] = s
	}
	return all
}

// Each session is deactivated by a run, a person or the application, after it was unused for up to a year.
func TestASessionIsKeptForAWhileAfterItsDeactivationWhoeverDeactivatedIt(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
			for i := range 60 {
				put(t, db, i, 1, 2*day+time.Duration(r.Int64N(int64(365*day))), func(s *sessioncleanup.Session) {
					if r.IntN(3) == 0 {
						s.ExpiresAt = s.LastActivity.Add(time.Duration(r.Int64N(int64(day))))
					}
				})
			}
			for id, s := range stored(t, db) {
				var err error
				switch n, _ := strconv.Atoi(id); n % 3 {
				case 0:
					_, err = m.Deactivate(t.Context(), id)
				case 1:
					s.Active = false
					err = db.Put(s)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range []int{20, 0, 0} {
				if run := cleanup(t, m, sessioncleanup.Run{Force: true}); run.Deleted() != 0 || run.Deactivated() != want {
					t.Fatalf("run %d: %d deleted, %d deactivated; want none deleted, %d deactivated", i, run.Deleted(), run.Deactivated(), want)
				}
			}
			time.Sleep(30*day + time.Minute)
			if run := cleanup(t, m, sessioncleanup.Run{Force: true}); run.Deleted() != 0 {
				t.Errorf("after 30 days and the touch interval %d are deleted, want none yet", run.Deleted())
			}
			time.Sleep(time.Millisecond)
			if run := cleanup(t, m, sessioncleanup.Run{Force: true}); run.Deleted() != 60 {
				t.Errorf("a millisecond later %d are deleted, want all", run.Deleted())
			}
		})
	}
}

func TestARunDatesWhatIsInactiveSinceAnUnknownTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 2500, 400*day, undated) // more than one batch
		put(t, db, 3000, 1, 400*day, func(s *sessioncleanup.Session) { s.Active, s.AutoCleanup = false, false })
		put(t, db, 4000, 50, 40*day, inactive)
		dated := func() (n int) {
			for _, s := range stored(t, db) {
				if s.DeactivatedAt.Equal(time.Now()) {
					n++
				}
			}
			return n
		}
		if cleanup(t, m, sessioncleanup.Run{DryRun: true}); dated() != 0 {
			t.Errorf("a dry run dated %d sessions, want none", dated())
		}
		if run := cleanup(t, m, sessioncleanup.Run{Filter: sessioncleanup.Filter{ID: "7"}}); run.Deleted() != 0 || dated() != 1 {
			t.Errorf("a run of one session dated %d and deleted %d, want that one dated", dated(), run.Deleted())
		}
		if run := cleanup(t, m, sessioncleanup.Run{Filter: sessioncleanup.Filter{ID: "8"}, DeleteAfter: sessioncleanup.Never}); run.Deleted() != 0 || dated() != 2 {
			t.Errorf("a run of one session without deletion left %d dated and deleted %d, want that one dated, too", dated(), run.Deleted())
		}
		first := cleanup(t, m, sessioncleanup.Run{})
		if first.Deleted() != 50 || dated() != 2500 {
			t.Errorf("the first run deleted %d and dated %d, want 50, and all others but the protected one dated", first.Deleted(), dated())
		}
		if got := eventCounts(t, m, first.RunID); len(got) != 2 || got[sessioncleanup.ActionDeleted] != 50 {
			t.Errorf("events of the run: %v, want those of the deletions and of the run", got)
		}
		time.Sleep(31 * day)
		if run := cleanup(t, m, sessioncleanup.Run{Force: true}); run.Deleted() != 2500 {
			t.Errorf("a month later %d are deleted, want 2,500", run.Deleted())
		}
	})
}

func TestAReactivatedSessionBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 1, 1, 40*day, inactive)
		if s, err := m.Reactivate(t.Context(), "1"); err != nil || !s.DeactivatedAt.IsZero() {
			t.Errorf("Reactivate = %+v, %v; want no DeactivatedAt", s, err)
		}
		s, err := m.Deactivate(t.Context(), "1")
		if err != nil || !s.DeactivatedAt.Equal(time.Now()) || !s.DeleteAt.Equal(time.Now().Add(30*day+time.Minute)) {
			t.Errorf("Deactivate = %+v, %v; want it deactivated now and deleted in 30 days", s, err)
		}
	})
}

func TestReactivateRunReversesWhatIsUnchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 250, 2*day, nil)
		put(t, db, 1000, 3, 2*day, nil)
		put(t, db, 2000, 1, 3*day, inactive)
		run := cleanup(t, m, sessioncleanup.Run{Reason: "a wrong threshold"})
		time.Sleep(time.Hour)
		ctx := t.Context()
		must := func(_ sessioncleanup.Session, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(m.Reactivate(ctx, "1000"))
		must(m.Reactivate(ctx, "1001"))
		must(m.Deactivate(ctx, "1001"))
		must(m.Delete(ctx, "1002"))
		before := stored(t, db)

		owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"})
		expectError(t, "an owner's", errOf(owner.ReactivateRun(ctx, run.RunID)), sessioncleanup.ErrForbidden)
		expectError(t, "no run's", errOf(m.ReactivateRun(ctx, "")), sessioncleanup.ErrInvalid)
		expectError(t, "an unknown run's", errOf(m.ReactivateRun(ctx, "unknown")), sessioncleanup.ErrNotFound)

		admin := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "alice"})
		want := sessioncleanup.PhaseResult{Action: sessioncleanup.ActionReactivated, Due: 253, Done: 250, Skipped: 3}
		if got, err := admin.ReactivateRun(ctx, run.RunID); err != nil || got != want {
			t.Errorf("ReactivateRun = %+v, %v; want %+v", got, err, want)
		}
		for id, s := range stored(t, db) {
			n, _ := strconv.Atoi(id)
			if n < 1000 && (!s.Active || !s.LastActivity.Equal(time.Now())) || n >= 1000 && !s.Equal(before[id]) {
				t.Errorf("session %s is %+v, want the first 250 active and the others as they were", id, s)
			}
		}
		events, err := m.Events(ctx, sessioncleanup.EventQuery{SessionID: "7", Limit: 1})
		if err != nil || len(events) != 1 || events[0].Action != sessioncleanup.ActionReactivated || events[0].Actor != "admin:alice" || events[0].Reason == "" {
			t.Errorf("events of session 7: %+v, %v; want its reactivation by alice, and why", events, err)
		}
		want.Done, want.Skipped = 0, 253
		if got, err := m.ReactivateRun(ctx, run.RunID); err != nil || got != want {
			t.Errorf("ReactivateRun once more = %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestActivityReactivatesWhatARunDeactivatedAndNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{ReactivateOnActivity: sessioncleanup.On}, memory.Config{})
		put(t, db, 1, 1, 2*day, nil)
		put(t, db, 2, 1, time.Hour, nil)
		put(t, db, 3, 1, time.Hour, inactive)
		cleanup(t, m, sessioncleanup.Run{})
		if _, err := m.Deactivate(t.Context(), "2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		var active []string
		for _, id := range []string{"1", "2", "3"} {
			if err := m.Touch(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if s := stored(t, db)[id]; s.Active {
				active = append(active, id)
			}
		}
		if !slices.Equal(active, []string{"1"}) {
			t.Errorf("active after a touch of each: %v, want the one that a run deactivated", active)
		}
	})
}
