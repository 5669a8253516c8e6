package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) delete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:        "delete ID",
		SuggestFor: []string{"remove", "rm"},
		Short:      "Delete a session permanently",
		Long:       "delete shows the session and asks before it deletes it. Without a terminal it needs --yes.",
		Args:       arguments("the ID of a session"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			s, err := db.Get(ctx, args[0])
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Delete session %s, last used %s, permanently?", sessionName(s), moment(s.LastActivity))
			if err := a.confirm(ctx, yes, "delete", question); err != nil {
				return err
			}
			s, err = db.Delete(ctx, s.ID)
			return a.changed(err, s, "is deleted")
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
