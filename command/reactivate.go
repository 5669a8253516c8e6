package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) reactivate() *cobra.Command {
	var runID string
	cmd := &cobra.Command{
		Use:   "reactivate ID | --run ID",
		Short: "Make a session active again, as if it had just been used, or reverse a run",
		Long: `reactivate makes a session active again, as if it had just been used. With --run it reverses the deactivations of one
run: every session that is inactive since that run becomes active again. Sessions that were changed since stay as they
are, deleted ones stay deleted.`,
		Example: `  sessioncleanup reactivate 42
  sessioncleanup events --action run
  sessioncleanup reactivate --run 5NNKQ7L3YH5D2TQWWPBB6QRZJX`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("run") {
				return noArguments(cmd, args)
			}
			return arguments("the ID of a session, or --run")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctx context.Context, db connection, args []string) error {
				if cmd.Flags().Changed("run") {
					return a.reactivateRun(ctx, db, runID)
				}
				s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.Reactivate(ctx, id) })
				return a.changed(err, s, "is active")
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&runID, "run", "", "reverse the deactivations of the run with this ID, which is in its events")
	return explained(cmd)
}

func (a *app) reactivateRun(ctx context.Context, db connection, runID string) error {
	result, err := db.ReactivateRun(ctx, runID)
	switch {
	case errors.Is(err, sessioncleanup.ErrNotFound):
		return fmt.Errorf("run %q is not in the log, or deactivated nothing; see: sessioncleanup events --action run", runID)
	case err != nil:
		return err
	case a.json:
		return a.printJSON(result)
	}
	said := fmt.Sprintf("Reactivated %s of the %s that run %s deactivated.\n", number(result.Done), sessionCount(result.Due), runID)
	if result.Skipped > 0 {
		said += sessionCount(result.Skipped) + " stayed: changed or deleted since.\n"
	}
	return a.print(said)
}
