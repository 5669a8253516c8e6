package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) owners() *cobra.Command {
	var o sessioncleanup.OwnerOptions
	var sort string
	var reverse bool
	cmd := &cobra.Command{
		Use:        "owners",
		SuggestFor: []string{"users", "streamers"},
		Short:      "List the owners of sessions, with their figures",
		Long: `owners shows who has sessions, those with the most first; by owner, from A to Z. --reverse turns the order around. Of very many owners it knows
the ` + number(sessioncleanup.MaxOwners) + ` with the most sessions. In a large table the figures may be some minutes old.`,
		Example: `  sessioncleanup owners --sort due
  sessioncleanup list --owner 42`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			o.Sort = sessioncleanup.OwnerSort(sort)
			o.Descending = reverse == (o.Sort == sessioncleanup.OwnersByID)
			page, err := db.Owners(ctx, o)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(page)
			}
			return a.printOwners(page)
		}),
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.Text, "text", "q", "", "only owners whose ID or name contains this")
	flags.StringVar(&sort, "sort", string(sessioncleanup.OwnersByTotal), "order: "+joinWords(sessioncleanup.OwnerSorts()))
	flags.BoolVar(&reverse, "reverse", false, "the other way round: the fewest first, or from Z to A")
	flags.Var(newCount(&o.Limit, 50, 1, sessioncleanup.MaxPage), "limit", "owners on the page")
	flags.StringVar(&o.Cursor, "cursor", "", "continue where the page before ended")
	completeWith(cmd, "sort", sessioncleanup.OwnerSorts())
	return cmd
}

func (a *app) printOwners(page sessioncleanup.OwnerPage) error {
	if len(page.Owners) == 0 {
		return a.say("No owners.\n")
	}
	rows := [][]cell{header("ID", "NAME", "SESSIONS", "ACTIVE", "INACTIVE", "PROTECTED", "TO DEACTIVATE", "TO DELETE", "LAST ACTIVITY")}
	for i := 2; i < 8; i++ {
		rows[0][i].right = true
	}
	for _, o := range page.Owners {
		rows = append(rows, []cell{
			text(o.OwnerID), text(o.OwnerName), figure(o.Total), figure(o.Active), figure(o.Inactive), figure(o.Protected),
			figure(o.DueForDeactivation), figure(o.DueForDeletion), text(ago(o.LastActivity, page.At)),
		})
	}
	all := counted(page.Matching, "owner", "owners")
	if page.Count > sessioncleanup.MaxOwners {
		all += " of the " + number(sessioncleanup.MaxOwners) + " with the most sessions, " + number(page.Count) + " in all"
	}
	return a.print(a.table(rows) + pageText(len(page.Owners), all, page.Next))
}
