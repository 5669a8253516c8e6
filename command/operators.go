package command

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// envNotifyOperators has the channels to operators, separated by spaces.
const envNotifyOperators = "SESSION_NOTIFY_OPERATORS"

// channelHelp is what --notify-operators and notify test take.
const channelHelp = "URL of a channel, file:PATH of a file with such URLs, or env for those in $" + envNotifyOperators

// textFlags are the flags for the texts of messages.
type textFlags struct{ language, templates, service string }

// add adds the flags, with a prefix to their names.
func (f *textFlags) add(cmd *cobra.Command, prefix string) {
	flags := cmd.Flags()
	flags.StringVar(&f.language, prefix+"language", "en", "language of messages to operators: "+joinWords(notify.Languages()))
	flags.StringVar(&f.templates, prefix+"templates", "", "`file` of templates that replace those of the messages; see docs/notifications.md")
	flags.StringVar(&f.service, prefix+"name", "", "what messages call the application (default: the name of this machine)")
	completeWith(cmd, prefix+"language", notify.Languages())
}

func (f *textFlags) read() (*notify.Texts, error) {
	var own []string
	if f.templates != "" {
		content, err := os.ReadFile(f.templates)
		if err != nil {
			return nil, usagef("templates: %w", err)
		}
		own = append(own, string(content))
	}
	return notify.NewTexts(f.language, own...)
}

// channels makes the channels of what was given for --notify-operators or notify test.
func (a *app) channels(given []string) ([]notify.Notifier, error) {
	var channels []notify.Notifier
	for _, source := range given {
		sources := []string{source}
		if source == "env" {
			if sources = strings.Fields(a.getenv(envNotifyOperators)); len(sources) == 0 {
				return nil, usagef("%s is empty: want channels, separated by spaces", envNotifyOperators)
			}
		}
		for _, s := range sources {
			opened, err := openChannels(s)
			if err != nil {
				return nil, usageError{err}
			}
			channels = append(channels, opened...)
		}
	}
	return channels, nil
}

// openChannels makes the channel of a URL, or those of file:PATH.
func openChannels(source string) ([]notify.Notifier, error) {
	if path, ok := strings.CutPrefix(source, "file:"); ok {
		return notify.OpenFile(path)
	}
	channel, err := notify.Open(source)
	return []notify.Notifier{channel}, err
}

// operatorFlags are the flags of verbs that tell operators about alerts.
type operatorFlags struct {
	given []string
	texts textFlags
}

func (f *operatorFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.given, "notify-operators", nil, "tell operators when an alert begins and when it is over, over this `channel`: "+channelHelp+"; repeatable")
	f.texts.add(cmd, "notify-")
}

// names are those of the flags.
func (*operatorFlags) names() []string {
	return []string{"notify-operators", "notify-language", "notify-templates", "notify-name"}
}

// read returns what tells operators, still without a database; nil when no flag names a channel.
func (f *operatorFlags) read(a *app) (*notify.Operators, error) {
	if len(f.given) == 0 {
		return nil, nil
	}
	channels, err := a.channels(f.given)
	if err != nil {
		return nil, err
	}
	texts, err := f.texts.read()
	return &notify.Operators{Channels: channels, Texts: texts, Service: f.texts.service}, err
}

// readOrEnv is read, with the channels of the environment where no flag names any.
func (f *operatorFlags) readOrEnv(a *app) (*notify.Operators, error) {
	if len(f.given) == 0 && a.getenv(envNotifyOperators) != "" {
		f.given = []string{"env"}
	}
	return f.read(a)
}

// tellOperators tells operators in a goroutine of the group until ctx ends. Without a schedule of its own, the log shows
// whether runs are overdue.
func tellOperators(ctx context.Context, group *sync.WaitGroup, o *notify.Operators, about served, scheduled bool) {
	if o == nil {
		return
	}
	o = about.operators(o)
	if !scheduled {
		o.Figures = func(ctx context.Context) (sessioncleanup.Stats, error) {
			s, err := about.m.Stats(ctx, "")
			if err == nil && about.m.Policy().Enabled.Or(true) {
				s.Alerts = append(s.Alerts, scheduleAlerts(s, defaultMaxAge)...)
			}
			return s, err
		}
	}
	group.Go(func() {
		if err := o.Run(ctx); ctx.Err() == nil {
			about.log.ErrorContext(ctx, "messages to operators have stopped", "error", err)
		}
	})
}

// tellTimeout bounds what stats --check spends on telling operators.
const tellTimeout = time.Minute

// tellOnce tells operators about the alerts of figures, for stats --check.
func tellOnce(ctx context.Context, o *notify.Operators, db connection, log *slog.Logger, s sessioncleanup.Stats) error {
	if o == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	o = served{name: db.name, m: db.system, store: db.store, log: log}.operators(o)
	if err := o.Tell(ctx, s); err != nil {
		return errors.Join(errors.New("the alert was not sent over every channel"), err)
	}
	return nil
}
