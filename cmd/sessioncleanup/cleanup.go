package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// The guide's quick cleanup.
const (
	quickInactive = 12 * time.Hour
	quickDelete   = 7 * 24 * time.Hour
)

// Sessions that a simulation shows.
const (
	defaultShown = 10
	verboseShown = sessioncleanup.MaxPage
)

// cleanupFlags are the flags of the cleanup verb.
type cleanupFlags struct {
	dryRun, force, quick, cron bool
	inactiveAfter, deleteAfter time.Duration
	page                       int
}

func (a *app) cleanup() *cobra.Command {
	var f cleanupFlags
	cmd := &cobra.Command{
		Use:        "cleanup",
		SuggestFor: []string{"clean", "run", "session-cleanup", "session-cron"},
		Short:      "Delete and deactivate what is due",
		Long: `cleanup deletes the sessions that are due for deletion, then deactivates those that are due for deactivation,
in small batches that do not block anybody. Protected sessions are left alone. With --dry-run it says exactly what
it would do, and changes nothing.

A run that would delete more than half of all sessions stops before it deletes anything, unless it is forced: a wrong
clock or a typing error must not empty a table. A session that cannot be deleted is reported and passed over; the
exit code is 1 then.

With --cron it prints nothing when there was nothing to do, one line when there was, and errors to standard error.

Ctrl-C finishes the batch at hand and says what was done; the next run goes on from there. A second one stops at once.`,
		Example: `  sessioncleanup cleanup --dry-run --verbose
  sessioncleanup cleanup --inactive-hours 6 --delete-days 3
  sessioncleanup cleanup --cron >> /var/log/session-cleanup.log 2>&1`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := f.run(a.verbose)
			if err != nil {
				return err
			}
			return a.withPolicy(cmd.Context(), sessioncleanup.Policy{}, func(ctx context.Context, db connection) error {
				return a.clean(ctx, db, run, f.cron)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, change nothing")
	flags.BoolVar(&f.force, "force", false, "delete even if that is a large part of all sessions")
	flags.BoolVar(&f.quick, "quick", false, "deactivate after 12 hours, delete after 7 days")
	flags.BoolVar(&f.cron, "cron", false, "say nothing unless something was done")
	flags.Var(&threshold{&f.inactiveAfter, "inactive-hours", time.Hour}, "inactive-hours",
		"deactivate after this many hours without activity, or never (default: the policy's, 24)")
	flags.Var(&threshold{&f.deleteAfter, "delete-days", 24 * time.Hour}, "delete-days",
		"delete after this many days without activity, or never (default: the policy's, 30)")
	flags.Var(newCount(&f.page, 0, 1, sessioncleanup.MaxPage), "page", "sessions that a simulation shows (default 10, with --verbose 1000)")
	return cmd
}

// run makes a Run of the flags.
func (f *cleanupFlags) run(verbose bool) (sessioncleanup.Run, error) {
	run := sessioncleanup.Run{
		DryRun: f.dryRun, Force: f.force, PageSize: f.page,
		InactiveAfter: f.inactiveAfter, DeleteAfter: f.deleteAfter, Reason: "by hand",
	}
	if f.cron {
		run.Reason = "cron"
	}
	if f.quick {
		if f.inactiveAfter != 0 || f.deleteAfter != 0 {
			return run, usagef("--quick stands for --inactive-hours 12 --delete-days 7: give it alone")
		}
		run.InactiveAfter, run.DeleteAfter = quickInactive, quickDelete
	}
	if run.PageSize == 0 {
		run.PageSize = defaultShown
		if verbose {
			run.PageSize = verboseShown
		}
	}
	return run, nil
}

// clean does a run, with a progress bar where there is somebody to see it, and reports it.
func (a *app) clean(ctx context.Context, db connection, run sessioncleanup.Run, cron bool) error {
	if a.verbose && !a.json && !cron {
		if err := a.sayThresholds(db.Policy(), run); err != nil {
			return err
		}
	}
	var bar *bar
	if !run.DryRun && !a.json && !a.verbose && !cron {
		bar = newBar(a.err, a.errTTY)
		run.Progress = bar.show
	}
	m := db.Manager
	if cron {
		m = db.system
	}
	result, err := m.Cleanup(ctx, run)
	bar.finish()
	r := report{app: a, policy: db.Policy(), result: result, err: err}
	switch {
	case a.json:
		return r.json(cron)
	case cron:
		return r.line()
	default:
		return r.words()
	}
}

// sayThresholds says what the run measures sessions against.
func (a *app) sayThresholds(p sessioncleanup.Policy, run sessioncleanup.Run) error {
	if run.InactiveAfter != 0 {
		p.InactiveAfter = run.InactiveAfter
	}
	if run.DeleteAfter != 0 {
		p.DeleteAfter = run.DeleteAfter
	}
	return a.say("Deactivate after: %s without activity. Delete after: %s.\n", spanText(p.InactiveAfter), spanText(p.DeleteAfter))
}
