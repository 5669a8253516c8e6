package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
			s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.Get(ctx, id) })
			if errors.Is(err, sessioncleanup.ErrNotFound) {
				return errors.Join(err, a.showDeleted(ctx, db, args[0]))
			}
			if err != nil {
				return err
			}
			dependents, err := db.Dependents(ctx, s.ID)
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
					Dependents []sessioncleanup.Dependent `json:"dependents,omitempty"`
					Events     []sessioncleanup.Event     `json:"events"`
				}{s, dependents, append([]sessioncleanup.Event{}, events...)})
			}
			return a.print(a.sessionText(s) + a.dependentsText("A deletion reaches", dependents) + a.eventTable(events))
		}),
	}
}

// showDeleted prints when, by whom and why a session was deleted, if the log has it. The verb still fails: there is no
// such session.
func (a *app) showDeleted(ctx context.Context, db connection, id string) error {
	events, err := db.Events(ctx, sessioncleanup.EventQuery{SessionID: id, Limit: shownEvents})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(events, func(e sessioncleanup.Event) bool { return e.Action == sessioncleanup.ActionDeleted })
	if at < 0 {
		return nil
	}
	if a.json {
		return a.printJSON(struct {
			Deleted sessioncleanup.Event   `json:"deleted"`
			Events  []sessioncleanup.Event `json:"events"`
		}{events[at], events})
	}
	return a.print(deletedText(events[at]) + "\n" + a.eventTable(events))
}

// deletedText says when, by whom and why the one session of an event was deleted.
func deletedText(e sessioncleanup.Event) string {
	said := fmt.Sprintf("Session %s was deleted %s by %s", refName(e.Sessions[0]), moment(e.At), printable(e.Actor))
	if e.RunID != "" {
		said += ", in run " + e.RunID
	}
	if e.Reason != "" {
		said += " (" + printable(e.Reason) + ")"
	}
	return said + "."
}

// sessionText lists everything that is known of a session.
func (a *app) sessionText(s sessioncleanup.Session) string {
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
	add("Tags", strings.Join(s.Tags, ", "))
	add("Activity", humanize.Comma(s.ActivityCount))
	addTime := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, moment(t)+"  "+ago(t, s.AsOf))
		}
	}
	addTime("Last activity", s.LastActivity)
	addTime("Expires", s.ExpiresAt)
	addDue := func(name string, t time.Time, tag string) {
		when := "never"
		switch {
		case t.IsZero() && tag == "":
			return
		case t.IsZero():
		case !t.After(s.AsOf):
			when = "now"
		default:
			when = moment(t) + "  " + ago(t, s.AsOf)
		}
		if tag != "" {
			when += "  by the rule of the tag " + tag
		}
		add(name, when)
	}
	if s.Active {
		addDue("Due for deactivation", s.DeactivateAt, s.DeactivateRule)
	}
	addDue("Due for deletion", s.DeleteAt, s.DeleteRule)
	if s.DeactivatedAt.Unix() == 0 {
		add("Deactivated", "before the table was adopted")
	} else {
		addTime("Deactivated", s.DeactivatedAt)
	}
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
