package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) stats() *cobra.Command {
	var owner string
	var check bool
	limits := defaultLimits()
	cmd := &cobra.Command{
		Use:        "stats",
		SuggestFor: []string{"session-stats", "status"},
		Short:      "Show how many sessions there are, how many are due, and what needs a look",
		Long: `stats shows the figures of all sessions, or of one owner's, with the alerts that hold.

With --check it exits with 3 when an alert holds:
  too_many_due     more sessions are due than --max-due
  low_activity     a smaller part of all sessions is active than --min-activity
  cleanup_failed   the last run failed, or could not clean up a session
  cleanup_overdue  the last run is longer ago than --max-age, or there was none
  cleanup_idle     the last run changed nothing although something was due`,
		Example: `  sessioncleanup stats
  sessioncleanup stats --check --max-age 26h || echo "look at the sessions" | mail -s Alert admin@example.com`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := limits.onlyWith(check, cmd); err != nil {
				return err
			}
			return a.withPolicy(cmd.Context(), limits.policy(cmd), func(ctx context.Context, db connection) error {
				stats, err := db.Stats(ctx, owner)
				if err != nil {
					return err
				}
				if check {
					stats.Alerts = limits.alerts(stats, owner)
				}
				return a.reportStats(stats, check)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&owner, "owner", "", "only the sessions of the owner with this id")
	flags.BoolVar(&check, "check", false, "exit with 3 when an alert holds")
	limits.flags(flags)
	return cmd
}

func (a *app) reportStats(stats sessioncleanup.Stats, check bool) error {
	print := a.printStats
	if a.json {
		print = func(s sessioncleanup.Stats) error { return a.printJSON(s) }
	}
	if err := print(stats); err != nil {
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
