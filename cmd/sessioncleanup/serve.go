package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	_ "time/tzdata" // time zones, also in an image that has none

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// defaultEvery is the guide's: a run a day.
const defaultEvery = 24 * time.Hour

// serveFlags say when serve runs.
type serveFlags struct {
	every, jitter  span
	cronExpr, zone string
	http           httpFlags
}

func (a *app) serve() *cobra.Command {
	f := serveFlags{every: span(defaultEvery)}
	cmd := &cobra.Command{
		Use:        "serve",
		SuggestFor: []string{"schedule", "scheduler", "daemon", "start"},
		Short:      "Stay, and clean up on schedule",
		Long: `serve cleans up on schedule until it is told to stop, and logs to standard error what it does, as JSON with --json.

Any number of instances may serve one database: each due run happens once. The schedule counts from the last
successful run, so a run that was missed during a downtime is made up for at once, and only once. A run that fails
is tried again, sooner at first than later on.

With --addr it also serves HTTP there, to those who bear a token of --tokens: statistics, lists, runs, changes by hand,
the audit log and a live stream below /api/session-cleanup, and /healthz and /readyz for whoever watches over it.

SIGTERM and Ctrl-C finish the batch at hand; after SIGTERM the exit code is 0. A second one stops at once.`,
		Example: `  sessioncleanup serve --every 6h --jitter 10m
  sessioncleanup serve --cron-expr "0 3 * * *" --time-zone Europe/Paris
  sessioncleanup serve --addr localhost:8080 --tokens tokens.txt`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schedule, described, err := f.schedule(cmd)
			if err != nil {
				return err
			}
			known, err := f.http.read()
			if err != nil {
				return err
			}
			return a.withPolicy(cmd.Context(), sessioncleanup.Policy{}, func(ctx context.Context, db connection) error {
				return a.runSchedule(ctx, db, described, func(ctx context.Context, m *sessioncleanup.Manager, log *slog.Logger) error {
					if known == nil {
						return m.Run(ctx, schedule)
					}
					return serveHTTP(ctx, m, f.http.addr, known, log, func(ctx context.Context) error { return m.Run(ctx, schedule) })
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.every, "every", "run this long after the last successful run began")
	flags.Var(&f.jitter, "jitter", "delay each run by a random part of this")
	flags.StringVar(&f.cronExpr, "cron-expr", "", `run when this cron expression says, for example "0 3 * * *"`)
	flags.StringVar(&f.zone, "time-zone", "", "zone of --cron-expr, for example Europe/Paris (default: the local one)")
	f.http.add(flags)
	return cmd
}

// schedule makes a Schedule of the flags, and says in words what it is.
func (f *serveFlags) schedule(cmd *cobra.Command) (sessioncleanup.Schedule, string, error) {
	changed := cmd.Flags().Changed
	if f.cronExpr == "" {
		if changed("cron-expr") || changed("time-zone") {
			return nil, "", usagef("--time-zone and --cron-expr belong together: give both, or --every")
		}
		every, jitter := time.Duration(f.every), time.Duration(f.jitter)
		if every <= 0 || jitter > every {
			return nil, "", usagef("--every is %v with a --jitter of %v: want a positive duration, and a jitter up to it", every, jitter)
		}
		return sessioncleanup.Interval{Every: every, Jitter: jitter}, "every " + spanText(every), nil
	}
	if changed("every") || changed("jitter") {
		return nil, "", usagef("--cron-expr says when to run: give it without --every and --jitter")
	}
	zone := time.Local
	if f.zone != "" {
		var err error
		if zone, err = time.LoadLocation(f.zone); err != nil {
			return nil, "", usagef("--time-zone is %q: want a name such as Europe/Paris or UTC", f.zone)
		}
	}
	schedule, err := parseCron(f.cronExpr, zone)
	return schedule, fmt.Sprintf("%s (%s)", f.cronExpr, zone), err
}

// runSchedule checks the database and calls serve, which runs the schedule described until ctx ends.
func (a *app) runSchedule(ctx context.Context, db connection, described string, serve func(context.Context, *sessioncleanup.Manager, *slog.Logger) error) error {
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	log := a.logTo(level)
	if installer, ok := db.store.(sessioncleanup.Installer); ok {
		if err := installer.Validate(ctx); err != nil {
			return err
		}
	}
	// The service itself runs the schedule, whoever started it.
	m, err := sessioncleanup.New(db.store, sessioncleanup.Config{Policy: db.Policy(), Logger: log})
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "schedule", described)
	err = serve(ctx, m, log)
	switch {
	case errors.Is(err, sessioncleanup.ErrDisabled):
		log.WarnContext(ctx, "nothing to serve: cleanup is disabled", "by", sessioncleanup.EnvEnabled+" or the stored policy")
		return nil
	case ctx.Err() == nil:
		return err
	}
	log.InfoContext(context.WithoutCancel(ctx), "stopped", "by", context.Cause(ctx))
	if terminated(ctx) {
		return nil
	}
	return err
}

// terminated reports whether the context ended by SIGTERM, with which service managers ask for an orderly end.
func terminated(ctx context.Context) bool {
	by, ok := errors.AsType[stopped](context.Cause(ctx))
	return ok && by.Signal == syscall.SIGTERM
}
