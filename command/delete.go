package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) delete() *cobra.Command {
	var yes, cascade bool
	cmd := &cobra.Command{
		Use:        "delete ID",
		SuggestFor: []string{"remove", "rm"},
		Short:      "Delete a session: into the archive while that is on, permanently otherwise",
		Long: `delete shows the session, and the rows of other tables that go with it, and asks before it deletes it. Without a
terminal it needs --yes. When foreign keys would delete other sessions along with it, it names them and does nothing,
unless --cascade allows it; then each of them has its event.`,
		Args: arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.Get(ctx, id) })
			if err != nil {
				return err
			}
			dependents, err := db.Dependents(ctx, s.ID)
			if err != nil {
				return err
			}
			if !a.json {
				if err := a.print(a.dependentsText("The deletion of session "+sessionName(s)+" reaches", dependents)); err != nil {
					return err
				}
			}
			how := ", permanently?"
			if db.Policy().Archive.Or(false) {
				how = "? It stays in the archive for a while."
			}
			question := fmt.Sprintf("Delete session %s, last used %s%s", sessionName(s), moment(s.LastActivity), how)
			if err := a.confirm(ctx, yes, "delete", question); err != nil {
				return err
			}
			remove := db.Delete
			if cascade {
				remove = db.DeleteCascade
			}
			s, err = remove(ctx, s.ID)
			return a.changed(err, s, "is deleted")
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&cascade, "cascade", false, "also delete the sessions that foreign keys delete along with it")
	return explained(cmd)
}
