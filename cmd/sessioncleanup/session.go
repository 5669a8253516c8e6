package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// The verbs that work on one session.

// shownEvents is how much of a session's history show prints.
const shownEvents = 10

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a session and what happened to it",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := db.Get(ctx, args[0])
			if err != nil {
				return err
			}
			events, err := db.Events(ctx, sessioncleanup.EventQuery{SessionID: s.ID, Limit: shownEvents})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(struct {
					sessioncleanup.Session
					Events []sessioncleanup.Event `json:"events"`
				}{s, append([]sessioncleanup.Event{}, events...)})
			}
			if err := a.printSession(ctx, db, s); err != nil || len(events) == 0 {
				return err
			}
			return a.printEvents(events)
		}),
	}
}

func (a *app) deactivate() *cobra.Command {
	return &cobra.Command{
		Use:   "deactivate ID",
		Short: "Make a session inactive",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := db.Deactivate(ctx, args[0])
			return a.changed(err, s, "is inactive")
		}),
	}
}

func (a *app) reactivate() *cobra.Command {
	return &cobra.Command{
		Use:   "reactivate ID",
		Short: "Make a session active again, as if it had just been used",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := db.Reactivate(ctx, args[0])
			return a.changed(err, s, "is active")
		}),
	}
}

func (a *app) autoCleanup() *cobra.Command {
	return &cobra.Command{
		Use:        "auto-cleanup ID on|off",
		SuggestFor: []string{"protect"},
		Short:      "Protect a session from everything automatic (off), or lift that (on)",
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
				s, err := db.SetAutoCleanup(ctx, args[0], on)
				if on {
					return a.changed(err, s, "is cleaned up automatically")
				}
				return a.changed(err, s, "is protected: nothing automatic happens to it")
			})(cmd, args)
		},
	}
}

func (a *app) touch() *cobra.Command {
	return &cobra.Command{
		Use:   "touch ID",
		Short: "Note that a session was just used",
		Args:  arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			if err := db.Touch(ctx, args[0]); err != nil {
				return err
			}
			s, err := db.Get(ctx, args[0])
			return a.changed(err, s, "was last used "+moment(s.LastActivity))
		}),
	}
}

// changed says what a session is now, unless that failed.
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

// sessionName is how a session is called in a sentence.
func sessionName(s sessioncleanup.Session) string {
	if s.Name == "" {
		return printable(s.ID)
	}
	return fmt.Sprintf("%s (%s)", printable(s.ID), printable(s.Name))
}

// printSession prints all that is known of a session.
func (a *app) printSession(ctx context.Context, db connection, s sessioncleanup.Session) error {
	cutoffs, err := db.Cutoffs(ctx)
	if err != nil {
		return err
	}
	now := cutoffs.Now
	rows := [][]cell{texts("ID", s.ID), {text("Status"), statusCell(s.Status)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, texts(name, value))
		}
	}
	add("Name", s.Name)
	add("Code", s.Code)
	add("Owner", strings.TrimSpace(s.OwnerID+"  "+s.OwnerName))
	add("Active", yesNo(s.Active))
	add("Auto-cleanup", yesNo(s.AutoCleanup))
	add("Activity", humanize.Comma(s.ActivityCount))
	times := []struct {
		name string
		text string
		ago  string
	}{
		{"Last activity", moment(s.LastActivity), ago(s.LastActivity, now)},
		{"Expires", moment(s.ExpiresAt), ago(s.ExpiresAt, now)},
		{"Will be deleted", moment(cutoffs.DeleteAt(s)), ago(cutoffs.DeleteAt(s), now)},
		{"Created", moment(s.CreatedAt), ago(s.CreatedAt, now)},
		{"Updated", moment(s.UpdatedAt), ago(s.UpdatedAt, now)},
	}
	for _, t := range times {
		if t.text != "" {
			add(t.name, t.text+"  "+t.ago)
		}
	}
	return a.table(rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
