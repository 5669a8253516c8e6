package sessioncleanup_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestEqualComparesWhatIsStored(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	base := sessioncleanup.Session{
		ID: "1", OwnerID: "o", OwnerName: "Olga", Name: "n", Code: "c", Active: true, AutoCleanup: true,
		CreatedAt: now, UpdatedAt: now, LastActivity: now, ExpiresAt: now, DeactivatedAt: now, ActivityCount: 1, AsOf: now,
		Status: sessioncleanup.StatusActive, DeactivateAt: now, DeleteAt: now,
	}
	notStored := map[string]bool{"AsOf": true, "Status": true, "DeactivateAt": true, "DeleteAt": true}
	for i := range reflect.TypeFor[sessioncleanup.Session]().NumField() {
		other := base
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		field := reflect.TypeFor[sessioncleanup.Session]().Field(i).Name
		if got := base.Equal(other); got != notStored[field] || got != other.Equal(base) {
			t.Errorf("sessions that differ in %s: Equal is %v, want %v", field, got, notStored[field])
		}
	}
	elsewhere := base
	elsewhere.LastActivity = now.In(time.FixedZone("elsewhere", 3600))
	if !elsewhere.Equal(base) {
		t.Error("sessions with equal times in two zones are not Equal")
	}
}

func TestAgesAreInHundredthsAndNeverNegative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := sessioncleanup.Session{LastActivity: now.Add(-90 * time.Minute), CreatedAt: now.Add(-36 * time.Hour), AsOf: now}
	if got := s.HoursInactive(); got != 1.5 {
		t.Errorf("HoursInactive = %v, want 1.5", got)
	}
	if got, ok := s.DaysOld(); got != 1.5 || !ok {
		t.Errorf("DaysOld = %v, %v, want 1.5, true", got, ok)
	}
	s.LastActivity, s.CreatedAt = now.Add(time.Minute), time.Time{}
	if got := s.HoursInactive(); got != 0 {
		t.Errorf("HoursInactive of a session used since = %v, want 0", got)
	}
	if got, ok := s.DaysOld(); got != 0 || ok {
		t.Errorf("DaysOld of a session without a date = %v, %v, want 0, false", got, ok)
	}
}

func TestCleanupStatusSpeaksTheGuidesWords(t *testing.T) {
	t.Parallel()
	for _, status := range sessioncleanup.Statuses() {
		want := "Actif"
		switch status {
		case sessioncleanup.StatusToDeactivate:
			want = "À désactiver"
		case sessioncleanup.StatusToDelete:
			want = "À supprimer"
		}
		if got := status.CleanupStatus(); got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
	}
}
