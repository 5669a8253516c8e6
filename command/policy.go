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
		Long: `policy prints the thresholds and the rules by tag that are in force. Each comes from the environment or a flag (program), from the policy that
migrate stored (database), or is the default.`,
		Example: `  sessioncleanup policy
  sessioncleanup policy set --rules "vip: delete=never; test: inactive=1h delete=1d"`,
		Args: noArguments,
		RunE: a.with(func(_ context.Context, db connection, _ []string) error { return a.printPolicy(db) }),
	})
	cmd.AddCommand(a.setPolicy())
	return cmd
}

func (a *app) setPolicy() *cobra.Command {
	var change sessioncleanup.Policy
	var rules string
	var expected int
	cmd := explained(&cobra.Command{
		Use:   "set",
		Short: "Change the stored policy, for every program that follows it",
		Long: `set changes values of the policy that the database keeps, with an event in the log. What is not given stays. A change with which the next run would
delete more than now needs --expect with the number.`,
		Example: `  sessioncleanup policy set --delete-days 60
  sessioncleanup policy set --rules "vip: delete=never; test: inactive=1h delete=1d warn=never archive=7d"
  sessioncleanup policy set --rules none`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Rules = rules
			if cmd.Flags().Changed("rules") && rules == "" {
				change.Rules = sessioncleanup.NoRules
			}
			if change == (sessioncleanup.Policy{}) {
				return usagef("there is nothing to change: want --inactive-hours, --delete-days, --archive-days or --rules")
			}
			if _, err := sessioncleanup.ParseRules(rules); err != nil {
				return usagef("--rules: %w", err)
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
	flags.StringVar(&rules, "rules", "", "`RULES` for sessions with certain tags, or none")
	flags.Var(newCount(&expected, 0, 0, sessioncleanup.MaxBulk*1000), "expect", "deletions that the next run may do")
	return cmd
}

// policyLine is a value of the policy.
type policyLine struct {
	Name   string                `json:"name"`
	Value  string                `json:"value"`
	Origin sessioncleanup.Origin `json:"origin"`
}

// printPolicy prints what is in force.
func (a *app) printPolicy(db connection) error {
	lines := policyLines(db.Manager)
	if a.json {
		return a.printJSON(lines)
	}
	rows := [][]cell{header("SETTING", "VALUE", "FROM")}
	for _, l := range lines {
		rows = append(rows, texts(l.Name, l.Value, string(l.Origin)))
	}
	return a.table(rows)
}

func policyLines(m *sessioncleanup.Manager) (lines []policyLine) {
	program, stored := m.Origins()
	inForce := m.Policy()
	for _, v := range []struct {
		name string
		of   func(sessioncleanup.Policy) time.Duration
	}{
		{"Deactivate after", func(p sessioncleanup.Policy) time.Duration { return p.InactiveAfter }},
		{"Delete after", func(p sessioncleanup.Policy) time.Duration { return p.DeleteAfter }},
		{"Warn before", func(p sessioncleanup.Policy) time.Duration { return p.WarnBefore }},
		{"Purge the archive after", func(p sessioncleanup.Policy) time.Duration { return p.ArchiveKeep }},
	} {
		lines = append(lines, policyLine{v.name, spanText(v.of(inForce)), originOf(v.of(program) != 0, v.of(stored) != 0)})
	}
	rules, _ := sessioncleanup.ParseRules(inForce.Rules) // it is valid
	for _, r := range rules {
		lines = append(lines, policyLine{"Rule", r.String(), originOf(program.Rules != "", stored.Rules != "")})
	}
	return lines
}

func originOf(program, stored bool) sessioncleanup.Origin {
	switch {
	case program:
		return sessioncleanup.OriginProgram
	case stored:
		return sessioncleanup.OriginDatabase
	default:
		return sessioncleanup.OriginDefault
	}
}
