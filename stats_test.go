package sessioncleanup_test

import (
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

	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
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
