package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) holdArchived() *cobra.Command {
	var release bool
	cmd := &cobra.Command{
		Use:   "hold ID...",
		Short: "Keep deleted sessions in the archive whatever the policy says",
		Long: `hold keeps entries of the archive for a legal hold: until --release, no run purges them and nobody restores them. For the
ID of a session it holds the session's last entry; archive:17 names an entry. The audit log records who, when and why. On
PostgreSQL only the owner of the tables may run it.`,
		Example: `  sessioncleanup archive hold 42 --reason "court order 7"
  sessioncleanup archive hold archive:17 --release`,
		Args: someEntries,
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			entries, err := entriesNamed(ctx, db, args)
			if err != nil {
				return err
			}
			all, err := db.Hold(ctx, numbersOf(entries), !release, "")
			if err != nil {
				return err
			}
			if release {
				return a.reportEntries(all, "Released")
			}
			return a.reportEntries(all, "Held")
		}),
	}
	cmd.Flags().BoolVar(&release, "release", false, "no longer hold them")
	return explained(cmd)
}

func (a *app) purgeArchived() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "purge ID...",
		Short: "Remove deleted sessions from the archive permanently",
		Long: `purge lists entries of the archive, asks, and removes them before they are due. For the ID of a session it removes the
session's last entry; archive:17 names an entry. Without a terminal it needs --yes. Entries that are held stay. On
PostgreSQL only the owner of the tables may run it.`,
		Example: `  sessioncleanup archive purge archive:17`,
		Args:    someEntries,
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			entries, err := entriesNamed(ctx, db, args)
			if err != nil {
				return err
			}
			if !a.json && !yes {
				if err := a.reportArchived(entries, len(entries)+1); err != nil {
					return err
				}
			}
			if err := a.confirm(ctx, yes, "archive purge", "Remove this from the archive, permanently?"); err != nil {
				return err
			}
			all, err := db.Purge(ctx, numbersOf(entries))
			if err != nil {
				return err
			}
			return a.reportEntries(all, "Purged")
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return explained(cmd)
}

func someEntries(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs the ID of a session, or an entry of the archive; see %s --help", cmd.Name(), cmd.CommandPath())
	}
	return nil
}

// entriesNamed are the entries of the archive that some words name: entries, or sessions, for which the last counts.
func entriesNamed(ctx context.Context, db connection, words []string) (all []sessioncleanup.Archived, err error) {
	for _, word := range words {
		if id, is := entryOf(word); is {
			e, err := db.ArchivedEntry(ctx, id)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
			continue
		}
		found, err := db.Archived(ctx, sessioncleanup.ArchiveOptions{SessionID: word, Limit: 1})
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("session %q: %w", word, sessioncleanup.ErrNotArchived)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func numbersOf(entries []sessioncleanup.Archived) (ids []int64) {
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// reportEntries says what was done with entries.
func (a *app) reportEntries(all []sessioncleanup.Archived, done string) error {
	if a.json {
		return a.printJSON(struct {
			Entries []sessioncleanup.Archived `json:"entries"`
		}{all})
	}
	return a.say("%s %s.\n", done, counted(len(all), "entry of the archive", "entries of the archive"))
}
