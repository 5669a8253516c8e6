package command

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup/notify"
)

func (a *app) notify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Test the channels to operators, and show what they are told",
		Long: `notify is about the messages that serve and stats --check send with --notify-operators. test sends a message to try out a
channel, preview prints all messages. Neither needs a database.`,
		Args: knownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.testNotify(), a.previewNotify())
	return cmd
}

// tested is how the test of a channel ended.
type tested struct {
	Channel   string `json:"channel"`
	Delivered bool   `json:"delivered"`
	Error     string `json:"error,omitempty"`
	Permanent bool   `json:"permanent,omitempty"` // trying again is of no use
}

func (a *app) testNotify() *cobra.Command {
	var texts textFlags
	cmd := &cobra.Command{
		Use:   "test [CHANNEL...]",
		Short: "Send a test message over channels",
		Long: `test sends one message over each channel and says whether it was delivered. A channel is a URL, or file:PATH for those in a
file, one a line. Without any it takes those in ` + envNotifyOperators + `. Other users of the machine can see the arguments of a
process: the environment and a file keep a secret.`,
		Example: `  sessioncleanup notify test slack://T0123/B0123/SECRET
  sessioncleanup notify test "smtp://bot:PASSWORD@mail.example.com?from=bot@example.com&to=ops@example.com"
  sessioncleanup notify test file:/etc/sessioncleanup/channels`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"env"}
			}
			channels, err := a.channels(args)
			if err != nil {
				return err
			}
			t, err := texts.read()
			if err != nil {
				return err
			}
			message, err := t.Test(texts.service)
			if err != nil {
				return err
			}
			message.ID = "test-" + rand.Text()
			return a.sendTest(cmd.Context(), channels, message)
		},
	}
	texts.add(cmd, "")
	return cmd
}

func (a *app) sendTest(ctx context.Context, channels []notify.Notifier, message notify.Message) error {
	results := make([]tested, len(channels))
	var failures []error
	for i, channel := range channels {
		err := channel.Notify(ctx, message)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		results[i] = tested{Channel: channel.Name(), Delivered: err == nil, Permanent: notify.Permanent(err)}
		if err != nil {
			results[i].Error = err.Error()
			failures = append(failures, err)
		} else if !a.json {
			if err := a.say("%s: delivered\n", printable(channel.Name())); err != nil {
				return err
			}
		}
	}
	if a.json {
		failures = append(failures, a.printJSON(results))
	}
	return errors.Join(failures...)
}

// previewed is a message as it would be sent.
type previewed struct {
	Alert   string `json:"alert,omitempty"`   // to operators
	State   string `json:"state,omitempty"`   // of the alert: "began", "ended"
	Message string `json:"message,omitempty"` // to owners, one of toOwners
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// toOwners are the messages that owners get.
var toOwners = []string{"warning", "deletion"}

func (a *app) previewNotify() *cobra.Command {
	var texts textFlags
	var html bool
	var names []string
	for _, n := range notify.Samples() {
		if !n.Ended {
			names = append(names, string(n.Code))
		}
	}
	cmd := &cobra.Command{
		Use:   "preview [ALERT...]",
		Short: "Print the messages that operators and owners get",
		Long: `preview prints the message that begins an alert and the one that ends it, with sample figures. The alerts are
` + strings.Join(names, ", ") + `. "warning" and "deletion" are the messages that owners get
before and after a deletion.`,
		Example: `  sessioncleanup notify preview
  sessioncleanup notify preview warning deletion --language fr
  sessioncleanup notify preview deletion_limit --language fr
  sessioncleanup notify preview cleanup_failed --templates my.tmpl --html > preview.html`,
		ValidArgs: append(slices.Clone(names), toOwners...),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(names, name) && !slices.Contains(toOwners, name) {
					return usagef("unknown message %q: want %s", name, strings.Join(append(slices.Clone(names), toOwners...), ", "))
				}
			}
			t, err := texts.read()
			if err != nil {
				return err
			}
			messages, err := previews(t, texts.service)
			if err != nil {
				return err
			}
			return a.preview(slices.DeleteFunc(messages, func(m previewed) bool {
				return len(args) > 0 && !slices.Contains(args, m.Alert+m.Message)
			}), html)
		},
	}
	cmd.Flags().BoolVar(&html, "html", false, "print the HTML of mails")
	texts.add(cmd, "")
	return cmd
}

// previews are all messages, with sample figures.
func previews(t *notify.Texts, service string) ([]previewed, error) {
	var all []previewed
	for _, n := range notify.Samples() {
		n.Service = service
		m, err := t.Message(n)
		if err != nil {
			return nil, err
		}
		all = append(all, previewed{
			Alert: string(n.Code), State: strings.TrimPrefix(m.Type, "alert."), Subject: m.Subject, Text: m.Text, HTML: m.HTML,
		})
	}
	warning, deletion := notify.OwnerSample(), notify.DeletionSample()
	warning.Service, deletion.Service = service, service
	warn, warnErr := t.OwnerMessage(warning)
	deleted, deletedErr := t.DeletionMessage(deletion)
	for i, m := range []notify.Message{warn, deleted} {
		all = append(all, previewed{Message: toOwners[i], Subject: m.Subject, Text: m.Text, HTML: m.HTML})
	}
	return all, errors.Join(warnErr, deletedErr)
}

func (a *app) preview(messages []previewed, html bool) error {
	if a.json {
		return a.printJSON(messages)
	}
	for i, m := range messages {
		text := m.HTML
		if !html {
			text = a.paint(bold, m.Subject) + "\n\n" + m.Text
		}
		if i > 0 {
			text = "\n" + text
		}
		if err := a.print(text); err != nil {
			return err
		}
	}
	return nil
}
