package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) events() *cobra.Command {
	var q sessioncleanup.EventQuery
	var actions []string
	var before int
	cmd := &cobra.Command{
		Use:        "events",
		SuggestFor: []string{"log", "logs", "history"},
		Short:      "Show the audit log, newest first",
		Example: `  sessioncleanup events --action run
  sessioncleanup events --session 42`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			for _, action := range actions {
				if !slices.Contains(sessioncleanup.Actions(), sessioncleanup.Action(action)) {
					return usagef("--action is %q: want one of %s", action, joinWords(sessioncleanup.Actions()))
				}
				q.Actions = append(q.Actions, sessioncleanup.Action(action))
			}
			q.Before = int64(before)
			if q.SessionID != "" {
				// A session that is not found may have been deleted: its events are known by its ID.
				s, err := byIDOrCode(ctx, db, q.SessionID, func(id string) (sessioncleanup.Session, error) { return db.Get(ctx, id) })
				switch {
				case err == nil:
					q.SessionID = s.ID
				case !errors.Is(err, sessioncleanup.ErrNotFound):
					return err
				}
			}
			events, err := db.Events(ctx, q)
			if err != nil {
				return err
			}
			return a.reportEvents(events, q.Limit)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&q.SessionID, "session", "", "only events of the session with this ID")
	flags.StringVar(&q.OwnerID, "owner", "", "only events of the sessions of the owner with this ID")
	flags.StringVar(&q.RunID, "run", "", "only events of the run with this ID")
	flags.StringSliceVar(&actions, "action", nil, "only these actions: "+joinWords(sessioncleanup.Actions()))
	flags.Var(newCount(&q.Limit, 50, 1, sessioncleanup.MaxPage), "limit", "events on the page")
	flags.Var(newCount(&before, 0, 1, math.MaxInt), "before", "continue after the event with this ID")
	completeWith(cmd, "action", sessioncleanup.Actions())
	cmd.AddCommand(a.verifyEvents(), a.sealEvents())
	return cmd
}

// reportEvents prints a page of the log, and the flag for the next page when this one is full.
func (a *app) reportEvents(events []sessioncleanup.Event, limit int) error {
	var next int64
	if len(events) == limit {
		next = events[limit-1].ID
	}
	if a.json {
		return a.printJSON(struct {
			Events []sessioncleanup.Event `json:"events"`
			Next   int64                  `json:"next_before,omitempty"`
		}{append([]sessioncleanup.Event{}, events...), next})
	}
	if len(events) == 0 {
		return a.say("No events.\n")
	}
	return a.print(a.eventTable(events) + nextPage(next))
}

// eventTable has a row for each event; empty without any.
func (a *app) eventTable(events []sessioncleanup.Event) string {
	if len(events) == 0 {
		return ""
	}
	rows := [][]cell{header("EVENT", "WHEN", "ACTION", "WHAT", "BY", "WHY", "RUN")}
	for _, e := range events {
		rows = append(rows, texts(fmt.Sprint(e.ID), moment(e.At), string(e.Action), eventText(e), e.Actor, e.Reason, e.RunID))
	}
	return a.table(rows)
}

// eventText names the subject of an event.
func eventText(e sessioncleanup.Event) string {
	switch {
	case e.Run != nil:
		return runText(e.Run)
	case len(e.Sessions) == 0: // what happened is in the reason
		return ""
	case len(e.Sessions) == 1:
		return strings.TrimSpace(e.Sessions[0].ID + " " + e.Sessions[0].Name)
	default:
		return sessionCount(len(e.Sessions))
	}
}
