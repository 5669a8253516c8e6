package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) erase() *cobra.Command {
	var owner, confirm string
	var o sessioncleanup.EraseOptions
	cmd := &cobra.Command{
		Use:   "erase --owner ID",
		Short: "Remove an owner permanently: its sessions, the archive, its name in the audit log",
		Long: `erase permanently removes the sessions of an owner without archiving them, the owner's entries of the archive, and its ID
and the names of its sessions from the audit log. The log keeps its entries, the IDs of sessions, and its seals. A hash of
the owner's ID stays, so that older backups do not restore those sessions. erase first says how much it would remove, and
asks for the ID of the owner. Without a terminal it needs --confirm.

When entries are held, erase changes nothing, unless --include-held is given. On PostgreSQL only the owner of the tables
may run it.`,
		Example: `  sessioncleanup erase --owner 42 --dry-run
  sessioncleanup erase --owner 42 --confirm 42`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			if owner == "" {
				return usagef("erase needs --owner, the ID of an owner")
			}
			if confirm != "" && confirm != owner {
				return usagef("--confirm is %q: want the ID of the owner again", confirm)
			}
			found, err := db.Erase(ctx, owner, sessioncleanup.EraseOptions{DryRun: true})
			if err != nil {
				return err
			}
			if o.DryRun {
				return a.reportErased(found, "Would erase")
			}
			if confirm == "" {
				if !a.terminal(a.in) || !a.errTTY {
					return usagef("erase needs a confirmation: run it on a terminal, or add --confirm %q", owner)
				}
				if _, err := fmt.Fprintf(a.err, "%s\nThis is permanent. Type the ID of the owner to continue: ", erasedText(found, "Erase")); err != nil {
					return err
				}
				answer, err := a.readLine(ctx)
				if err != nil {
					return err
				}
				if strings.TrimSpace(answer) != owner {
					return errDeclined
				}
			}
			done, err := db.Erase(ctx, owner, o)
			if err != nil {
				return err
			}
			return a.reportErased(done, "Erased")
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&owner, "owner", "", "the `ID` of the owner")
	flags.StringVar(&confirm, "confirm", "", "the `ID` again, instead of being asked for it")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say how much there is, change nothing")
	flags.BoolVar(&o.IncludeHeld, "include-held", false, "also erase entries of the archive that are held")
	return explained(cmd)
}

func erasedText(e sessioncleanup.Erased, verb string) string {
	text := fmt.Sprintf("%s owner %s: %s, %s of the archive", verb, printable(e.OwnerID), sessionCount(e.Sessions), counted(e.Archived, "entry", "entries"))
	if e.Held > 0 {
		text += fmt.Sprintf(" (%d held)", e.Held)
	}
	return text + fmt.Sprintf(", %s of the audit log.", counted(e.Events, "entry", "entries"))
}

func (a *app) reportErased(e sessioncleanup.Erased, verb string) error {
	if a.json {
		return a.printJSON(e)
	}
	return a.say("%s\n", erasedText(e, verb))
}
