package sessioncleanup_test

import (
	"testing"
	"time"

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
