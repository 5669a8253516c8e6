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
		ID: "1", OwnerID: "o", OwnerName: "Olga", Name: "n", Code: "c", Active: true, AutoCleanup: true, Tags: []string{"t"},
		CreatedAt: now, UpdatedAt: now, LastActivity: now, ExpiresAt: now, DeactivatedAt: now, ActivityCount: 1, AsOf: now, Warning: sessioncleanup.Warning{For: now},
		Status: sessioncleanup.StatusActive, DeactivateAt: now, DeleteAt: now, DeactivateRule: "t", DeleteRule: "t",
	}
	notStored := map[string]bool{"Warning": true, "AsOf": true, "Status": true, "DeactivateAt": true, "DeleteAt": true, "DeactivateRule": true, "DeleteRule": true}
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
