package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/jsonfile"
)

// policyFile is the policy as policy show --json prints it and policy import reads it. A threshold is a number, or "never".
type policyFile struct {
	InactiveHours any    `json:"inactive_hours,omitempty"`
	DeleteDays    any    `json:"delete_old_days,omitempty"`
	WarnDays      any    `json:"warn_days,omitempty"`
	ArchiveDays   any    `json:"archive_keep_days,omitempty"`
	Rules         string `json:"rules,omitempty"`

	// From says where each value comes from. An import ignores it.
	From map[string]sessioncleanup.Origin `json:"from,omitempty"`
}

// policyField is a threshold of a policyFile.
type policyField struct {
	name string // in the file
	what string // for people
	unit time.Duration
	in   func(*policyFile) *any
	of   func(*sessioncleanup.Policy) *time.Duration
}

var policyFields = []policyField{
	{"inactive_hours", "Deactivate after", time.Hour, func(f *policyFile) *any { return &f.InactiveHours }, func(p *sessioncleanup.Policy) *time.Duration { return &p.InactiveAfter }},
	{"delete_old_days", "Delete after", 24 * time.Hour, func(f *policyFile) *any { return &f.DeleteDays }, func(p *sessioncleanup.Policy) *time.Duration { return &p.DeleteAfter }},
	{"warn_days", "Warn before", 24 * time.Hour, func(f *policyFile) *any { return &f.WarnDays }, func(p *sessioncleanup.Policy) *time.Duration { return &p.WarnBefore }},
	{"archive_keep_days", "Purge the archive after", 24 * time.Hour, func(f *policyFile) *any { return &f.ArchiveDays }, func(p *sessioncleanup.Policy) *time.Duration { return &p.ArchiveKeep }},
}

// policyFileOf is the policy in force.
func policyFileOf(m *sessioncleanup.Manager) policyFile {
	inForce := m.Policy()
	rules, _ := sessioncleanup.ParseRules(inForce.Rules) // it is valid
	f := policyFile{Rules: sessioncleanup.FormatRules(rules), From: map[string]sessioncleanup.Origin{
		"rules": m.Origin(func(p sessioncleanup.Policy) bool { return p.Rules != "" }),
	}}
	for _, field := range policyFields {
		*field.in(&f) = any("never")
		if d := *field.of(&inForce); d != sessioncleanup.Never {
			*field.in(&f) = float64(d) / float64(field.unit)
		}
		f.From[field.name] = m.Origin(func(p sessioncleanup.Policy) bool { return *field.of(&p) != 0 })
	}
	return f
}

// readPolicyFile reads the change of a policy. Errors name the field.
func readPolicyFile(r io.Reader) (change sessioncleanup.Policy, err error) {
	var f policyFile
	if err := jsonfile.Decode(r, &f); err != nil {
		return change, fmt.Errorf("%w; want what sessioncleanup policy show --json prints", err)
	}
	for _, field := range policyFields {
		var text string
		switch v := (*field.in(&f)).(type) {
		case nil:
			continue
		case json.Number:
			text = v.String()
		case string:
			text = v
		default:
			return change, fmt.Errorf("%s is %v: want a number, or \"never\"", field.name, v)
		}
		if *field.of(&change), err = sessioncleanup.ParseThreshold(field.name, text, field.unit); err != nil {
			return change, err
		}
	}
	if change.Rules = f.Rules; change.Rules != "" {
		if _, err := sessioncleanup.ParseRules(change.Rules); err != nil {
			return change, fmt.Errorf("rules: %w", err)
		}
	}
	if change == (sessioncleanup.Policy{}) {
		return change, errors.New("it has no values: want what sessioncleanup policy show --json prints")
	}
	return change, nil
}

func (a *app) importPolicy() *cobra.Command {
	var yes, dryRun bool
	cmd := explained(&cobra.Command{
		Use:   "import FILE",
		Short: "Store a policy that policy show --json printed",
		Long: `import reads a policy that policy show --json printed, for this or another database. It shows what a run would do with that
policy, asks, and stores it; without a terminal it needs --yes. The file - is the standard input. Values that the file
leaves out stay as they are. Only migrate changes warn_days, so the file must have the value in force, or none.`,
		Example: `  sessioncleanup policy show --json > policy.json
  sessioncleanup policy import policy.json --dry-run
  sessioncleanup policy import policy.json --yes`,
		Args: arguments("a file that policy show --json printed, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := a.policyIn(args[0])
			if err != nil {
				return err
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				return a.takePolicy(ctx, db, change, dryRun, yes)
			})(cmd, nil)
		},
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what a run would do by the policy, and store nothing")
	return cmd
}

// policyIn reads the policy in a file.
func (a *app) policyIn(path string) (change sessioncleanup.Policy, err error) {
	in := a.in
	if path != "-" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.dir, path)
		}
		file, err := os.Open(path)
		if err != nil {
			return change, err
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	if change, err = readPolicyFile(in); err != nil {
		return change, usagef("policy %s: %w", path, err)
	}
	return change, nil
}

// takePolicy shows what a run would do by a policy, and stores it.
func (a *app) takePolicy(ctx context.Context, db connection, change sessioncleanup.Policy, dryRun, yes bool) error {
	if now := db.Policy().WarnBefore; change.WarnBefore != 0 && change.WarnBefore != now {
		return usagef("warn_days: the file has %s, the policy in force %s: want the same, or no warn_days; only migrate changes it", spanText(change.WarnBefore), spanText(now))
	}
	change.WarnBefore = 0
	seen := db.StoredPolicy()
	before, err := db.Propose(ctx, sessioncleanup.Policy{})
	if err != nil {
		return err
	}
	after, err := db.Propose(ctx, change)
	if err != nil {
		return err
	}
	if a.json && dryRun {
		return a.printJSON(map[string]any{"before": before.Phases, "after": after.Phases})
	}
	if !a.json {
		if err := a.say("A run would now %s.\nBy this policy it would %s.\n", planText(before.Phases), planText(after.Phases)); err != nil || dryRun {
			return err
		}
	}
	if err := a.confirm(ctx, yes, "policy import", "Store this policy?"); err != nil {
		return err
	}
	unchanged := func(stored sessioncleanup.Policy) bool { return stored == seen }
	if _, err := db.IfPolicy(unchanged).SetPolicy(ctx, change, after.Deleted()+after.Purged()); err != nil {
		return err
	}
	return a.printPolicy(db)
}
