package sessioncleanup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestDeletionLimitStopsARunBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 99, time.Hour, nil)
	put(t, db, 1000, 101, 40*day, inactive)
	put(t, db, 2000, 1, 40*day, nil)

	dry := cleanup(t, m, sessioncleanup.Run{DryRun: true})
	if dry.Refused == nil || dry.Refused.Due != 101 || dry.Deleted() != 101 {
		t.Errorf("dry run: %+v, want the refusal of the run", dry)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if !errors.Is(err, sessioncleanup.ErrTooMany) || result.Deleted()+result.Deactivated() != 0 {
		t.Fatalf("Cleanup = %+v, %v; want ErrTooMany and nothing changed", result, err)
	}
	if tooMany, ok := errors.AsType[*sessioncleanup.TooManyError](err); !ok || tooMany.Due != 101 {
		t.Errorf("error %v, want a TooManyError for 101 sessions", err)
	}
	stats, err := m.Stats(t.Context(), "")
	if err != nil || stats.Total != 201 || len(stats.Alerts) == 0 || stats.Alerts[len(stats.Alerts)-1].Code != sessioncleanup.AlertCleanupFailed {
		t.Errorf("stats after the refusal: %+v, %v; want all 201 sessions and an alert of the failed run", stats, err)
	}
	put(t, db, 3000, 1, time.Hour, nil) // 101 of 202 is no more than half
	if result := cleanup(t, m, sessioncleanup.Run{}); result.Deleted() != 101 || result.Deactivated() != 1 {
		t.Errorf("run below the limit: %+v, want 101 deleted, 1 deactivated", result)
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
