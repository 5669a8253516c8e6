package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestStatsShowTheGuidesFigures(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("stats").want(t, exitDone, "Sessions              6", "67% of all", "Cleanup candidates    2", "33% of all", "Longest overdue",
		"unused for more than 24 h, or expired", "inactive and unused for more than 30 days")
	u.vars[sessioncleanup.EnvInactiveHours], u.vars[sessioncleanup.EnvDeleteDays] = "0.5", "never"
	u.calls("stats").want(t, exitDone, "unused for more than 30m0s, or expired", "Due for deletion      0  off")
	u.calls("stats", "--json").want(t, exitDone, `"inactive_hours": "0.5"`, `"delete_days": "never"`, `"untracked": false`)
	delete(u.vars, sessioncleanup.EnvInactiveHours)
	delete(u.vars, sessioncleanup.EnvDeleteDays)
	s := decode[sessioncleanup.Stats](t, u.calls("stats", "--json"))
	if s.Total != 6 || s.Active != 4 || s.Inactive != 2 || s.Old != 1 || s.CleanupCandidates != 2 || s.DueForDeletion != 1 {
		t.Errorf("stats --json prints %+v", s)
	}
	if s := decode[sessioncleanup.Stats](t, u.calls("stats", "--json", "--owner", "8")); s.Total != 0 {
		t.Errorf("an owner without sessions has %d", s.Total)
	}
}

func TestStatsCountWhatCanNeverBecomeDue(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("stats").want(t, exitDone, "Never due             0")
	s.exec(t, "UPDATE sessions SET last_activity = '9999-12-31', expires_at = NULL, active = true, auto_cleanup = true WHERE id IN (1, 42)")
	u.calls("stats").want(t, exitDone, "Never due             2  active, and neither")
	u.calls("stats", "--json").want(t, exitDone, `"never_due_sessions": 2`)
}

func TestCheckNamesEveryAlertThatHolds(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("stats").want(t, exitDone)
	u.calls("stats", "--check").want(t, exitAlert, "the audit log has no run (cleanup_overdue)")
	u.calls("cleanup").want(t, exitDone)
	u.calls("stats", "--check").want(t, exitDone, "No alert holds.")
	if got := decode[sessioncleanup.Stats](t, u.calls("stats", "--check", "--json")); len(got.Alerts) != 0 {
		t.Errorf("stats --check --json has alerts %+v", got.Alerts)
	}
	u.calls("stats", "--check", "--min-activity", "90").want(t, exitAlert, "60% of the sessions are active, fewer than 90% (low_activity)")
	u.calls("stats", "--check", "--max-age", "0s").want(t, exitAlert, "cleanup_overdue")

	s.exec(t, "UPDATE sessions SET last_activity = '2026-01-01 00:00:00' WHERE id IN (1, 42)")
	u.calls("stats", "--check", "--max-due", "2").want(t, exitDone)
	u.calls("stats", "--check", "--max-due", "1").want(t, exitAlert, "2 sessions are due for cleanup, more than 1 (too_many_due)")
	u.calls("stats", "--check", "--max-due", "0").want(t, exitAlert, "2 sessions are due for cleanup, more than 0 (too_many_due)")
	s.exec(t, "UPDATE sessions SET active = false")
	u.calls("stats", "--check", "--min-activity", "50").want(t, exitAlert, "low_activity")
	u.calls("stats", "--check").want(t, exitDone)
	if got := u.calls("stats", "--check", "--min-activity", "50", "--json").want(t, exitAlert); !strings.Contains(got.out, `"code": "low_activity"`) || got.err != "" {
		t.Errorf("stats --check --json printed %q and %q", got.out, got.err)
	}
	u.calls("stats", "--check", "--owner", "8").want(t, exitDone)
	s.exec(t, "INSERT INTO sessions (id, streamer_id, name, code, last_activity) SELECT 100 + value, '7', 'n', 'x' || value, datetime('now', '-30 hours') FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 30) SELECT value FROM n)")
	u.calls("stats", "--check", "--max-due", "100").want(t, exitAlert, "3% of the sessions that were recently in use still are, fewer than 5%", "low_use")
	u.calls("stats", "--check", "--min-use", "0").want(t, exitDone)
}

func TestAlertsThatDependOnASchedule(t *testing.T) {
	t.Parallel()
	now := time.Now()
	run := func(age time.Duration, cause string, phase sessioncleanup.PhaseResult) sessioncleanup.Stats {
		summary := &sessioncleanup.RunSummary{Error: cause, Phases: sessioncleanup.Phases{phase}}
		return sessioncleanup.Stats{At: now, LastRun: &sessioncleanup.Event{At: now.Add(-age), RunID: "R", Run: summary}}
	}
	for name, c := range map[string]struct {
		stats sessioncleanup.Stats
		want  []sessioncleanup.AlertCode
	}{
		"none":              {sessioncleanup.Stats{At: now}, []sessioncleanup.AlertCode{alertOverdue}},
		"in time":           {run(25*time.Hour, "", sessioncleanup.PhaseResult{}), nil},
		"too long ago":      {run(27*time.Hour, "", sessioncleanup.PhaseResult{}), []sessioncleanup.AlertCode{alertOverdue}},
		"all skipped":       {run(time.Hour, "", sessioncleanup.PhaseResult{Due: 3, Skipped: 3}), []sessioncleanup.AlertCode{alertIdle}},
		"one done":          {run(time.Hour, "", sessioncleanup.PhaseResult{Due: 3, Done: 1, Skipped: 2}), nil},
		"one failed":        {run(time.Hour, "", sessioncleanup.PhaseResult{Due: 3, Failed: 1, Skipped: 2}), nil},
		"failed":            {run(time.Hour, "x", sessioncleanup.PhaseResult{Due: 3}), nil},
		"idle and long ago": {run(99*time.Hour, "", sessioncleanup.PhaseResult{Due: 1}), []sessioncleanup.AlertCode{alertOverdue, alertIdle}},
	} {
		var got []sessioncleanup.AlertCode
		for _, alert := range scheduleAlerts(c.stats, defaultMaxAge) {
			got = append(got, alert.Code)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("last run %s: alerts %v, want %v", name, got, c.want)
		}
	}
}
