package command

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) list() *cobra.Command {
	var o sessioncleanup.ListOptions
	var status, sort string
	var reverse bool
	cmd := &cobra.Command{
		Use:        "list",
		SuggestFor: []string{"ls", "view", "sessions"},
		Short:      "List sessions, page by page",
		Long:       `list shows the sessions, those with the newest activity first; by name, from A to Z. --reverse turns the order around.`,
		Example: `  sessioncleanup list --status to_delete
  sessioncleanup list --reverse
  sessioncleanup list --owner 42 --sort name --limit 20`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			o.Status, o.Sort, o.Count = sessioncleanup.Status(status), sessioncleanup.Sort(sort), true
			o.Descending = reverse == (o.Sort == sessioncleanup.SortName)
			page, err := db.List(ctx, o)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(page)
			}
			return a.printPage(page)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&status, "status", "", "only sessions with this status: "+joinWords(sessioncleanup.Selections()))
	flags.StringVar(&o.OwnerID, "owner", "", "only the sessions of the owner with this ID")
	flags.StringVarP(&o.Text, "text", "q", "", "only sessions whose name, code or ID contains this")
	flags.StringVar(&o.Tags, "tag", "", tagHelp)
	flags.StringVar(&sort, "sort", string(sessioncleanup.SortLastActivity), "order: "+joinWords(sessioncleanup.Sorts()))
	flags.BoolVar(&reverse, "reverse", false, "the other way round: the oldest first, or from Z to A")
	flags.Var(newCount(&o.Limit, 50, 1, sessioncleanup.MaxPage), "limit", "sessions on the page")
	flags.StringVar(&o.Cursor, "cursor", "", "continue where the page before ended")
	completeWith(cmd, "status", sessioncleanup.Selections())
	completeWith(cmd, "sort", sessioncleanup.Sorts())
	return cmd
}

func (a *app) printPage(page sessioncleanup.SessionPage) error {
	if len(page.Sessions) == 0 {
		return a.say("No sessions.\n")
	}
	return a.print(a.sessionTable(page.Sessions) + pageText(len(page.Sessions), sessionCount(page.Total), page.Next))
}

// pageText says how many elements a list has and, unless its page is the last, how to get the next one.
func pageText(here int, all, next string) string {
	if next == "" {
		return all + "\n"
	}
	return fmt.Sprintf("%d of %s. The next page: --cursor %s\n", here, all, next)
}

func (a *app) sessionTable(sessions []sessioncleanup.Session) string {
	rows := [][]cell{header("ID", "NAME", "OWNER", "STATUS", "LAST ACTIVITY", "EXPIRES", "ACTIVITY")}
	rows[0][6].right = true
	for _, s := range sessions {
		rows = append(rows, []cell{
			text(s.ID), text(s.Name), text(cmp.Or(s.OwnerName, s.OwnerID)), statusOf(s), text(ago(s.LastActivity, s.AsOf)), text(ago(s.ExpiresAt, s.AsOf)),
			{text: humanize.Comma(s.ActivityCount), right: true},
		})
	}
	return a.table(rows)
}
