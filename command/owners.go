package command

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// envNotifyOwners has the channel to owners.
const envNotifyOwners = "SESSION_NOTIFY_OWNERS"

// ownerFlags are the flags of verbs that warn owners.
type ownerFlags struct {
	channel, page, quiet, keepURL, keepKeys string
	perHour                                 int
}

func (f *ownerFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.channel, "notify-owners", "", "warn owners before sessions are deleted, over this `channel`: a URL, file:PATH of a file with one, or env for that in $"+envNotifyOwners+" (default: env, if it is set)")
	cmd.Flags().StringVar(&f.page, "owners-page", "", "`URL` of the page on which owners see and keep their sessions, for the message")
	cmd.Flags().StringVar(&f.quiet, "owners-quiet", "", "`hours` of the day without messages to owners, such as 22:00-08:00, in the owner's time zone where it is known, else in UTC")
	cmd.Flags().Var(newCount(&f.perHour, 1000, 1, 1_000_000), "owners-per-hour", "deliver at most this many messages to owners in any hour; the others wait, and so do the deletions")
	cmd.Flags().StringVar(&f.keepURL, "keep-link-url", "", "`URL` of the HTTP API as owners reach it, such as https://app.example.com"+httpapi.DefaultPrefix+", for a link in each message that keeps sessions without a login; needs --keep-link-keys")
	cmd.Flags().StringVar(&f.keepKeys, "keep-link-keys", "", "`file` of keys that sign these links, one a line of 32 characters or more: the first signs, all are accepted; not readable by others")
}

// links are the keep links of the flags for an installation, whose API is at a path below; nil without the flags.
func (f *ownerFlags) links(name, below string) (*keeplink.Links, error) {
	if f.keepURL == "" && f.keepKeys == "" {
		return nil, nil
	}
	if f.keepURL == "" || f.keepKeys == "" {
		return nil, usagef("--keep-link-url and --keep-link-keys belong together: set both, or neither")
	}
	links, err := keeplink.Open(f.keepURL, f.keepKeys)
	if err != nil {
		return nil, usageError{err}
	}
	return links.For(name, below), nil
}

// read returns what warns owners, still without a database; nil when neither a flag nor the environment names a channel.
func (f *ownerFlags) read(a *app, texts textFlags) (*notify.Owners, error) {
	source := f.channel
	if source == "" || source == "env" {
		address := strings.TrimSpace(a.getenv(envNotifyOwners))
		if address == "" && source == "env" {
			return nil, usagef("%s is empty: want the URL of a channel", envNotifyOwners)
		}
		source = address
	}
	if source == "" {
		return nil, nil
	}
	channels, err := openOwners(source)
	if err != nil {
		return nil, usageError{err}
	}
	if len(channels) != 1 {
		return nil, usagef("--notify-owners names %d channels: want one", len(channels))
	}
	all := map[string]*notify.Texts{}
	for _, language := range notify.Languages() {
		of := textFlags{language: language}
		if language == texts.language {
			of.templates = texts.templates
		}
		if all[language], err = of.read(); err != nil {
			return nil, err
		}
	}
	var reminders []time.Duration
	if days := a.getenv(sessioncleanup.EnvWarnDays); days != "" {
		if _, reminders, err = sessioncleanup.ParseWarnings(sessioncleanup.EnvWarnDays, days); err != nil {
			return nil, usageError{err}
		}
	}
	quiet, err := f.quietHours()
	return &notify.Owners{
		Channel: channels[0], Texts: all, Language: texts.language, Service: texts.service, Page: f.page, Quiet: quiet, PerHour: f.perHour, Reminders: reminders,
	}, err
}

// openOwners makes the channel of a URL, or those of file:PATH.
func openOwners(source string) ([]notify.Notifier, error) {
	if path, ok := strings.CutPrefix(source, "file:"); ok {
		return notify.OpenOwnersFile(path)
	}
	channel, err := notify.OpenOwners(source)
	return []notify.Notifier{channel}, err
}

// quietHours reads --owners-quiet.
func (f *ownerFlags) quietHours() (quiet notify.Quiet, err error) {
	if f.quiet == "" {
		return quiet, nil
	}
	from, until, ok := strings.Cut(f.quiet, "-")
	midnight, _ := time.Parse("15:04", "00:00")
	for text, to := range map[string]*time.Duration{from: &quiet.From, until: &quiet.Until} {
		at, err := time.Parse("15:04", text)
		if err != nil || !ok || from == until {
			return quiet, usagef("--owners-quiet is %q: want times such as 22:00-08:00", f.quiet)
		}
		*to = at.Sub(midnight)
	}
	return quiet, nil
}

// warnOwners warns owners in a goroutine of the group until ctx ends.
func warnOwners(ctx context.Context, group *sync.WaitGroup, o *notify.Owners, about served) {
	if o == nil {
		if about.m.Policy().WarnBefore > 0 {
			about.log.WarnContext(ctx, "the policy warns owners before sessions are deleted, and this process does not: it was started without --notify-owners")
		}
		return
	}
	o = about.owners(o)
	group.Go(func() {
		if err := o.Run(ctx); ctx.Err() == nil {
			about.log.ErrorContext(ctx, "warnings to owners have stopped", "error", err)
		}
	})
}

func (a *app) deliver() *cobra.Command {
	var owners ownerFlags
	var texts textFlags
	cmd := &cobra.Command{
		Use:   "deliver",
		Short: "Warn owners whose sessions will be deleted",
		Long: `deliver sends the warnings that runs put into the outbox. Use it with cron; serve sends them by itself. It waits for a run
that is in progress, so that each owner gets one message about the run. The next call tries a warning again that was not
delivered, for 3 days.

Owners are only warned when the policy says so: see ` + sessioncleanup.EnvWarnDays + `.`,
		Example: `  sessioncleanup cleanup --cron && sessioncleanup deliver --notify-owners file:/etc/sessioncleanup/owners
  sessioncleanup deliver --notify-owners slack://T0123/B0123/SECRET --owners-page https://app.example.com/sessions`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := owners.read(a, texts)
			if err != nil {
				return err
			}
			if o == nil {
				return usagef("deliver needs --notify-owners, or %s", envNotifyOwners)
			}
			if o.Links, err = owners.links(a.installation(), ""); err != nil {
				return err
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				o.Manager, o.Store = db.system, db.store
				if a.verbose {
					o.Logger = a.logTo(slog.LevelInfo)
				}
				done, err := o.Deliver(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(done)
				}
				rest := ""
				if done.Capped {
					rest = " The others wait: --owners-per-hour is reached."
				}
				return a.say("%s about %s delivered; %d will be tried again, %d given up.%s\n",
					counted(done.Messages, "message", "messages"), sessionCount(done.Sessions), done.Again, done.Undeliverable, rest)
			})(cmd, args)
		},
	}
	owners.add(cmd)
	texts.add(cmd, "notify-")
	return cmd
}

func (a *app) notices() *cobra.Command {
	var q sessioncleanup.NoticeQuery
	var resend bool
	cmd := &cobra.Command{
		Use:   "notices [SESSION...]",
		Short: "List warnings to owners, and resend those that were given up",
		Long: `notices lists the warnings in the outbox: to whom, about which session, and with what result. With --resend it makes
warnings that were given up due again, those of the named sessions or all. The next deliver, or serve, sends them.`,
		Example: `  sessioncleanup notices --failed
  sessioncleanup notices --pending --tag vip
  sessioncleanup notices --resend`,
		RunE: a.with(func(ctx context.Context, db connection, ids []string) error {
			if resend && (q.Failed || q.Pending || q.OwnerID != "" || q.Tags != "") {
				return usagef("--resend is for those that were given up, all or those of the sessions named: use it without --failed, --pending, --owner and --tag")
			}
			if resend {
				n, err := db.ResendNotices(ctx, ids)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]int{"resent": n})
				}
				return a.say("%s will be sent again.\n", counted(n, "warning", "warnings"))
			}
			return a.listNotices(ctx, db, q, ids)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&q.Failed, "failed", false, "only those that were given up")
	flags.BoolVar(&q.Pending, "pending", false, "only those that are not delivered yet")
	flags.StringVar(&q.OwnerID, "owner", "", "only this owner's")
	flags.StringVar(&q.Tags, "tag", "", tagHelp)
	flags.Var(newCount(&q.Limit, 100, 1, sessioncleanup.MaxPage), "limit", "at most this many")
	flags.BoolVar(&resend, "resend", false, "send those again that were given up")
	return cmd
}

func (a *app) listNotices(ctx context.Context, db connection, q sessioncleanup.NoticeQuery, ids []string) error {
	if len(ids) == 0 {
		ids = []string{""}
	}
	all := []sessioncleanup.Notice{}
	for _, id := range ids {
		q.SessionID = id
		found, err := db.Notices(ctx, q)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	if a.json {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		return a.say("No warnings.\n")
	}
	now, err := db.Now(ctx)
	if err != nil {
		return err
	}
	rows := [][]cell{}
	for _, n := range all {
		state := text("to be sent " + ago(n.NextAt, now))
		switch {
		case !n.NextAt.IsZero():
		case !n.DeliveredAt.IsZero():
			state = text("delivered " + ago(n.DeliveredAt, now)).in(green)
		case !n.UndeliverableAt.IsZero():
			state = text("given up " + ago(n.UndeliverableAt, now)).in(red)
		}
		rows = append(rows, []cell{text(n.SessionID), text(n.Name), text(n.OwnerID), state, text(n.Error)})
	}
	return a.print(a.table(rows))
}
