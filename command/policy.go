package command

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) showPolicy() *cobra.Command {
	cmd := explained(&cobra.Command{
		Use:   "policy",
		Short: "Show the policy in force, and where its values come from",
		Long: `policy prints the thresholds and the rules by tag that are in force. Each comes from a flag or the environment (program),
from the stored policy (database), or is the default.`,
		Example: `  sessioncleanup policy
  sessioncleanup policy set --rules "vip: delete=never; test: inactive=1h delete=1d"`,
		Args: noArguments,
		RunE: a.with(func(_ context.Context, db connection, _ []string) error { return a.printPolicy(db) }),
	})
	show := explained(&cobra.Command{
		Use: "show", Short: "Show the policy in force; with --json as policy import reads it", Args: noArguments,
		Long:    "show prints the thresholds and the rules by tag that are in force, and where they come from, as policy without a verb does.",
		Example: "  sessioncleanup policy show --json > policy.json",
		RunE:    cmd.RunE,
	})
	cmd.AddCommand(show, a.setPolicy(), a.importPolicy())
	return cmd
}

func (a *app) setPolicy() *cobra.Command {
	var change sessioncleanup.Policy
	var expected int
	cmd := explained(&cobra.Command{
		Use:   "set",
		Short: "Change the stored policy, for every program that follows it",
		Long: `set changes values of the stored policy, and writes an event to the audit log. Values without a flag stay as they are.
When the next run would then delete more than it would now, set refuses the change, and names the number of sessions to
confirm with --expect.`,
		Example: `  sessioncleanup policy set --delete-days 60
  sessioncleanup policy set --rules "vip: delete=never; test: inactive=1h delete=1d warn=never archive=7d"
  sessioncleanup policy set --rules none`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if change == (sessioncleanup.Policy{}) {
				return usagef("there is nothing to change: want --inactive-hours, --delete-days, --archive-days or --rules")
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				_, err := db.SetPolicy(ctx, change, expected)
				if more, ok := errors.AsType[*sessioncleanup.MoreDeletionsError](err); ok {
					return usagef("%w with --expect %d", more, more.After)
				}
				if err != nil {
					return err
				}
				return a.printPolicy(db)
			})(cmd, args)
		},
	})
	flags := cmd.Flags()
	flags.Var(&threshold{&change.InactiveAfter, "inactive-hours", time.Hour}, "inactive-hours", "deactivate after so many `hours` without activity, or never")
	flags.Var(&threshold{&change.DeleteAfter, "delete-days", 24 * time.Hour}, "delete-days", "delete inactive sessions after so many `days`, or never")
	flags.Var(&threshold{&change.ArchiveKeep, "archive-days", 24 * time.Hour}, "archive-days", "keep deleted sessions in the archive for so many `days`, or never to purge them")
	flags.Var(rulesFlag{&change.Rules}, "rules", "`RULES` for sessions with certain tags, or none")
	flags.Var(newCount(&expected, 0, 0, sessioncleanup.MaxBulk*1000), "expect", "deletions that the next run may do")
	return cmd
}

// printPolicy prints what is in force.
func (a *app) printPolicy(db connection) error {
	f := policyFileOf(db.Manager)
	if a.json {
		return a.printJSON(f)
	}
	inForce := db.Policy()
	rows := [][]cell{header("SETTING", "VALUE", "FROM")}
	for _, field := range policyFields {
		rows = append(rows, texts(field.what, spanText(*field.of(&inForce)), string(f.From[field.name])))
	}
	rules, _ := sessioncleanup.ParseRules(inForce.Rules) // it is valid
	for _, r := range rules {
		rows = append(rows, texts("Rule", r.String(), string(f.From["rules"])))
	}
	return a.print(a.table(rows))
}
