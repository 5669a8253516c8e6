package httpapi

import (
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestAgesAreInHundredthsAndNeverNegative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := sessionOf(sessioncleanup.Session{LastActivity: now.Add(-91 * time.Minute), CreatedAt: now.Add(-35 * time.Hour), AsOf: now}, sessioncleanup.DefaultPolicy())
	if s.HoursInactive != 1.52 || s.DaysOld == nil || *s.DaysOld != 1.46 {
		t.Errorf("unused for 91 minutes and 35 hours old: %v hours and %v days, want 1.52 and 1.46", s.HoursInactive, s.DaysOld)
	}
	s = sessionOf(sessioncleanup.Session{LastActivity: now.Add(time.Minute), AsOf: now}, sessioncleanup.DefaultPolicy())
	if s.HoursInactive != 0 || s.DaysOld != nil {
		t.Errorf("used since, of unknown age: %v hours and %v days, want 0 and none", s.HoursInactive, s.DaysOld)
	}
}

func TestCleanupStatusUsesTheWordsOfTheGuide(t *testing.T) {
	t.Parallel()
	for _, status := range sessioncleanup.Statuses() {
		want := "Actif"
		switch status {
		case sessioncleanup.StatusToDeactivate:
			want = "À désactiver"
		case sessioncleanup.StatusToDelete:
			want = "À supprimer"
		}
		if got := sessionOf(sessioncleanup.Session{Status: status}, sessioncleanup.DefaultPolicy()).CleanupStatus; got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
	}
}
