package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) stats() *cobra.Command {
	var owner, tags string
	var check bool
	var limits alertLimits
	var operators operatorFlags
	cmd := &cobra.Command{
		Use:        "stats",
		SuggestFor: []string{"session-stats", "status"},
		Short:      "Show how many sessions there are, how many are due, and which alerts hold",
		Long: `stats shows the figures of all sessions, of one owner's sessions, or of those with certain tags, and the alerts that hold.

With --check it exits with 3 when an alert holds:
  too_many_due        more sessions are due than --max-due
  low_use             a smaller part of the recently used sessions is still in use than --min-use
  low_activity        a smaller part of all sessions is active than --min-activity
  undeliverable       owners of sessions could not be warned before the deletion
  outbox_stuck        warnings to owners have not been delivered for more than 26 hours
  clock_wrong         the clocks of the database and of this machine differ by more than 10 minutes
  cleanup_failed      the last run ended with an error
  cleanup_incomplete  the last run could not clean up some sessions
  backup_failed       the last run could not back up the archive, which is not purged
  cleanup_overdue     the last run is longer ago than --max-age, or there was none
  cleanup_idle        the last run changed nothing although something was due
  database_invalid    validate finds something missing or wrong

With --notify-operators it also tells operators which alerts began and which are over since it did so last. It tells nothing
while a serve with that flag works on the same database.`,
		Example: `  sessioncleanup stats
  sessioncleanup stats --check --max-age 26h || echo "look at the sessions" | mail -s Alert admin@example.com`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			all := owner == "" && tags == ""
			if err := onlyWith(check, "--check", cmd.Flags(), limits.names()); err != nil {
				return err
			}
			if err := onlyWith(check && all, "--check for all sessions", cmd.Flags(), operators.names()); err != nil {
				return err
			}
			told, err := operators.read(a)
			if err != nil {
				return err
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				stats, err := db.TaggedStats(ctx, owner, tags)
				if err != nil {
					return err
				}
				if check {
					stats.Alerts = limits.policy(db.Policy(), cmd).Alerts(stats)
				}
				if check && all { // a run is no owner's
					stats.Alerts = append(stats.Alerts, scheduleAlerts(stats, time.Duration(limits.maxAge))...)
					stats.Alerts = append(stats.Alerts, databaseAlerts(ctx, db.store)...)
				}
				untold := tellOnce(ctx, told, db, a.logger(), stats)
				others, err := installations(ctx, db.store)
				if err == nil {
					err = a.reportStats(stats, others, db.Policy(), check)
				}
				if err != nil && untold != nil {
					a.complain(untold.Error())
				}
				return cmp.Or(err, untold)
			})(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&owner, "owner", "", "only the sessions of the owner with this ID")
	flags.StringVar(&tags, "tag", "", tagHelp)
	flags.BoolVar(&check, "check", false, "exit with 3 when an alert holds")
	limits.add(flags)
	operators.add(cmd)
	return cmd
}

// jsonStats are the statistics with what they were measured by.
type jsonStats struct {
	sessioncleanup.Stats
	InactiveHours string `json:"inactive_hours"`
	DeleteDays    string `json:"delete_days"`
	Untracked     bool   `json:"untracked"`
	// Installations are those in the database, where there are others than this one.
	Installations []sessioncleanup.Installation `json:"installations,omitempty"`
}

func (a *app) reportStats(stats sessioncleanup.Stats, all []sessioncleanup.Installation, policy sessioncleanup.Policy, check bool) error {
	words := installationWords(all, a.installation())
	if words == "" {
		all = nil
	}
	var err error
	if a.json {
		err = a.printJSON(jsonStats{
			Stats: stats, Installations: all,
			InactiveHours: sessioncleanup.Threshold(policy.InactiveAfter, time.Hour),
			DeleteDays:    sessioncleanup.Threshold(policy.DeleteAfter, 24*time.Hour),
			Untracked:     stats.Cutoffs.Untracked,
		})
	} else {
		said := a.statsText(stats, policy)
		if words != "" {
			said += fmt.Sprintf("  The database has %s.\n", words)
		}
		err = a.print(said)
	}
	if err != nil {
		return err
	}
	switch {
	case !check:
		return nil
	case len(stats.Alerts) > 0:
		return errAlert
	case a.json:
		return nil
	default:
		return a.say("  %s\n", a.paint(green, "No alert holds."))
	}
}

func (a *app) statsText(s sessioncleanup.Stats, policy sessioncleanup.Policy) string {
	share := func(rate float64) cell { return text(fmt.Sprintf("%.0f%% of all", 100*rate)) }
	said := a.untrackedText(s.Cutoffs.Untracked)
	if s.Pause != nil {
		said += a.paint(yellow, capital(pausedText(*s.Pause))+".") + "\n"
	}
	rows := [][]cell{
		{text("Sessions"), figure(s.Total)},
		{text("Active"), figure(s.Active), share(s.ActivityRate)},
		{text("Inactive"), figure(s.Inactive)},
		{text("Old"), figure(s.Old), text(thresholdText("unused for more than %s", policy.DeleteAfter))},
		{text("Protected"), figure(s.Protected), text("nothing automatic happens to them")},
		{text("Due for deactivation"), figure(s.DueForDeactivation), text(thresholdText("unused for more than %s, or expired", policy.InactiveAfter))},
		{text("Due for deletion"), figure(s.DueForDeletion), text(thresholdText("inactive and unused for more than %s", policy.DeleteAfter))},
		{text("Waiting for a warning"), figure(s.Waiting), text("due for deletion, but their owners were not warned, or not long enough ago")},
		{text("Never due"), figure(s.NeverDue), text("active, and neither idleness nor an expiry ever makes them due")},
		{text("Cleanup candidates"), figure(s.CleanupCandidates).in(bold), share(s.CleanupEfficiency)},
	}
	if policy.WarnBefore == sessioncleanup.Never {
		rows = slices.Delete(rows, 7, 8)
	}
	if s.CleanupCandidates > 0 {
		rows = append(rows, texts("Longest overdue", "", humanize.RelTime(s.At.Add(-s.OldestOverdue), s.At, "", "")))
	}
	if s.LastRun != nil && s.LastRun.Run != nil {
		rows = append(rows, texts("Last run", "", ago(s.LastRun.At, s.At)+": "+runText(s.LastRun.Run)))
	}
	if s.FutureRun != nil {
		rows = append(rows, texts("Run in the future", "", s.FutureRun.RunID+", at "+moment(s.FutureRun.Run.StartedAt)+": a clock was wrong; it does not count"))
	}
	said += a.table(rows)
	for _, alert := range s.Alerts {
		said += "  " + a.paint(red, "! "+printable(alert.Message)+" ("+string(alert.Code)+")") + "\n"
	}
	return said
}

// thresholdText explains a figure by its threshold.
func thresholdText(format string, threshold time.Duration) string {
	if threshold == sessioncleanup.Never {
		return "off"
	}
	return fmt.Sprintf(format, spanText(threshold))
}
