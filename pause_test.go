package sessioncleanup_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestNoRunChangesAnythingWhileCleanupIsPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 5, 2*day, nil)
		until := time.Now().Add(3 * time.Hour)
		p, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: "alice"}).Pause(t.Context(), until, "we move to another database")
		if err != nil || !p.Until.Equal(until) || p.By != "admin:alice" || p.Reason != "we move to another database" {
			t.Fatalf("Pause = %+v, %v", p, err)
		}
		_, err = m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
		var refused *sessioncleanup.PausedError
		if !errors.As(err, &refused) || !errors.Is(err, sessioncleanup.ErrPaused) || refused.Pause != p {
			t.Errorf("Cleanup = %v, want the pause", err)
		}
		for _, part := range []string{"until " + until.UTC().Format(time.RFC3339), "admin:alice", "we move to another database", "resume"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error %q does not have %q", err, part)
			}
		}
		if dry := cleanup(t, m, sessioncleanup.Run{DryRun: true}); dry.Deactivated() != 5 {
			t.Errorf("a dry run would deactivate %d, want 5", dry.Deactivated())
		}
		if s, err := m.Stats(t.Context(), ""); err != nil || s.Pause == nil || *s.Pause != p || s.Active != 5 {
			t.Errorf("Stats = %+v, %v; want the pause, and 5 active sessions", s, err)
		}
		time.Sleep(3 * time.Hour)
		if s, err := m.Stats(t.Context(), ""); err != nil || s.Pause != nil {
			t.Errorf("Stats after the pause = %+v, %v; want none", s.Pause, err)
		}
		if done := cleanup(t, m, sessioncleanup.Run{}); done.Deactivated() != 5 {
			t.Errorf("the run after the pause deactivated %d, want 5", done.Deactivated())
		}
	})
}

func TestTheLastPauseCountsUntilItIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		for _, hours := range []time.Duration{5, 1} {
			if _, err := m.Pause(t.Context(), time.Now().Add(hours*time.Hour), "test"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Hour)
		cleanup(t, m, sessioncleanup.Run{})
		if _, err := m.Pause(t.Context(), time.Now().Add(time.Hour), "test"); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one has nothing to end, and leaves no event
			if err := m.Because("all is well").Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cleanup(t, m, sessioncleanup.Run{})
		events, err := m.Events(t.Context(), sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{sessioncleanup.ActionResumed}})
		if err != nil || len(events) != 1 || events[0].Reason != "all is well" {
			t.Errorf("events of Resume: %+v, %v; want one", events, err)
		}
	})
}

func TestARunInProgressEndsWhenCleanupIsPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{Rate: 10, BatchSize: 10}, memory.Config{})
		put(t, db, 0, 1000, 2*day, nil)
		began := time.Now()
		paused := false
		res, err := m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(p sessioncleanup.Progress) {
			if p.Done >= 50 && !paused {
				paused = true
				if _, err := m.Pause(t.Context(), time.Now().Add(time.Hour), "stop"); err != nil {
					t.Error(err)
				}
			}
		}})
		if n := res.Deactivated(); !errors.Is(err, sessioncleanup.ErrPaused) || n < 50 || n > 200 || time.Since(began) > 20*time.Second {
			t.Errorf("the run did %d sessions in %v and ended with %v; want it to end 10 s after the pause", n, time.Since(began), err)
		}
		last, _, err := m.LastRun(t.Context())
		if err != nil || last.Run == nil || last.Run.Outcome() != sessioncleanup.OutcomeInterrupted || last.Run.Phases.Total().Done != res.Deactivated() {
			t.Errorf("the last run is %+v, %v; want one that was interrupted", last.Run, err)
		}
		if a, err := m.Analytics(t.Context()); err != nil || len(a.History) != 1 || a.History[0].Failed != 0 {
			t.Errorf("history: %+v, %v; want one day without a run that failed", a.History, err)
		}
	})
}

func TestAScheduleWaitsForTheEndOfAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		m := managerOver(t, db, sessioncleanup.Policy{})
		stop := startSchedulers(t, db, 2, sessioncleanup.Interval{Every: time.Hour})
		time.Sleep(time.Minute)
		if _, err := m.Pause(t.Context(), time.Now().Add(day), "test"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Hour)
		if n := len(runEvents(t, m)); n != 0 {
			t.Errorf("%d runs during the pause, want none", n)
		}
		if err := m.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if n := len(runEvents(t, m)); n != 1 {
			t.Errorf("%d runs within 2 minutes after the pause, want 1", n)
		}
		stop()
	})
}

func TestAPausedScheduleIsNotOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		if _, err := m.Pause(t.Context(), time.Now().Add(day), "test"); err != nil {
			t.Fatal(err)
		}
		go func() { _ = m.Run(t.Context(), sessioncleanup.Interval{Every: time.Hour}) }()
		for range 40 {
			time.Sleep(7 * time.Minute)
			if late := m.Overdue(); late > 0 {
				t.Fatalf("a run is overdue by %v while cleanup is paused", late)
			}
		}
	})
}

func TestAPauseNeedsAReasonATimeAndAnAdmin(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	for name, tt := range map[string]struct {
		in     time.Duration
		reason string
	}{"no reason": {time.Hour, " "}, "the past": {-time.Minute, "test"}, "two years": {2 * 365 * day, "test"}} {
		if _, err := m.Pause(t.Context(), time.Now().Add(tt.in), tt.reason); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: Pause = %v, want ErrInvalid", name, err)
		}
	}
	for _, role := range []sessioncleanup.Role{sessioncleanup.RoleOwner, sessioncleanup.RoleViewer} {
		who := m.As(sessioncleanup.Principal{Role: role, ID: "7"})
		_, err := who.Pause(t.Context(), time.Now().Add(time.Hour), "test")
		_, _, asked := who.Paused(t.Context())
		for _, err := range []error{err, asked, who.Resume(t.Context())} {
			if !errors.Is(err, sessioncleanup.ErrForbidden) {
				t.Errorf("%s: %v, want ErrForbidden", role, err)
			}
		}
	}
	if events, err := m.Events(t.Context(), sessioncleanup.EventQuery{}); err != nil || len(events) != 0 {
		t.Errorf("the log has %+v, %v; want nothing", events, err)
	}
}
