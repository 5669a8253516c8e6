package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) sealEvents() *cobra.Command {
	return &cobra.Command{
		Use:   "seal",
		Short: "Seal the audit log, and print the last seal",
		Long: `seal adds the hashes of all entries of the audit log that have none, as each run does at its end, and prints the last
seal. A person who can rewrite the database can rewrite its seals, but not a copy of the hash that is kept elsewhere:
compare with it by events verify --expect.`,
		Example: `  sessioncleanup events seal --json | jq -r .hash >> /mnt/elsewhere/seals`,
		Args:    noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			seal, err := db.SealEvents(ctx)
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(seal)
			case seal.Number == 0:
				return a.say("The audit log is empty: there is nothing to seal.\n")
			}
			return a.say("Seal %d, up to entry %d of %s: %s\n", seal.Number, seal.LastID, moment(seal.Newest), seal.Hash)
		}),
	}
}

func (a *app) verifyEvents() *cobra.Command {
	var expect string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the audit log is as it was sealed",
		Long: `verify finds the first entry of the audit log that was changed, removed or inserted after it was sealed, names it and
exits with 1. Entries since the last seal are counted: nothing is known of them.`,
		Example: `  sessioncleanup events verify
  sessioncleanup events verify --expect "$(tail -1 /mnt/elsewhere/seals)"`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			v, err := db.VerifyEvents(ctx, expect)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(v)
			} else if v.Mismatch == nil {
				err = a.sayVerified(v)
			}
			if err == nil && v.Mismatch != nil {
				err = fmt.Errorf("the audit log is not as it was sealed: %w", v.Mismatch)
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&expect, "expect", "", "also require a seal with this `hash`, as events seal printed it")
	return cmd
}

// sayVerified prints what was found in a log that is as it was sealed.
func (a *app) sayVerified(v sessioncleanup.Verification) error {
	entries := func(n int) string { return counted(n, "entry", "entries") }
	said := fmt.Sprintf("%s as sealed, in %s; not sealed yet: %s.\n", capital(entries(v.Entries)), counted(v.Seals, "seal", "seals"), entries(v.Unsealed))
	if v.Erased > 0 {
		said += fmt.Sprintf("Erased in part: %s.\n", entries(v.Erased))
	}
	if v.Forgotten > 0 {
		said += fmt.Sprintf("Removed because they were old: %s.\n", entries(v.Forgotten))
	}
	if v.Seals > 0 {
		said += fmt.Sprintf("The last seal, %d: %s\n", v.Last.Number, v.Last.Hash)
	}
	return a.print(said)
}
