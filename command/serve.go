package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	_ "time/tzdata" // time zones, also in an image that has none

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// defaultEvery is the guide's: a run a day.
const defaultEvery = 24 * time.Hour

// serveFlags are the flags of the serve verb.
type serveFlags struct {
	every          interval
	jitter         span
	cronExpr, zone string
	now            bool
	http           httpFlags
	metrics        metricsFlags
	operators      operatorFlags
	owners         ownerFlags
}

const serveHelp = `serve cleans up on schedule until it is stopped, and logs what it does to standard error, as JSON with --json.

The first start cleans up nothing: the first run is at the first scheduled time, or immediately with --now. An interval
counts from the last successful run and, without any, from the first start, which the database remembers. So a run that
was missed during a downtime is due immediately, and only once. Any number of instances may serve one database: each due
run happens once. A run that fails is retried with growing pauses; one that met the deletion limit is not, until its next
time.

With --addr it also serves HTTP: the page on which admins and owners manage sessions, who log in with a token of --tokens; for
programs with a token statistics, lists, runs, changes of sessions, the audit log and a live stream below
/api/session-cleanup; /healthz and /readyz for monitoring. With --tls-cert and --tls-key it serves HTTPS. With --every never
it only serves. /metrics is for Prometheus: with --addr to clients with a token of an admin or of "metrics", with
--metrics-addr on an address of its own and without a token.

A run changes nothing while the clocks of the database and of this machine differ by more than 10 minutes; --ignore-clock
trusts the database's. /readyz fails when a scheduled run is overdue by 5 minutes.

With --notify-operators it tells operators by mail, Slack, Discord or a webhook when an alert begins and when it is over, once
each, however many instances serve the database; "notify test" tries a channel.

Without --name it serves every installation that is in the database when it starts: each has its own runs, policy and metrics, which have a
label "name" then. Those with a name are below /api/session-cleanup/tables/NAME, and the page has a list of all.

SIGTERM and Ctrl-C finish the current batch, within 5 seconds; after SIGTERM the exit code is 0. A second signal stops
immediately.`

func (a *app) serve() *cobra.Command {
	f := serveFlags{every: interval{span(defaultEvery)}}
	cmd := &cobra.Command{
		Use:        "serve",
		SuggestFor: []string{"schedule", "scheduler", "daemon", "start"},
		Short:      "Keep running, and clean up on schedule",
		Long:       serveHelp,
		Example: `  sessioncleanup serve --every 6h --jitter 10m
  sessioncleanup serve --cron-expr "0 3 * * *" --time-zone Europe/Paris
  sessioncleanup serve --addr localhost:8080 --tokens tokens.txt`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.read(cmd, a)
			if err == nil {
				err = a.openBackups()
			}
			if err != nil {
				return err
			}
			return endsAt(cmd.Context(), a.withPatience(a.patience, func(ctx context.Context, db connection, _ []string) error {
				return a.runSchedule(ctx, db, p)
			})(cmd, args))
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.every, "every", "run this long after the last successful run began, or never")
	flags.Var(&f.jitter, "jitter", "delay each run by a random part of this")
	flags.StringVar(&f.cronExpr, "cron-expr", "", `run when this cron expression matches, for example "0 3 * * *"`)
	flags.StringVar(&f.zone, "time-zone", "", "zone of --cron-expr, for example Europe/Paris (default: the local one)")
	flags.BoolVar(&f.now, "now", false, "run immediately, too")
	a.addIgnoreClock(flags)
	a.addBackup(flags)
	f.http.add(flags)
	f.metrics.add(flags)
	f.operators.add(cmd)
	f.owners.add(cmd)
	return cmd
}

// servePlan is what the flags of serve ask for.
type servePlan struct {
	*serveFlags
	schedule  sessioncleanup.Schedule // nil: never
	described string                  // the schedule, for the log
	at        *endpoint               // nil: no HTTP
	tells     *notify.Operators       // nil: nobody
	warns     *notify.Owners          // nil: nobody
}

// read reads the files that the flags name, and finds what is wrong with the flags before a database is opened.
func (f *serveFlags) read(cmd *cobra.Command, a *app) (*servePlan, error) {
	p := &servePlan{serveFlags: f}
	var err error
	if p.schedule, p.described, err = f.scheduled(cmd); err != nil {
		return nil, err
	}
	if p.at, err = f.http.read(); err != nil {
		return nil, err
	}
	if p.tells, err = f.operators.readOrEnv(a); err != nil {
		return nil, err
	}
	if p.warns, err = f.owners.read(a, f.operators.texts); err != nil {
		return nil, err
	}
	if _, err := f.owners.links("", ""); err != nil {
		return nil, err
	}
	if p.schedule == nil && p.at == nil && f.metrics.addr == "" {
		return nil, usagef("--every never only serves HTTP: it needs --addr and --tokens, or --metrics-addr")
	}
	return p, nil
}

// serve works on installations until ctx ends.
func (p *servePlan) serve(ctx context.Context, all []served, log *slog.Logger) error {
	for i := range all {
		var err error
		if all[i].links, err = p.owners.links(all[i].name, all[i].below(i)); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	var messages sync.WaitGroup
	defer messages.Wait()
	defer stop()
	for _, s := range all {
		tellOperators(ctx, &messages, p.tells, s, p.schedule != nil)
		warnOwners(ctx, &messages, p.warns, s)
	}
	measured, err := p.metrics.handler(ctx, all, p.schedule, log)
	if err != nil {
		return err
	}
	work := func(ctx context.Context) error {
		return forEach(ctx, all, func(ctx context.Context, s served) error { return cleanOnSchedule(ctx, s.m, p.schedule, p.now, s.log) })
	}
	if clean := work; p.at != nil {
		work = func(ctx context.Context) error { return serveHTTP(ctx, all, p.at, measured, log, clean) }
	}
	return p.metrics.serve(ctx, measured, log, work)
}

// cleanOnSchedule cleans up at once, if asked to, and then on schedule; without a schedule it only waits for ctx to end.
func cleanOnSchedule(ctx context.Context, m *sessioncleanup.Manager, schedule sessioncleanup.Schedule, now bool, log *slog.Logger) error {
	for now {
		_, err := m.Cleanup(ctx, sessioncleanup.Run{Reason: "serve --now"})
		if held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err); ok {
			log.InfoContext(ctx, "another run is in progress; the immediate cleanup waits for it", "run_id", held.Holder, "until", held.Until)
			if err := wait.For(ctx, min(held.Remaining, time.Minute)+100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		now = false
		if err != nil && ctx.Err() == nil && !errors.Is(err, sessioncleanup.ErrDisabled) { // Run reports that
			log.ErrorContext(ctx, "the cleanup at the start (--now) failed", "error", err)
		}
	}
	if schedule == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Run(ctx, schedule)
}

// scheduled returns the Schedule of the flags, nil for never, and its description.
func (f *serveFlags) scheduled(cmd *cobra.Command) (sessioncleanup.Schedule, string, error) {
	changed := cmd.Flags().Changed
	if f.cronExpr == "" {
		if changed("cron-expr") || changed("time-zone") {
			return nil, "", usagef("--time-zone and --cron-expr belong together: set both, or --every")
		}
		every, jitter := time.Duration(f.every.span), time.Duration(f.jitter)
		if every == sessioncleanup.Never && jitter == 0 {
			return nil, "never", nil
		}
		if every <= 0 || jitter > every {
			return nil, "", usagef("--every is %v with a --jitter of %v: want a positive duration, and a jitter up to it", every, jitter)
		}
		return sessioncleanup.Interval{Every: every, Jitter: jitter}, "every " + spanText(every), nil
	}
	if changed("every") || changed("jitter") {
		return nil, "", usagef("--cron-expr says when to run: use it without --every and --jitter")
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

// runSchedule validates the installations and serves them until ctx ends.
func (a *app) runSchedule(ctx context.Context, db connection, p *servePlan) error {
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	log := a.logTo(level)
	all, err := a.allServed(ctx, db, log)
	defer func() {
		for _, s := range all {
			s.close()
		}
	}()
	if err != nil {
		return err
	}
	for _, s := range all {
		s.log.InfoContext(ctx, "serving", "schedule", p.described)
	}
	err = p.serve(ctx, all, log)
	switch {
	case errors.Is(err, sessioncleanup.ErrDisabled):
		log.WarnContext(ctx, "nothing to serve: cleanup is disabled", "by", sessioncleanup.EnvEnabled+" or the stored policy")
		return nil
	case ctx.Err() == nil:
		return err
	}
	log.InfoContext(context.WithoutCancel(ctx), "stopped", "by", context.Cause(ctx))
	return endsAt(ctx, err)
}

// endsAt is the error of what served until ctx ended: none after SIGTERM, also when it had not begun.
func endsAt(ctx context.Context, err error) error {
	if terminated(ctx) {
		return nil
	}
	return err
}

// terminated reports whether SIGTERM ended the context: service managers use it to request an orderly end.
func terminated(ctx context.Context) bool {
	by, ok := errors.AsType[stopped](context.Cause(ctx))
	return ok && by.Signal == syscall.SIGTERM
}
