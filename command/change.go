package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// The verbs that change one session. Those with rules of their own, reactivate, delete and expire, are in
// files of their own.

// reasonFlag is that of the verbs that change something.
const reasonFlag = "reason"

// explained adds the flag to a verb.
func explained(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String(reasonFlag, "", "why: the audit log keeps the first 200 characters")
	return cmd
}

func (a *app) deactivate() *cobra.Command {
	return explained(&cobra.Command{
		Use:   "deactivate ID",
		Short: "Make a session inactive",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.Deactivate(ctx, id) })
			return a.changed(err, s, "is inactive")
		}),
	})
}

func (a *app) autoCleanup() *cobra.Command {
	return explained(&cobra.Command{
		Use:        "auto-cleanup ID on|off",
		SuggestFor: []string{"protect"},
		Short:      "Protect a session from everything automatic (off), or end the protection (on)",
		Args:       arguments("the ID of a session", "on or off"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			on, known := map[string]bool{"on": true, "off": false}[strings.ToLower(args[1])]
			if !known {
				return usagef("auto-cleanup is %q: want on or off", args[1])
			}
			return a.with(func(ctx context.Context, db connection, args []string) error {
				s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.SetAutoCleanup(ctx, id, on) })
				if on {
					return a.changed(err, s, "is cleaned up automatically")
				}
				return a.changed(err, s, "is protected: nothing automatic happens to it")
			})(cmd, args)
		},
	})
}

func (a *app) touch() *cobra.Command {
	return &cobra.Command{
		Use:   "touch ID",
		Short: "Record that a session was just used",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) {
				if err := db.Touch(ctx, id); err != nil {
					return sessioncleanup.Session{}, err
				}
				return db.Get(ctx, id)
			})
			return a.changed(err, s, "was last used "+moment(s.LastActivity))
		}),
	}
}

// changed says what a session is now, unless the change failed.
func (a *app) changed(err error, s sessioncleanup.Session, is string) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(s)
	default:
		return a.say("Session %s %s.\n", sessionName(s), is)
	}
}

// sessionName names a session in a sentence.
func sessionName(s sessioncleanup.Session) string { return refName(s.Ref()) }

// refName names a session that is there no more.
func refName(r sessioncleanup.SessionRef) string {
	if r.Name == "" {
		return printable(r.ID)
	}
	return fmt.Sprintf("%s (%s)", printable(r.ID), printable(r.Name))
}
