package command

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// The alerts that only --check raises: the statistics know nothing about a schedule, nor what Validate finds.
const (
	alertOverdue                          = notify.AlertOverdue
	alertIdle    sessioncleanup.AlertCode = "cleanup_idle"
	alertInvalid sessioncleanup.AlertCode = "database_invalid"
)

// defaultMaxAge fits a daily run, with time to spare for a long or a late one.
const defaultMaxAge = 26 * time.Hour

// alertLimits are the limits that flags of stats --check set.
type alertLimits struct {
	maxDue      int
	minUse      percent
	minActivity percent
	maxAge      span
}

func (l *alertLimits) add(flags *pflag.FlagSet) {
	flags.Var(newCount(&l.maxDue, sessioncleanup.DefaultPolicy().AlertDue, 0, math.MaxInt), "max-due", "with --check: alert when more than this many sessions are due")
	l.minUse = percent(100 * sessioncleanup.DefaultPolicy().AlertUseRate)
	flags.Var(&l.minUse, "min-use", "with --check: alert when a smaller part of the sessions that were recently in use still is; 0 turns it off")
	flags.Var(&l.minActivity, "min-activity", "with --check: alert when a smaller part of all sessions is active, as the guide has it with 50; 0 turns it off")
	l.maxAge = span(defaultMaxAge)
	flags.Var(&l.maxAge, "max-age", "with --check: alert when the last run is longer ago")
}

// names are those of the flags.
func (*alertLimits) names() []string {
	return []string{"max-due", "min-use", "min-activity", "max-age"}
}

// policy is p with the limits that were set by a flag.
func (l *alertLimits) policy(p sessioncleanup.Policy, cmd *cobra.Command) sessioncleanup.Policy {
	if cmd.Flags().Changed("max-due") {
		p.AlertDue = l.maxDue
	}
	if cmd.Flags().Changed("min-use") {
		p.AlertUseRate = float64(l.minUse) / 100
	}
	if cmd.Flags().Changed("min-activity") {
		p.AlertActivityRate = float64(l.minActivity) / 100
	}
	return p
}

// scheduleAlerts say that runs do not happen as a schedule with this longest pause would have them happen.
func scheduleAlerts(s sessioncleanup.Stats, maxAge time.Duration) []sessioncleanup.Alert {
	var alerts []sessioncleanup.Alert
	raise := func(code sessioncleanup.AlertCode, format string, args ...any) {
		alerts = append(alerts, sessioncleanup.Alert{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if s.Pause != nil { // none is expected
		return nil
	}
	future := ""
	if s.FutureRun != nil {
		future = "; run " + s.FutureRun.RunID + " is recorded in the future, at " + moment(s.FutureRun.Run.StartedAt) + ", and does not count"
	}
	if s.LastRun == nil || s.LastRun.Run == nil {
		raise(alertOverdue, "the audit log has no run%s", future)
		return alerts
	}
	if age := s.At.Sub(s.LastRun.At); age > maxAge {
		raise(alertOverdue, "the last run, %s, was %s, longer ago than %s%s", s.LastRun.RunID, ago(s.LastRun.At, s.At), spanText(maxAge), future)
	}
	total := s.LastRun.Run.Phases.Total()
	if s.LastRun.Run.Error == "" && total.Due > 0 && total.Done+total.Failed == 0 {
		raise(alertIdle, "the last run, %s, changed nothing, with %s due", s.LastRun.RunID, sessionCount(total.Due))
	}
	return alerts
}

// databaseAlerts say that the database lacks what migrate adds, or that the application altered its tables since.
func databaseAlerts(ctx context.Context, store sessioncleanup.Store) []sessioncleanup.Alert {
	installer, ok := sessioncleanup.InstallerOf(store)
	if !ok {
		return nil
	}
	if err := installer.Validate(ctx); err != nil {
		return []sessioncleanup.Alert{{Code: alertInvalid, Message: err.Error()}}
	}
	return nil
}
