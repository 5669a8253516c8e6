package sessioncleanup_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestARunThatMeetsTheDeletionLimitDeactivatesAllTheSame(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 99, time.Hour, nil)
	put(t, db, 1000, 101, 40*day, inactive)
	put(t, db, 2000, 1, 40*day, nil)

	dry := cleanup(t, m, sessioncleanup.Run{DryRun: true})
	if dry.Refused == nil || dry.Refused.Due != 101 || dry.Deleted() != 101 || dry.Deactivated() != 1 {
		t.Errorf("dry run: %+v, want the refusal of the run", dry)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrTooMany) || result.Deleted() != 0 || result.Deactivated() != 1 {
		t.Fatalf("Cleanup = %+v, %v; want ErrTooMany, nothing deleted, and one deactivated", result, err)
	}
	if tooMany, ok := errors.AsType[*sessioncleanup.TooManyError](err); !ok || tooMany.Due != 101 || tooMany.Fraction != 0.5 {
		t.Errorf("error %v, want a TooManyError for 101 sessions", err)
	}
	for _, part := range []string{"101 sessions", "more than 50% of all", "list --status to_delete", "cleanup --force", "--force=101"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q, want it to say %q", err, part)
		}
	}
	last, _, err := m.LastRun(t.Context())
	if err != nil || !last.Run.Refused || last.Run.Error == "" || last.Run.Phases.Of(sessioncleanup.ActionDeactivated).Done != 1 {
		t.Errorf("the run is recorded as %+v, %v; want it refused, with one deactivated", last.Run, err)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil || stats.Total != 201 || len(stats.Alerts) == 0 || stats.Alerts[len(stats.Alerts)-1].Code != sessioncleanup.AlertCleanupFailed {
		t.Errorf("stats after the refusal: %+v, %v; want all 201 sessions and an alert of the failed run", stats, err)
	}
	put(t, db, 3000, 1, time.Hour, nil) // 101 of 202 is no more than half
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted() != 101 {
		t.Errorf("run below the limit: %+v, want 101 deleted", result)
	}
}

func TestForceIgnoresTheDeletionLimit(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 150, 40*day, inactive)
	if dry := cleanup(t, m, sessioncleanup.Run{DryRun: true, Force: true}); dry.Refused != nil {
		t.Errorf("forced dry run is refused: %+v", dry.Refused)
	}
	if result := cleanup(t, m, sessioncleanup.Run{Force: true}); result.Deleted() != 150 {
		t.Errorf("forced run: %+v, want 150 deleted", result)
	}
}

func TestDeleteAtMostReplacesTheDeletionLimit(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, 150, 40*day, inactive)
		put(t, db, 1000, 1, 2*day, nil)
		result, err := m.Cleanup(t.Context(), sessioncleanup.Run{DeleteAtMost: 149, Force: force})
		tooMany, ok := errors.AsType[*sessioncleanup.TooManyError](err)
		if !ok || *tooMany != (sessioncleanup.TooManyError{Due: 150, AtMost: 149}) || result.Deleted() != 0 || result.Deactivated() != 1 {
			t.Errorf("at most 149, forced %v: %+v, %v; want 150 refused and one deactivated", force, result, err)
		}
		if err == nil || !strings.Contains(err.Error(), "more than the 149 allowed") {
			t.Errorf("the error is %v, want it to name the number", err)
		}
		if result := cleanup(t, m, sessioncleanup.Run{DeleteAtMost: 150, Force: force}); result.Deleted() != 150 {
			t.Errorf("at most 150, forced %v: %d deleted, want all", force, result.Deleted())
		}
	}
	few, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, 40*day, inactive)
	if _, err := few.Cleanup(t.Context(), sessioncleanup.Run{DeleteAtMost: 2}); !errors.Is(err, sessioncleanup.ErrTooMany) {
		t.Errorf("3 are due, at most 2: %v, want ErrTooMany, also of few", err)
	}
}

func TestDeletionLimitTakesAnyFraction(t *testing.T) {
	t.Parallel()
	for _, fraction := range []float64{5e-324, 1e-17, 1e-9, 0.4, 0.999} {
		m, db := newManager(t, sessioncleanup.Policy{MaxDeleteFraction: fraction}, memory.Config{})
		put(t, db, 0, 500, 40*day, inactive)
		if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrTooMany) || result.Deleted() > 0 {
			t.Errorf("fraction %g: %d deleted, %v; want ErrTooMany", fraction, result.Deleted(), err)
		}
	}
	m, db := newManager(t, sessioncleanup.Policy{MaxDeleteFraction: 1}, memory.Config{})
	put(t, db, 0, 500, 40*day, inactive)
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted() != 500 {
		t.Errorf("without a limit %d are deleted, want 500", result.Deleted())
	}
}

// A run of yesterday, or what came instead of it, decides whether today's large deletion is expected. In each case 300
// sessions are due, and ten are in use.
func TestALargeDeletionIsExpectedAfterALikeRunOnly(t *testing.T) {
	t.Parallel()
	type session = sessioncleanup.Session
	small := func(t *testing.T, m *sessioncleanup.Manager, r sessioncleanup.Run) {
		t.Helper()
		_, _ = m.Cleanup(t.Context(), r)
	}
	for name, c := range map[string]struct {
		before func(t *testing.T, m *sessioncleanup.Manager, db *memory.Store)
		since  time.Duration // default: a day
		run    sessioncleanup.Run
		policy sessioncleanup.Policy
		unused bool // no session is in use
		want   bool // that it is expected
	}{
		"a run of yesterday": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) }, want: true,
		},
		"a run a week ago": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) }, since: 8*day - time.Minute, want: true,
		},
		"no run": {before: func(*testing.T, *sessioncleanup.Manager, *memory.Store) {}},
		"a run three weeks ago": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) }, since: 21 * day,
		},
		"a run, nothing in use since": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) }, unused: true,
		},
		"a run with another threshold for deletion": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) },
			run:    sessioncleanup.Run{DeleteAfter: 20 * day},
		},
		"a run with another threshold for deactivation": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) },
			run:    sessioncleanup.Run{InactiveAfter: 48 * time.Hour},
		},
		"a run with the same other thresholds": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) {
				cleanup(t, m, sessioncleanup.Run{DeleteAfter: 20 * day})
			},
			run: sessioncleanup.Run{DeleteAfter: 20 * day}, want: true,
		},
		"a dry run": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) {
				cleanup(t, m, sessioncleanup.Run{DryRun: true})
			},
		},
		"a run of one owner": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) {
				cleanup(t, m, sessioncleanup.Run{Filter: sessioncleanup.Filter{OwnerID: "1"}})
			},
		},
		"a run of one text, and the same again": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) {
				cleanup(t, m, sessioncleanup.Run{Filter: sessioncleanup.Filter{Text: "1"}})
			},
			run: sessioncleanup.Run{Filter: sessioncleanup.Filter{Text: "1"}},
		},
		"a run of all, and now of one text": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) { cleanup(t, m, sessioncleanup.Run{}) },
			run:    sessioncleanup.Run{Filter: sessioncleanup.Filter{Text: "1"}},
		},
		"a run without deletion": {
			before: func(t *testing.T, m *sessioncleanup.Manager, _ *memory.Store) {
				cleanup(t, m, sessioncleanup.Run{DeleteAfter: sessioncleanup.Never})
			},
		},
		"a run that was refused": {
			before: func(t *testing.T, m *sessioncleanup.Manager, db *memory.Store) {
				put(t, db, 5000, 200, 60*day, inactive)
				small(t, m, sessioncleanup.Run{})
			},
		},
		"a run that was stopped": {
			before: func(t *testing.T, m *sessioncleanup.Manager, db *memory.Store) {
				put(t, db, 5000, 200, 2*day, nil)
				ctx, cancel := context.WithCancel(t.Context())
				if _, err := m.Cleanup(ctx, sessioncleanup.Run{Progress: func(sessioncleanup.Progress) { cancel() }}); err == nil {
					t.Error("the run was not stopped")
				}
			},
		},
		"a run that the clock puts in the future": {
			before: func(t *testing.T, m *sessioncleanup.Manager, db *memory.Store) {
				future := time.Now().Add(10 * day)
				_, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{
					Action: sessioncleanup.ActionRun, Actor: "system",
					Run: &sessioncleanup.RunSummary{StartedAt: future, Cutoffs: m.Policy().CutoffsAt(future)},
				}})
				if err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, db := newManager(t, c.policy, memory.Config{})
				put(t, db, 0, 10, time.Hour, nil)
				c.before(t, m, db)
				since := c.since
				if since == 0 {
					since = day
				}
				time.Sleep(since)
				put(t, db, 0, 10, time.Hour, nil)
				if c.unused {
					put(t, db, 0, 10, day+2*time.Minute, nil)
				}
				put(t, db, 1000, 300, 45*day, func(s *session) { inactive(s); s.Name = "1" })
				dry := c.run
				dry.DryRun = true
				if refused := cleanup(t, m, dry).Refused; (refused == nil) != c.want {
					t.Errorf("a dry run says that the deletion is refused: %+v, want it expected: %v", refused, c.want)
				}
				result, err := m.Cleanup(t.Context(), c.run)
				if (err == nil) != c.want || err != nil && !errors.Is(err, sessioncleanup.ErrTooMany) || c.want && result.Deleted() < 300 || !c.want && result.Deleted() > 0 {
					t.Errorf("%d deleted, %v; want the deletion expected: %v", result.Deleted(), err, c.want)
				}
			})
		})
	}
}

// A backlog that an application's first adoption brings comes of age all at once, a month after the first run.
func TestDailyRunsContinueWhenABacklogComesOfAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 1000, 2000, 200*day, nil)
		for d := range 40 {
			put(t, db, d, 1, 0, nil)
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatalf("day %d: %v", d, err)
			}
			time.Sleep(day)
		}
		if left := len(stored(t, db)); left > 40 {
			t.Errorf("%d sessions are left, want the backlog deleted", left)
		}
	})
}
