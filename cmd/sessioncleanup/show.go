package main

import (
	"context"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// shownEvents is how many events of a session show prints.
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
			if err := a.printSession(s); err != nil || len(events) == 0 {
				return err
			}
			return a.printEvents(events)
		}),
	}
}

// printSession prints everything that is known of a session.
func (a *app) printSession(s sessioncleanup.Session) error {
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
	addTime := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, moment(t)+"  "+ago(t, s.AsOf))
		}
	}
	addTime("Last activity", s.LastActivity)
	addTime("Expires", s.ExpiresAt)
	addTime("Due for deactivation", s.DeactivateAt)
	addTime("Due for deletion", s.DeleteAt)
	addTime("Created", s.CreatedAt)
	addTime("Updated", s.UpdatedAt)
	return a.table(rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
