package command

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// tagHelp explains a filter by tags.
const tagHelp = `only sessions with these tags: "vip", "vip gold" (both), "vip|gold" (one of them), "-test" (without)`

func (a *app) tag() *cobra.Command {
	cmd := explained(&cobra.Command{
		Use:   "tag ID +TAG... -TAG...",
		Short: "Add tags to a session (+), or remove them (-)",
		Long: `tag adds tags to a session and removes others. A tag has 1 to 50 characters a to z, 0 to 9, and - _ . : after the first one; a session has
20 at most. Flags come before the ID.`,
		Example: `  sessioncleanup tag 42 +vip
  sessioncleanup tag --reason "asked for by its owner" 42 +vip -test`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				args = args[:2]
			}
			return arguments("the ID of a session", "tags such as +vip or -test")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, word := range args[1:] { // no tag begins with a minus
				if flag, is := strings.CutPrefix(word, "--"); is {
					name, _, _ := strings.Cut(flag, "=")
					return usagef("--%s comes before the ID: what follows the ID are tags", name)
				}
			}
			change, err := sessioncleanup.ParseTags(args[1:])
			if err != nil {
				return usagef("%w", err)
			}
			return a.with(func(ctx context.Context, db connection, args []string) error {
				s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.Tag(ctx, id, change) })
				switch len(s.Tags) {
				case 0:
					return a.changed(err, s, "has no tags")
				case 1:
					return a.changed(err, s, "has the tag "+s.Tags[0])
				default:
					return a.changed(err, s, "has the tags "+strings.Join(s.Tags, ", "))
				}
			})(cmd, args)
		},
	})
	cmd.Flags().SetInterspersed(false) // what follows the ID may begin with a minus
	return cmd
}

func (a *app) tags() *cobra.Command {
	var owner string
	cmd := &cobra.Command{
		Use:   "tags",
		Short: "List the tags in use, with the number of sessions that have each",
		Args:  noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			all, err := db.Tags(ctx, owner)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(append([]sessioncleanup.TagCount{}, all...))
			}
			if len(all) == 0 {
				return a.say("No tags.\n")
			}
			rows := [][]cell{header("TAG", "SESSIONS")}
			rows[0][1].right = true
			for _, t := range all {
				rows = append(rows, []cell{text(t.Tag), figure(t.Sessions)})
			}
			return a.print(a.table(rows))
		}),
	}
	cmd.Flags().StringVar(&owner, "owner", "", "only those of the sessions of the owner with this ID")
	return cmd
}
