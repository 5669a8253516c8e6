package sessioncleanup_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestStatsFiguresAndAlerts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		active, idle int
		want         []sessioncleanup.AlertCode
		rate         float64
	}{
		{0, 0, nil, 0},
		{10, 0, nil, 1},
		{200, 100, nil, 1},
		{200, 101, []sessioncleanup.AlertCode{sessioncleanup.AlertTooManyDue}, 1},
	} {
		m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
		put(t, db, 0, tc.active, time.Hour, nil)
		put(t, db, 1000, tc.idle, 2*day, nil)
		stats, err := m.Stats(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var codes []sessioncleanup.AlertCode
		for _, a := range stats.Alerts {
			codes = append(codes, a.Code)
		}
		if diff := cmp.Diff(tc.want, codes); diff != "" || stats.ActivityRate != tc.rate || stats.CleanupCandidates != tc.idle {
			t.Errorf("%+v: %+v, alerts (-want +got):\n%s", tc, stats, diff)
		}
	}

	m, db := newManager(t, sessioncleanup.Policy{AlertActivityRate: 0.5}, memory.Config{})
	put(t, db, 0, 4, time.Hour, nil)
	put(t, db, 10, 6, 40*day, inactive)
	stats, err := m.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if stats.Total != 10 || stats.Active != 4 || stats.Inactive != 6 || stats.Old != 6 || stats.DueForDeletion != 6 ||
		stats.ActivityRate != 0.4 || stats.CleanupEfficiency != 0.6 || len(stats.Alerts) != 1 || stats.Alerts[0].Code != sessioncleanup.AlertLowActivity {
		t.Errorf("stats %+v, want 4 active of 10, 6 due for deletion and the alert of low activity", stats)
	}
	if over := time.Duration(stats.OldestOverdueSeconds * float64(time.Second)); over < 10*day-2*time.Minute || over > 10*day {
		t.Errorf("oldest overdue %v, want a minute less than 10 days", over)
	}
}

func TestAlertsNameTheFailedRun(t *testing.T) {
	t.Parallel()
	for code, tc := range map[sessioncleanup.AlertCode]struct {
		want string
		run  sessioncleanup.RunSummary
	}{
		sessioncleanup.AlertCleanupFailed: {"the last run, r1, failed: out of memory", sessioncleanup.RunSummary{Error: "out of memory"}},
		sessioncleanup.AlertCleanupIncomplete: {
			"the last run, r1, could not clean up 3 sessions",
			sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Failed: 1}, {Failed: 2, Skipped: 5}}},
		},
		sessioncleanup.AlertBackupFailed: {
			"the last run, r1, left 7 archived sessions without a backup, which are not purged: no space",
			sessioncleanup.RunSummary{Backup: &sessioncleanup.BackupResult{Waiting: 7, Error: "no space"}},
		},
	} {
		alerts := sessioncleanup.Policy{}.Alerts(sessioncleanup.Stats{LastRun: &sessioncleanup.Event{RunID: "r1", Run: &tc.run}})
		if len(alerts) != 1 || alerts[0].Code != code || alerts[0].Message != tc.want {
			t.Errorf("alerts %+v, want %s: %q", alerts, code, tc.want)
		}
	}
	fine := sessioncleanup.Stats{LastRun: &sessioncleanup.Event{RunID: "r1", Run: &sessioncleanup.RunSummary{Phases: sessioncleanup.Phases{{Done: 3, Skipped: 5}}}}}
	if alerts := (sessioncleanup.Policy{}).Alerts(fine); len(alerts) != 0 {
		t.Errorf("alerts %+v of a run that skipped sessions, want none", alerts)
	}
}

// A share of all sessions says little where they are kept for much longer than they are active; one of those used lately
// falls when use does.
func TestLowUseComparesTheTimeUntilInactivityWithTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counts sessioncleanup.Counts
		policy sessioncleanup.Policy
		want   bool
	}{
		"steady use of sessions that are kept for long": {counts: sessioncleanup.Counts{Total: 3000, Active: 100, InUse: 100, Recent: 200}},
		"use that ended":              {counts: sessioncleanup.Counts{Total: 200, InUse: 4, Recent: 100}, want: true},
		"few sessions":                {counts: sessioncleanup.Counts{Total: 200, InUse: 0, Recent: 19}},
		"no use for long":             {counts: sessioncleanup.Counts{Total: 200}},
		"another limit":               {counts: sessioncleanup.Counts{Total: 200, InUse: 4, Recent: 100}, policy: sessioncleanup.Policy{AlertUseRate: 0.04}},
		"turned off":                  {counts: sessioncleanup.Counts{Total: 200, InUse: 0, Recent: 100}, policy: sessioncleanup.Policy{AlertUseRate: -1}},
		"a limit that is never right": {counts: sessioncleanup.Counts{Total: 200, InUse: 99, Recent: 100}, policy: sessioncleanup.Policy{AlertUseRate: 1}, want: true},
	} {
		s := sessioncleanup.Stats{Counts: c.counts, UseRate: float64(c.counts.InUse) / float64(max(c.counts.Recent, 1)), ActivityRate: 0.01}
		var codes []sessioncleanup.AlertCode
		for _, alert := range c.policy.WithDefaults().Alerts(s) {
			codes = append(codes, alert.Code)
		}
		if got := slices.Equal(codes, []sessioncleanup.AlertCode{sessioncleanup.AlertLowUse}); got != c.want || !c.want && codes != nil {
			t.Errorf("%s: alerts %v, want low_use: %t", name, codes, c.want)
		}
	}
	s := sessioncleanup.Stats{Counts: sessioncleanup.Counts{Total: 10, Active: 4}, ActivityRate: 0.4}
	if alerts := (sessioncleanup.Policy{AlertActivityRate: 0.5}).WithDefaults().Alerts(s); len(alerts) != 1 || alerts[0].Code != sessioncleanup.AlertLowActivity {
		t.Errorf("the guide's alert, turned on: %v", alerts)
	}
}

func TestCutoffsTellWhatIsInUseAndRecent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(hours int) sessioncleanup.Session {
		return sessioncleanup.Session{LastActivity: now.Add(-time.Duration(hours) * time.Hour)}
	}
	all := []sessioncleanup.Session{at(1), at(24), at(25), at(48), at(49), {LastActivity: at(2).LastActivity, Active: true}}
	q := sessioncleanup.CountsQuery{Thresholds: sessioncleanup.Thresholds{Now: now, Inactive: 24 * time.Hour}}
	if got := q.Answer(slices.Values(all), now); got.InUse != 3 || got.Recent != 5 {
		t.Errorf("%d in use and %d recent, want 3 and 5", got.InUse, got.Recent)
	}
	q.Thresholds.Inactive = 0
	if got := q.Answer(slices.Values(all), now); got.InUse+got.Recent != 0 {
		t.Errorf("without a time until inactivity, %d in use and %d recent, want none", got.InUse, got.Recent)
	}
}

func TestFiguresOfSomeTagsSayNothingOfRuns(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, 2*day, func(s *sessioncleanup.Session) { s.Tags = []string{"vip"} })
	put(t, db, 100, 4, time.Hour, nil)
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: false}); err != nil {
		t.Fatal(err)
	}
	put(t, db, 200, 1, 2*day, func(s *sessioncleanup.Session) { s.Tags = []string{"test", "vip"} })
	for tags, want := range map[string][3]int{"vip": {4, 1, 1}, "vip -test": {3, 0, 0}, "-vip": {4, 4, 0}, "": {8, 5, 1}} {
		s, err := m.TaggedStats(t.Context(), "", tags)
		if got := [3]int{s.Total, s.Active, s.DueForDeactivation}; err != nil || got != want {
			t.Errorf("tags %q: %v, %v; want %v", tags, got, err, want)
		}
		if (s.LastRun == nil) != (tags != "") {
			t.Errorf("tags %q: the last run is %v", tags, s.LastRun)
		}
	}
	if _, err := m.TaggedStats(t.Context(), "", "VIP"); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a wrong filter: %v, want ErrInvalid", err)
	}
}
