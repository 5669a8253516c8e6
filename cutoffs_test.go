package sessioncleanup_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestStatusFollowsTheRules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := sessioncleanup.Cutoffs{Now: now, Inactive: now.Add(-24 * time.Hour), Delete: now.Add(-720 * time.Hour)}
	off := sessioncleanup.Cutoffs{Now: now}
	const tick = time.Millisecond

	for name, tc := range map[string]struct {
		active, protected bool
		last, expires     time.Time
		cutoffs           sessioncleanup.Cutoffs
		want              sessioncleanup.Status
		overdue           time.Duration
	}{
		"used just now":                     {active: true, last: now, cutoffs: c, want: sessioncleanup.StatusActive},
		"used exactly at the cutoff":        {active: true, last: c.Inactive, cutoffs: c, want: sessioncleanup.StatusActive},
		"used a tick before the cutoff":     {active: true, last: c.Inactive.Add(-tick), cutoffs: c, want: sessioncleanup.StatusToDeactivate, overdue: tick},
		"idle, deactivation off":            {active: true, last: now.Add(-900 * time.Hour), cutoffs: off, want: sessioncleanup.StatusActive},
		"expired just now":                  {active: true, last: now, expires: now, cutoffs: c, want: sessioncleanup.StatusToDeactivate},
		"expires in a tick":                 {active: true, last: now, expires: now.Add(tick), cutoffs: c, want: sessioncleanup.StatusActive},
		"expired, deactivation off":         {active: true, last: now, expires: now.Add(-time.Hour), cutoffs: off, want: sessioncleanup.StatusActive},
		"expired for longer than idle":      {active: true, last: c.Inactive.Add(-tick), expires: now.Add(-time.Hour), cutoffs: c, want: sessioncleanup.StatusToDeactivate, overdue: time.Hour},
		"idle, expires later":               {active: true, last: c.Inactive.Add(-tick), expires: now.Add(time.Hour), cutoffs: c, want: sessioncleanup.StatusToDeactivate, overdue: tick},
		"idle, protected":                   {active: true, protected: true, last: now.Add(-900 * time.Hour), cutoffs: c, want: sessioncleanup.StatusProtected},
		"inactive, recent":                  {last: now.Add(-time.Hour), cutoffs: c, want: sessioncleanup.StatusInactive},
		"inactive exactly at the cutoff":    {last: c.Delete, cutoffs: c, want: sessioncleanup.StatusInactive},
		"inactive a tick before the cutoff": {last: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusToDelete, overdue: tick},
		"inactive, old, expired lately":     {last: c.Delete.Add(-tick), expires: now.Add(-time.Hour), cutoffs: c, want: sessioncleanup.StatusInactive},
		"inactive, old, expires later":      {last: c.Delete.Add(-tick), expires: now.Add(time.Hour), cutoffs: c, want: sessioncleanup.StatusInactive},
		"inactive, old, expired long ago":   {last: c.Delete.Add(-time.Hour), expires: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusToDelete, overdue: tick},
		"inactive, old, deletion off":       {last: c.Delete.Add(-tick), cutoffs: off, want: sessioncleanup.StatusInactive},
		"inactive, old, protected":          {protected: true, last: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusProtected},
	} {
		s := sessioncleanup.Session{ID: "1", Active: tc.active, AutoCleanup: !tc.protected, LastActivity: tc.last, ExpiresAt: tc.expires}
		if got := tc.cutoffs.Status(s); got != tc.want {
			t.Errorf("%s: status %s, want %s", name, got, tc.want)
		}
		if got := tc.cutoffs.Overdue(s); got != tc.overdue {
			t.Errorf("%s: overdue %v, want %v", name, got, tc.overdue)
		}
	}
}

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
			due := func(at time.Time) bool { return policy.CutoffsAt(at).Due(sessioncleanup.ActionDeleted, gone) }
			if due(got) || !due(got.Add(time.Millisecond)) {
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

func TestDeactivateAtIsTheMomentFromWhichASessionIsDueForDeactivation(t *testing.T) {
	t.Parallel()
	policy := sessioncleanup.Policy{InactiveAfter: 24 * time.Hour, TouchInterval: time.Minute}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	used := now.Add(-time.Hour)
	idle := used.Add(24*time.Hour + time.Minute)
	for name, c := range map[string]struct {
		session sessioncleanup.Session
		want    time.Time
	}{
		"active":        {sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: used}, idle},
		"expires first": {sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: used, ExpiresAt: now.Add(time.Hour)}, now.Add(time.Hour)},
		"expires later": {sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: used, ExpiresAt: idle.Add(time.Hour)}, idle},
		"expired":       {sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: used, ExpiresAt: used}, used},
		"inactive":      {sessioncleanup.Session{AutoCleanup: true, LastActivity: used}, time.Time{}},
		"protected":     {sessioncleanup.Session{Active: true, LastActivity: used}, time.Time{}},
	} {
		got := policy.CutoffsAt(now).DeactivateAt(c.session)
		if !got.Equal(c.want) {
			t.Errorf("%s: DeactivateAt = %v, want %v", name, got, c.want)
		}
		due := func(at time.Time) bool { return policy.CutoffsAt(at).Due(sessioncleanup.ActionDeactivated, c.session) }
		if !got.IsZero() && (due(got.Add(-time.Millisecond)) || !due(got.Add(time.Millisecond))) {
			t.Errorf("%s: a run does not deactivate it from %v on", name, got)
		}
	}
	off := sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never}.CutoffsAt(now)
	if at := off.DeactivateAt(sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: used, ExpiresAt: used}); !at.IsZero() {
		t.Errorf("without deactivation: %v, want zero", at)
	}
}

func TestMeasureFillsInWhatFollowsFromThePolicy(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := sessioncleanup.Policy{}.CutoffsAt(now)
	s := sessioncleanup.Session{ID: "1", Active: true, AutoCleanup: true, LastActivity: now.Add(-48 * time.Hour)}
	want := s
	want.AsOf, want.Status, want.DeactivateAt, want.DeleteAt = now, c.Status(s), c.DeactivateAt(s), c.DeleteAt(s)
	if diff := cmp.Diff(want, c.Measure(s)); diff != "" || want.Status != sessioncleanup.StatusToDeactivate {
		t.Errorf("Measure (-want +got):\n%s", diff)
	}
}

func TestDueIsFalseForActionsThatAreNoPhase(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, action := range sessioncleanup.Actions() {
		due := 0
		for _, active := range []bool{false, true} {
			s := sessioncleanup.Session{Active: active, AutoCleanup: true, LastActivity: now.Add(-1000 * time.Hour)}
			if (sessioncleanup.Policy{}).CutoffsAt(now).Due(action, s) {
				due++
			}
		}
		if phase := action == sessioncleanup.ActionDeleted || action == sessioncleanup.ActionDeactivated; due > 0 != phase || due > 1 {
			t.Errorf("%s is due for %d of an active and an inactive session", action, due)
		}
	}
}

func TestThresholdsCanPinTheMoment(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 3, 1, 12, 0, 0, 1_999_999, time.UTC)
	th := sessioncleanup.Thresholds{Inactive: time.Hour}
	want := sessioncleanup.Cutoffs{Now: clock.Truncate(time.Millisecond), Inactive: clock.Truncate(time.Millisecond).Add(-time.Hour)}
	if diff := cmp.Diff(want, th.At(clock)); diff != "" {
		t.Errorf("at the store's clock (-want +got):\n%s", diff)
	}
	th.Now = want.Now
	if diff := cmp.Diff(want, th.At(clock.Add(time.Hour))); diff != "" {
		t.Errorf("pinned (-want +got):\n%s", diff)
	}
}
