package sessioncleanup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestDeleteAtIsTheMomentFromWhichASessionIsDueForDeletion(t *testing.T) {
	t.Parallel()
	const inactive, remove = 24 * time.Hour, 30 * 24 * time.Hour
	policy := sessioncleanup.Policy{InactiveAfter: inactive, DeleteAfter: remove, TouchInterval: time.Minute}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := policy.CutoffsAt(now)
	used := now.Add(-time.Hour)
	tests := map[string]struct {
		session sessioncleanup.Session
		want    time.Time
	}{
		"inactive":             {sessioncleanup.Session{AutoCleanup: true, LastActivity: used}, used.Add(remove + time.Minute)},
		"active":               {sessioncleanup.Session{AutoCleanup: true, Active: true, LastActivity: used}, used.Add(remove + time.Minute)},
		"expires later":        {sessioncleanup.Session{AutoCleanup: true, LastActivity: used, ExpiresAt: now}, now.Add(remove + time.Minute)},
		"protected":            {sessioncleanup.Session{LastActivity: used}, time.Time{}},
		"expired and active":   {sessioncleanup.Session{AutoCleanup: true, Active: true, LastActivity: used, ExpiresAt: used}, used.Add(remove + time.Minute)},
		"overdue for deletion": {sessioncleanup.Session{AutoCleanup: true, LastActivity: now.AddDate(-1, 0, 0)}, now.AddDate(-1, 0, 0).Add(remove + time.Minute)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.DeleteAt(test.session)
			if !got.Equal(test.want) {
				t.Fatalf("DeleteAt = %v, want %v", got, test.want)
			}
			if got.IsZero() {
				return
			}
			gone := test.session
			gone.Active = false // a run deactivates it in time
			if policy.CutoffsAt(got).DueForDeletion(gone) || !policy.CutoffsAt(got.Add(time.Millisecond)).DueForDeletion(gone) {
				t.Errorf("a run deletes the session not just after %v", got)
			}
		})
	}
}

func TestDeleteAtFollowsThePhasesThatAreOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := sessioncleanup.Session{AutoCleanup: true, Active: true, LastActivity: now}
	if at := (sessioncleanup.Policy{DeleteAfter: sessioncleanup.Never}).CutoffsAt(now).DeleteAt(s); !at.IsZero() {
		t.Errorf("without deletion: %v, want zero", at)
	}
	off := sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never}.CutoffsAt(now)
	if at := off.DeleteAt(s); !at.IsZero() {
		t.Errorf("an active session without deactivation: %v, want zero", at)
	}
	s.Active = false
	if at := off.DeleteAt(s); at.IsZero() {
		t.Error("an inactive session without deactivation: zero, want a time")
	}
	// It must be inactive before it is deleted, however soon deletion comes.
	late := sessioncleanup.Policy{InactiveAfter: 48 * time.Hour, DeleteAfter: time.Hour, TouchInterval: time.Minute}.CutoffsAt(now)
	s.Active = true
	if at, want := late.DeleteAt(s), now.Add(48*time.Hour+time.Minute); !at.Equal(want) {
		t.Errorf("deactivated later than deleted: %v, want %v", at, want)
	}
	s.ExpiresAt = now.Add(24 * time.Hour)
	if at, want := late.DeleteAt(s), s.ExpiresAt.Add(time.Hour+time.Minute); !at.Equal(want) {
		t.Errorf("expires before it is deactivated: %v, want %v", at, want)
	}
}

func TestAgesAreInHundredthsAndNeverNegative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := sessioncleanup.Cutoffs{Now: now}
	s := sessioncleanup.Session{LastActivity: now.Add(-90 * time.Minute), CreatedAt: now.Add(-36 * time.Hour)}
	if got := c.HoursInactive(s); got != 1.5 {
		t.Errorf("HoursInactive = %v, want 1.5", got)
	}
	if got, ok := c.DaysOld(s); got != 1.5 || !ok {
		t.Errorf("DaysOld = %v, %v, want 1.5, true", got, ok)
	}
	s.LastActivity, s.CreatedAt = now.Add(time.Minute), time.Time{}
	if got := c.HoursInactive(s); got != 0 {
		t.Errorf("HoursInactive of a session used since = %v, want 0", got)
	}
	if got, ok := c.DaysOld(s); got != 0 || ok {
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

func TestThresholdIsReadableByParseThreshold(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{time.Hour, 24 * time.Hour, 90 * time.Minute, sessioncleanup.Never} {
		text := sessioncleanup.Threshold(d, time.Hour)
		if got, err := sessioncleanup.ParseThreshold("x", text, time.Hour); err != nil || got != d {
			t.Errorf("%v became %q, which is read as %v, %v", d, text, got, err)
		}
	}
}

func TestScopeSaysWhoseSessionsAPrincipalWorksWith(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(memory.New(memory.Config{}), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	admin := sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}
	owner := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"}
	viewer := sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}
	tests := []struct {
		who         sessioncleanup.Principal
		asked, want string
		ok, all     bool
	}{
		{admin, "", "", true, true},
		{admin, "bob", "bob", true, true},
		{owner, "", "ann", true, false},
		{owner, "ann", "ann", true, false},
		{owner, "bob", "", false, false},
		{sessioncleanup.Principal{Role: sessioncleanup.RoleOwner}, "", "", false, false},
		{viewer, "", "", false, false},
		{sessioncleanup.Principal{}, "", "", false, false},
	}
	for _, test := range tests {
		got, err := m.As(test.who).Scope(test.asked)
		if got != test.want || (err == nil) != test.ok || err != nil && !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%+v asks for %q: %q, %v", test.who, test.asked, got, err)
		}
		if err := m.As(test.who).PermitAll(); (err == nil) != test.all || err != nil && !errors.Is(err, sessioncleanup.ErrForbidden) {
			t.Errorf("%+v, everything: %v", test.who, err)
		}
	}
}
