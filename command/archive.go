package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// entryPrefix tells an entry of the archive from the ID of a session.
const entryPrefix = "archive:"

func (a *app) archive() *cobra.Command {
	var o sessioncleanup.ArchiveOptions
	var before int
	var held bool
	cmd := &cobra.Command{
		Use:        "archive",
		SuggestFor: []string{"trash", "deleted"},
		Short:      "List the deleted sessions that can be restored, newest first",
		Long: `archive lists the sessions that were deleted while the archive was on, until they are restored or purged.
` + sessioncleanup.EnvArchive + `=true and migrate turn it on for every deletion. A run purges an entry ` + sessioncleanup.EnvArchiveDays + ` days after the
deletion (default: 30).`,
		Example: `  sessioncleanup archive --owner 42
  sessioncleanup restore 4711`,
		Args: noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			o.Before = int64(before)
			if held {
				o.Held = sessioncleanup.On
			}
			entries, err := db.Archived(ctx, o)
			if err != nil {
				return err
			}
			return a.reportArchived(entries, o.Limit)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&o.SessionID, "session", "", "only the session with this ID")
	flags.StringVar(&o.OwnerID, "owner", "", "only the sessions of the owner with this ID")
	flags.Var(newCount(&o.Limit, 50, 1, sessioncleanup.MaxPage), "limit", "entries on the page")
	flags.Var(newCount(&before, 0, 1, math.MaxInt), "before", "continue after the entry with this number")
	cmd.Flags().BoolVar(&held, "held", false, "only entries that are held")
	cmd.AddCommand(a.showArchived(), a.holdArchived(), a.purgeArchived())
	return cmd
}

// reportArchived prints a page of the archive, and the flag for the next page when this one is full.
func (a *app) reportArchived(entries []sessioncleanup.Archived, limit int) error {
	var next int64
	if len(entries) == limit {
		next = entries[limit-1].ID
	}
	if a.json {
		return a.printJSON(struct {
			Entries []sessioncleanup.Archived `json:"entries"`
			Next    int64                     `json:"next_before,omitempty"`
		}{append([]sessioncleanup.Archived{}, entries...), next})
	}
	if len(entries) == 0 {
		return a.say("The archive is empty.\n")
	}
	rows := [][]cell{header("ENTRY", "SESSION", "NAME", "OWNER", "DELETED", "BY", "WHY", "ROWS", "PURGED")}
	rows[0][7].right = true
	for _, e := range entries {
		rows = append(rows, []cell{
			text(entryPrefix + fmt.Sprint(e.ID)), text(e.SessionID), text(e.Name), text(e.OwnerID), text(moment(e.At)), text(e.Actor), text(e.Reason),
			figure(e.Rows), text(purgeText(e)),
		})
	}
	return a.print(a.table(rows) + nextPage(next))
}

// nextPage says how to get the page of a list before an entry; empty when there is none.
func nextPage(before int64) string {
	if before == 0 {
		return ""
	}
	return fmt.Sprintf("The next page: --before %d\n", before)
}

func purgeText(e sessioncleanup.Archived) string {
	switch {
	case e.Held:
		return "held"
	case e.PurgeAt.IsZero():
		return "never"
	}
	return moment(e.PurgeAt)
}

func (a *app) showArchived() *cobra.Command {
	return &cobra.Command{
		Use:   "show ENTRY",
		Short: "Print the archived rows of a deleted session",
		Long: `show prints what the archive has of a session: its own row, the rows of other tables that were deleted with it, and the
rows that were only unlinked. On PostgreSQL only the owner of the tables may read them.`,
		Example: `  sessioncleanup archive show archive:17 --json`,
		Args:    arguments("an entry of the archive"),
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			id, ok := entryOf(args[0])
			if !ok {
				return usagef("entry is %q: want one such as archive:17, as archive lists them", args[0])
			}
			entry, err := db.ArchivedEntry(ctx, id)
			if err != nil {
				return err
			}
			var all []sessioncleanup.ArchivedRow
			for after := 0; ; after = all[len(all)-1].Number {
				page, err := db.ArchivedRows(ctx, id, after, sessioncleanup.MaxPage)
				if err != nil {
					return err
				}
				if len(page) == 0 {
					break
				}
				all = append(all, page...)
			}
			if a.json {
				return a.printJSON(struct {
					sessioncleanup.Archived
					Content []sessioncleanup.ArchivedRow `json:"content"`
				}{entry, all})
			}
			return a.printArchivedRows(entry, all)
		}),
	}
}

func (a *app) printArchivedRows(entry sessioncleanup.Archived, rows []sessioncleanup.ArchivedRow) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Session %s, deleted %s by %s.\n", refName(entry.Ref()), moment(entry.At), printable(entry.Actor))
	for _, r := range rows {
		what := ""
		if r.Unlinked {
			what = " (unlinked)"
		}
		row, err := json.Marshal(r.Row)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s%s %s\n", printable(r.Table), what, printable(string(row)))
	}
	return a.print(b.String())
}

// entryOf reads the number of an entry.
func entryOf(word string) (int64, bool) {
	number, is := strings.CutPrefix(word, entryPrefix)
	id, err := strconv.ParseInt(number, 10, 64)
	return id, is && err == nil && id > 0
}

func (a *app) restore() *cobra.Command {
	var o sessioncleanup.RestoreOptions
	var conflict, from string
	cmd := &cobra.Command{
		Use:        "restore ID...",
		SuggestFor: []string{"undelete", "recover"},
		Short:      "Bring deleted sessions back from the archive",
		Long: `restore brings sessions back as they were when they were deleted, with the rows of other tables that were deleted or
unlinked along with them: all of them or none. They count as used just now. A session that was deleted more than once
comes back as it was last; an entry such as archive:17 names an earlier state. The application's triggers run.

With --from, the sessions come from a backup file, as they were when they were last deleted before the file was written:
the named ones or, without any, all of the file, 100 at a time. FILE is a path, file:///PATH/FILE,
s3://BUCKET/PREFIX/FILE, or the name of a file in --backup, as backup list prints it. Nothing is restored from a damaged
file.

When something is in the way, such as an ID that is in use again, nothing is changed and the exit code is 1.`,
		Example: `  sessioncleanup restore 42 --dry-run
  sessioncleanup restore 42 43 --on-conflict skip
  sessioncleanup restore 42 --on-conflict new-id
  sessioncleanup restore archive:17
  sessioncleanup restore 42 --from /var/backups/sessioncleanup-20260301T030000Z-ABC-001.jsonl.zst`,
		Args: func(cmd *cobra.Command, args []string) error {
			if from != "" {
				return nil
			}
			return someEntries(cmd, args)
		},
		RunE: a.with(func(ctx context.Context, db connection, args []string) error {
			o.OnConflict = sessioncleanup.Conflict(conflict)
			var entries []int64
			var sessions []string
			for _, word := range args {
				if id, is := entryOf(word); is {
					entries = append(entries, id)
				} else {
					sessions = append(sessions, word)
				}
			}
			if len(entries) > 0 && len(sessions) > 0 {
				return usagef("restore takes IDs of sessions or entries of the archive, not both")
			}
			if from != "" {
				return a.restoreFrom(ctx, db, from, sessioncleanup.BackupRestore{RestoreOptions: o, SessionIDs: sessions, Entries: entries})
			}
			if len(entries) > 0 {
				restored, err := db.RestoreEntries(ctx, entries, o)
				return a.reportRestored(restored, o.DryRun, err)
			}
			restored, err := db.Restore(ctx, sessions, o)
			return a.reportRestored(restored, o.DryRun, err)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what is in the way, change nothing")
	flags.StringVar(&conflict, "on-conflict", string(sessioncleanup.ConflictFail), "when an ID, or another unique value, is in use again: "+joinWords(sessioncleanup.Conflicts()))
	completeWith(cmd, "on-conflict", sessioncleanup.Conflicts())
	flags.StringVar(&from, "from", "", "restore from this backup `FILE` instead of the archive")
	a.addBackup(flags)
	return explained(cmd)
}

// reportRestored says what was restored, or what is in the way.
func (a *app) reportRestored(r sessioncleanup.Restored, dry bool, err error) error {
	blocked, obstructed := errors.AsType[*sessioncleanup.ObstructedError](err)
	if err != nil && !obstructed {
		return err
	}
	if obstructed {
		r.Obstacles = blocked.Obstacles
	}
	if len(r.Obstacles) > 0 {
		what := "nothing was changed"
		if !dry && len(r.Entries) > 0 { // of a backup file
			what = sessionCount(len(r.Entries)) + " of the file were restored before"
		}
		err = fmt.Errorf("%w: %s in the way; %s", sessioncleanup.ErrObstructed, counted(len(r.Obstacles), "obstacle", "obstacles"), what)
	}
	if a.json {
		return errors.Join(err, a.printJSON(r))
	}
	if len(r.Obstacles) > 0 {
		rows := [][]cell{header("SESSION", "TABLE", "WHAT IS IN THE WAY")}
		for _, o := range r.Obstacles {
			rows = append(rows, texts(o.SessionID, o.Table, o.Text))
		}
		return errors.Join(a.print(a.table(rows)), err)
	}
	verb := "Restored"
	if dry {
		verb = "Would restore"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, with %s of other tables", verb, sessionCount(len(r.Entries)), counted(r.Rows, "row", "rows"))
	if r.Relinked > 0 {
		fmt.Fprintf(&b, ", and linked %s again", counted(r.Relinked, "row", "rows"))
	}
	b.WriteString(".\n")
	if r.Erased > 0 {
		fmt.Fprintf(&b, "Left out %s of owners that were erased since.\n", sessionCount(r.Erased))
	}
	for _, e := range r.Entries {
		if id := r.NewIDs[e.ID]; id != "" {
			fmt.Fprintf(&b, "Session %s has the ID %s now.\n", printable(e.SessionID), printable(id))
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "Skipped session %s: a unique value of it is in use again.\n", printable(s.SessionID))
	}
	return a.print(b.String())
}
