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
	untracked := c
	untracked.Untracked = true
	const tick = time.Millisecond

	for name, tc := range map[string]struct {
		active, protected bool
		last, expires     time.Time
		deactivated       time.Time // default, of an inactive session: last
		unknown           bool      // since when it is inactive
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
		"deactivated just now":              {last: now.Add(-900 * time.Hour), deactivated: now, cutoffs: c, want: sessioncleanup.StatusInactive},
		"deactivated at the cutoff":         {last: now.Add(-900 * time.Hour), deactivated: c.Delete, cutoffs: c, want: sessioncleanup.StatusInactive},
		"deactivated a tick before":         {last: now.Add(-900 * time.Hour), deactivated: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusToDelete, overdue: tick},
		"deactivated before, used since":    {last: now.Add(-time.Hour), deactivated: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusInactive},
		"inactive since the adoption":       {last: c.Delete.Add(-tick), deactivated: time.Unix(0, 0), cutoffs: c, want: sessioncleanup.StatusToDelete, overdue: tick},
		"inactive, unknown since when":      {last: now.Add(-900 * time.Hour), unknown: true, cutoffs: c, want: sessioncleanup.StatusInactive},
		"untracked, idle":                   {active: true, last: now.Add(-900 * time.Hour), cutoffs: untracked, want: sessioncleanup.StatusActive},
		"untracked, idle, expires later":    {active: true, last: now.Add(-900 * time.Hour), expires: now.Add(tick), cutoffs: untracked, want: sessioncleanup.StatusActive},
		"untracked, idle, expired":          {active: true, last: now.Add(-900 * time.Hour), expires: now.Add(-time.Hour), cutoffs: untracked, want: sessioncleanup.StatusToDeactivate, overdue: time.Hour},
		"untracked, inactive for long":      {last: now.Add(-900 * time.Hour), cutoffs: untracked, want: sessioncleanup.StatusInactive},
		"untracked, inactive, expired":      {last: now.Add(-900 * time.Hour), expires: c.Delete.Add(-tick), cutoffs: untracked, want: sessioncleanup.StatusToDelete, overdue: tick},
		"inactive, old, deletion off":       {last: c.Delete.Add(-tick), cutoffs: off, want: sessioncleanup.StatusInactive},
		"inactive, old, protected":          {protected: true, last: c.Delete.Add(-tick), cutoffs: c, want: sessioncleanup.StatusProtected},
	} {
		s := sessioncleanup.Session{ID: "1", Active: tc.active, AutoCleanup: !tc.protected, LastActivity: tc.last, ExpiresAt: tc.expires, DeactivatedAt: tc.deactivated}
		if !tc.active && tc.deactivated.IsZero() && !tc.unknown {
			s.DeactivatedAt = tc.last
		}
		if got := tc.cutoffs.Status(s); got != tc.want {
			t.Errorf("%s: status %s, want %s", name, got, tc.want)
		}
		if got := tc.cutoffs.Overdue(s); got != tc.overdue {
			t.Errorf("%s: overdue %v, want %v", name, got, tc.overdue)
		}
	}
}

func TestNeverDueIsWhatNeitherIdlenessNorAnExpiryEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	keep := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	type session = sessioncleanup.Session
	for name, tc := range map[string]struct {
		s                session
		never, untracked bool // never due, in a table where activity is tracked and in one where it is not
	}{
		"idle":                          {session{Active: true, AutoCleanup: true, LastActivity: now.AddDate(-1, 0, 0)}, false, true},
		"kept":                          {session{Active: true, AutoCleanup: true, LastActivity: keep}, true, true},
		"a moment less than kept":       {session{Active: true, AutoCleanup: true, LastActivity: keep.Add(-1)}, false, true},
		"kept, expires":                 {session{Active: true, AutoCleanup: true, LastActivity: keep, ExpiresAt: now.AddDate(9, 0, 0)}, false, false},
		"kept, expires at the same end": {session{Active: true, AutoCleanup: true, LastActivity: keep, ExpiresAt: keep}, true, true},
		"kept, protected":               {session{Active: true, LastActivity: keep}, false, false},
		"kept, inactive":                {session{AutoCleanup: true, LastActivity: keep, DeactivatedAt: now}, false, false},
	} {
		c := sessioncleanup.Policy{}.CutoffsAt(now)
		tracked := c.NeverDue(tc.s)
		if c.Untracked = true; tracked != tc.never || c.NeverDue(tc.s) != tc.untracked {
			t.Errorf("%s: never due %t, and %t untracked; want %t and %t", name, tracked, c.NeverDue(tc.s), tc.never, tc.untracked)
		}
	}
}

func TestDeleteAtIsTheMomentFromWhichASessionIsDueForDeletion(t *testing.T) {
	t.Parallel()
	const inactive, remove = 24 * time.Hour, 30 * 24 * time.Hour
	policy := sessioncleanup.Policy{InactiveAfter: inactive, DeleteAfter: remove, TouchInterval: time.Minute}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := policy.CutoffsAt(now)
	used, longAgo := now.Add(-time.Hour), now.AddDate(-1, 0, 0)
	type session = sessioncleanup.Session
	tests := map[string]struct {
		session session
		want    time.Time
	}{
		"inactive":                     {session{AutoCleanup: true, LastActivity: used, DeactivatedAt: used}, used.Add(remove + time.Minute)},
		"inactive, deactivated later":  {session{AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: used}, used.Add(remove + time.Minute)},
		"inactive, unknown since when": {session{AutoCleanup: true, LastActivity: longAgo}, now.Add(remove + time.Minute)},
		"active":                       {session{AutoCleanup: true, Active: true, LastActivity: used}, used.Add(inactive + time.Minute + remove + time.Minute)},
		"active, due":                  {session{AutoCleanup: true, Active: true, LastActivity: longAgo}, now.Add(remove + time.Minute)},
		"expires later":                {session{AutoCleanup: true, LastActivity: used, DeactivatedAt: used, ExpiresAt: now}, now.Add(remove + time.Minute)},
		"protected":                    {session{LastActivity: used, DeactivatedAt: used}, time.Time{}},
		"expired and active":           {session{AutoCleanup: true, Active: true, LastActivity: used, ExpiresAt: used}, now.Add(remove + time.Minute)},
		"expires soon and active":      {session{AutoCleanup: true, Active: true, LastActivity: used, ExpiresAt: now.Add(time.Hour)}, now.Add(time.Hour + remove + time.Minute)},
		"overdue for deletion":         {session{AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: longAgo}, longAgo.Add(remove + time.Minute)},
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
			gone := test.session // a run deactivates or dates it at the first moment at which it may
			switch {
			case gone.Active:
				gone.Active, gone.DeactivatedAt = false, c.DeactivateAt(gone)
				if gone.DeactivatedAt.Before(now) {
					gone.DeactivatedAt = now
				}
			case gone.DeactivatedAt.IsZero():
				gone.DeactivatedAt = now
			}
			due := func(at time.Time) bool { return policy.CutoffsAt(at).Due(sessioncleanup.ActionDeleted, gone) }
			if due(got) || !due(got.Add(time.Millisecond)) {
				t.Errorf("a run deletes the session not just after %v", got)
			}
		})
	}
}

func TestUntrackedSessionsAreCleanedUpByTheirExpiryAlone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := sessioncleanup.Policy{}.CutoffsAt(now)
	c.Untracked = true
	s := sessioncleanup.Session{Active: true, AutoCleanup: true, LastActivity: now.AddDate(-1, 0, 0)}
	if at, del := c.DeactivateAt(s), c.DeleteAt(s); !at.IsZero() || !del.IsZero() {
		t.Errorf("without an expiry: DeactivateAt %v, DeleteAt %v; want never", at, del)
	}
	s.ExpiresAt = now.Add(time.Hour)
	if at, del := c.DeactivateAt(s), c.DeleteAt(s); !at.Equal(s.ExpiresAt) || !del.Equal(s.ExpiresAt.Add(30*day+time.Minute)) {
		t.Errorf("expires in an hour: DeactivateAt %v, DeleteAt %v; want then, and 30 days later", at, del)
	}
	s.Active, s.DeactivatedAt, s.ExpiresAt = false, now.AddDate(0, -6, 0), time.Time{}
	if at := c.DeleteAt(s); !at.IsZero() {
		t.Errorf("inactive, without an expiry: DeleteAt %v, want never", at)
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
	s.Active, s.DeactivatedAt = false, now
	if at := off.DeleteAt(s); at.IsZero() {
		t.Error("an inactive session without deactivation: zero, want a time")
	}
	// It must be inactive before it is deleted, however soon deletion comes, and stay so for that time.
	late := sessioncleanup.Policy{InactiveAfter: 48 * time.Hour, DeleteAfter: time.Hour, TouchInterval: time.Minute}.CutoffsAt(now)
	s.Active, s.DeactivatedAt = true, time.Time{}
	if at, want := late.DeleteAt(s), now.Add(48*time.Hour+time.Minute+time.Hour+time.Minute); !at.Equal(want) {
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

func TestEachActionIsDueForOneKindOfSession(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	longAgo := now.Add(-1000 * time.Hour)
	kinds := map[sessioncleanup.Action]sessioncleanup.Session{
		sessioncleanup.ActionDeactivated: {Active: true, AutoCleanup: true, LastActivity: longAgo},
		sessioncleanup.ActionDeleted:     {AutoCleanup: true, LastActivity: longAgo, DeactivatedAt: longAgo},
		sessioncleanup.ActionDated:       {AutoCleanup: true, LastActivity: longAgo},
		sessioncleanup.ActionCorrected:   {AutoCleanup: true, LastActivity: now.Add(time.Hour), Active: true},
	}
	for _, action := range append(sessioncleanup.Actions(), sessioncleanup.ActionDated) {
		for kind, s := range kinds {
			if got := (sessioncleanup.Policy{}).CutoffsAt(now).Due(action, s); got != (action == kind) {
				t.Errorf("%s of what is to be %s is due: %v", action, kind, got)
			}
			s.AutoCleanup = false
			if (sessioncleanup.Policy{}).CutoffsAt(now).Due(action, s) {
				t.Errorf("%s of a protected session is due", action)
			}
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
