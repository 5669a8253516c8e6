package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// The guide's quick cleanup.
const (
	quickInactive = 12 * time.Hour
	quickDelete   = 7 * 24 * time.Hour
)

// Sessions that a dry run shows.
const (
	defaultShown = 10
	verboseShown = sessioncleanup.MaxPage
)

// cleanupFlags are the flags of the cleanup verb.
type cleanupFlags struct {
	dryRun, quick, cron        bool
	archive                    bool
	force                      permission
	inactiveAfter, deleteAfter time.Duration
	owner, tags                string
	page                       int
	metrics                    metricsFile
}

const cleanupHelp = `cleanup deletes the sessions that are due for deletion, then deactivates those that are due for deactivation,
in small batches that do not block the application. Protected sessions are left alone. With --dry-run it says exactly
what it would do, and changes nothing.

The deletion limit stops the deletions of a run that would delete more than half of all sessions, and more than 100, so
that a wrong clock or a typo does not empty a table: such a run only deactivates, and the exit code is 1. It does
not stop a run that has the thresholds of one that succeeded in the last 8 days, while sessions are in use. See the
sessions with "list --status to_delete", then allow the deletion once with --force, or --force=N for at most N.

A run changes nothing, and the exit code is 1, when the clocks of the database and of this machine differ by more than 10
minutes; --ignore-clock trusts the database's.

A session that cannot be changed is reported and left out, and the exit code is 1. A session that others have locked, or
whose deletion would delete others that are not due, is skipped, named, and left for the next run.

With --archive, or while the policy says so, what is deleted can be restored for 30 days; each run purges what is older.

With --backup it then copies what was archived since the last backup into a file, and purges only what is in a file. When
that is not possible it says so, stats --check raises an alert, and the exit code is 0.

With --owner the run is limited to one owner's sessions, with --tag to those with some tags. Such a run does not count for
the schedule of serve.

With --metrics-file it writes metrics in Prometheus's text format after the run, for node_exporter: it replaces the file,
whose name ends with .prom. The counters in it continue from one run to the next.

With --cron it prints nothing when nothing was done, one line when something was, and errors to standard error.

Ctrl-C finishes the current batch and prints what was done; the next run continues from there. A second Ctrl-C stops
immediately.`

func (a *app) cleanup() *cobra.Command {
	var f cleanupFlags
	cmd := &cobra.Command{
		Use:        "cleanup",
		SuggestFor: []string{"clean", "run", "session-cleanup", "session-cron"},
		Short:      "Delete and deactivate what is due",
		Long:       cleanupHelp,
		Example: `  sessioncleanup cleanup --dry-run --verbose
  sessioncleanup cleanup --inactive-hours 6 --delete-days 3
  sessioncleanup cleanup --cron >> /var/log/session-cleanup.log 2>&1`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, err := f.run(cmd, a.verbose)
			if err != nil {
				return err
			}
			a.archives = sessioncleanup.Default
			if cmd.Flags().Changed("archive") {
				a.archives = sessioncleanup.SwitchOf(f.archive)
			}
			if err := a.openBackups(); err != nil {
				return err
			}
			if err := f.metrics.check(cmd, f.dryRun); err != nil {
				return err
			}
			return a.withPatience(a.patience, func(ctx context.Context, db connection, _ []string) error {
				err := a.clean(ctx, db, run, f.cron)
				if f.metrics.path != "" {
					a.writeMetrics(ctx, db.system, f.metrics)
				}
				return err
			})(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, change nothing")
	flags.Var(&f.force, "force", "delete despite the deletion limit; --force=`N`: at most N sessions, or none")
	flags.Lookup("force").NoOptDefVal = permitAll
	a.addIgnoreClock(flags)
	flags.BoolVar(&f.quick, "quick", false, "deactivate after 12 hours, delete after 7 days")
	flags.BoolVar(&f.cron, "cron", false, "print nothing unless something was done")
	flags.BoolVar(&f.archive, "archive", false, "move what is deleted into the archive, see archive and restore; --archive=false deletes permanently")
	a.addBackup(flags)
	f.metrics.add(flags)
	flags.StringVar(&f.owner, "owner", "", "only the sessions of the owner with this ID")
	flags.StringVar(&f.tags, "tag", "", tagHelp)
	flags.Var(rulesFlag{&a.rules}, "rules", "`RULES` for sessions with certain tags, or none (default: the policy's)")
	flags.Var(&threshold{&f.inactiveAfter, "inactive-hours", time.Hour}, "inactive-hours",
		"deactivate after this many hours without activity, or never (default: the policy's, 24)")
	flags.Var(&threshold{&f.deleteAfter, "delete-days", 24 * time.Hour}, "delete-days",
		"delete after this many days without activity, or never (default: the policy's, 30)")
	flags.Var(newCount(&f.page, 0, 1, sessioncleanup.MaxPage), "page", "sessions that a dry run shows (default 10, with --verbose 1000)")
	return explained(cmd)
}

// run returns the Run that the flags ask for.
func (f *cleanupFlags) run(cmd *cobra.Command, verbose bool) (sessioncleanup.Run, error) {
	run := sessioncleanup.Run{
		DryRun: f.dryRun, Force: f.force.all, DeleteAtMost: f.force.atMost,
		PageSize: f.page, Filter: sessioncleanup.Filter{OwnerID: f.owner, Tags: f.tags},
		InactiveAfter: f.inactiveAfter, DeleteAfter: f.deleteAfter, Reason: "manual",
	}
	if f.cron {
		run.Reason = "cron"
	}
	if f.quick {
		if f.inactiveAfter != 0 || f.deleteAfter != 0 {
			return run, usagef("--quick means --inactive-hours 12 --delete-days 7: leave out these flags, or --quick")
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

// clean does a run, with a progress bar on a terminal, and reports it.
func (a *app) clean(ctx context.Context, db connection, run sessioncleanup.Run, cron bool) error {
	if !run.DryRun {
		out := &bestEffort{w: a.out}
		a.out = out
		defer func() {
			if out.err != nil {
				a.complain("warning: the result of the run could not be printed: " + out.err.Error() + "; see sessioncleanup events for it")
			}
		}()
	}
	talks := a.verbose && !a.json && !cron
	if talks {
		if err := a.print(thresholdsText(db.Policy(), run)); err != nil {
			return err
		}
	}
	talks = talks && !run.DryRun
	if talks {
		if err := a.sayFigures(ctx, "Before", db.Manager, run.Filter.OwnerID); err != nil {
			return err
		}
	}
	var bar *progress
	if !run.DryRun && !a.json && !a.verbose && !cron {
		bar = newProgress(a.err, a.errTTY)
		run.Progress = bar.show
	}
	m := db.Manager
	if cron {
		m = db.system
	}
	result, err := m.Cleanup(ctx, run)
	bar.finish()
	r := runReport{app: a, result: result, err: err}
	switch {
	case a.json:
		return r.json(cron)
	case cron:
		return r.line()
	}
	err = r.words()
	if talks && r.noRun() == "" {
		err = errors.Join(err, a.sayFigures(ctx, "After", db.Manager, run.Filter.OwnerID))
	}
	return err
}

// figuresTimeout is the time for the figures after a run, which are shown after an interrupted one, too.
const figuresTimeout = 10 * time.Second

// sayFigures prints the figures of all sessions, or of one owner's, in one line, unless they take too long.
func (a *app) sayFigures(ctx context.Context, when string, m *sessioncleanup.Manager, owner string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), figuresTimeout)
	defer cancel()
	s, err := m.Stats(ctx, owner)
	if ctx.Err() != nil { // many sessions: no reason to leave out the run
		return a.say("%s: not counted, that takes more than %v.\n", when, figuresTimeout)
	}
	if err != nil {
		return err
	}
	return a.say("%s: %s, %s active, %s inactive, %s protected; due: %s for deactivation, %s for deletion.\n", when, sessionCount(s.Total),
		number(s.Active), number(s.Inactive), number(s.Protected), number(s.DueForDeactivation), number(s.DueForDeletion))
}

// thresholdsText says what the thresholds of the run are.
func thresholdsText(p sessioncleanup.Policy, run sessioncleanup.Run) string {
	p = sessioncleanup.Policy{InactiveAfter: run.InactiveAfter, DeleteAfter: run.DeleteAfter}.Or(p)
	said := fmt.Sprintf("Deactivate after: %s without activity. Delete after: %s.\n", spanText(p.InactiveAfter), spanText(p.DeleteAfter))
	if len(p.RuleTags()) > 0 {
		said += fmt.Sprintf("By tag: %s.\n", p.Rules)
	}
	return said
}
