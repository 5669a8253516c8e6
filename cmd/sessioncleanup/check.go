package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
)

// The alerts that only --check raises: they take a schedule for granted, of which the statistics know nothing.
const (
	alertOverdue sessioncleanup.AlertCode = "cleanup_overdue"
	alertIdle    sessioncleanup.AlertCode = "cleanup_idle"
)

// limits are what stats --check measures against.
type limits struct {
	maxDue      int
	minActivity percent
	maxAge      span
}

// defaultMaxAge fits a daily run, with room for a long or a late one.
const defaultMaxAge = 26 * time.Hour

// defaultLimits are the guide's.
func defaultLimits() *limits {
	return &limits{
		maxDue: sessioncleanup.DefaultAlertDue, minActivity: 100 * sessioncleanup.DefaultAlertActivityRate, maxAge: span(defaultMaxAge),
	}
}

func (l *limits) flags(flags *pflag.FlagSet) {
	flags.Var(newCount(&l.maxDue, l.maxDue, 0, maxInt), "max-due", "with --check: so many sessions may be due")
	flags.Var(&l.minActivity, "min-activity", "with --check: at least this part of all sessions is active")
	flags.Var(&l.maxAge, "max-age", "with --check: the last run is not longer ago")
}

// onlyWith refuses limits that nothing would be measured against.
func (l *limits) onlyWith(check bool, cmd *cobra.Command) error {
	for _, name := range []string{"max-due", "min-activity", "max-age"} {
		if !check && cmd.Flags().Changed(name) {
			return usagef("--%s has no effect without --check", name)
		}
	}
	return nil
}

// policy has the limits that the statistics measure themselves, where a flag gives them. Zero, which means the
// default there, is left to alerts.
func (l *limits) policy(cmd *cobra.Command) (p sessioncleanup.Policy) {
	if cmd.Flags().Changed("max-due") {
		p.AlertDue = l.maxDue
	}
	if cmd.Flags().Changed("min-activity") {
		p.AlertActivityRate = float64(l.minActivity) / 100
	}
	return p
}

// alerts are those of the statistics, and those of the runs.
func (l *limits) alerts(s sessioncleanup.Stats, owner string) []sessioncleanup.Alert {
	alerts := slices.DeleteFunc(slices.Clone(s.Alerts), func(alert sessioncleanup.Alert) bool {
		return alert.Code == sessioncleanup.AlertLowActivity && l.minActivity == 0 ||
			alert.Code == sessioncleanup.AlertTooManyDue && l.maxDue == 0
	})
	raise := func(code sessioncleanup.AlertCode, format string, args ...any) {
		alerts = append(alerts, sessioncleanup.Alert{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if l.maxDue == 0 && s.CleanupCandidates > 0 {
		raise(sessioncleanup.AlertTooManyDue, "%s due for cleanup, more than 0", sessionsAre(s.CleanupCandidates))
	}
	if owner != "" { // runs are not an owner's
		return alerts
	}
	if s.LastRun == nil || s.LastRun.Run == nil {
		raise(alertOverdue, "no run is in the log")
		return alerts
	}
	if age := s.At.Sub(s.LastRun.At); age > time.Duration(l.maxAge) {
		raise(alertOverdue, "the last run, %s, was %s, longer ago than %s", s.LastRun.RunID, ago(s.LastRun.At, s.At), spanText(time.Duration(l.maxAge)))
	}
	if run := s.LastRun.Run; run.Error == "" && run.Failures == 0 && run.Due > 0 && run.Deleted+run.Deactivated == 0 {
		raise(alertIdle, "the last run, %s, changed nothing although %s due", s.LastRun.RunID, sessionsWere(run.Due))
	}
	return alerts
}

func sessionsAre(n int) string {
	if n == 1 {
		return "1 session is"
	}
	return sessionCount(n) + " are"
}

func sessionsWere(n int) string {
	if n == 1 {
		return "1 session was"
	}
	return sessionCount(n) + " were"
}
