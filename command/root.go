package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup/store"
)

// The groups of verbs in the help.
const (
	groupSetUp    = "setup"
	groupCleanup  = "cleanup"
	groupSessions = "sessions"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sessioncleanup",
		Short: "Manage the lifecycle of application sessions",
		Long: `sessioncleanup manages the sessions in a database: it tracks their activity, deactivates those unused for a day,
deletes those unused for a month, and shows in a dry run what it would do.

Start with "sessioncleanup demo", which needs no database.`,
		Example: `  sessioncleanup migrate --database sqlite:app.db
  sessioncleanup stats
  sessioncleanup cleanup --dry-run
  sessioncleanup cleanup`,
		Version:                    buildVersion().Version,
		Args:                       knownVerb,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE:          func(cmd *cobra.Command, _ []string) error { return noneEmpty(cmd.Flags()) },
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.AddGroup(&cobra.Group{ID: groupSetUp, Title: "Set up:"}, &cobra.Group{ID: groupCleanup, Title: "Clean up and monitor:"},
		&cobra.Group{ID: groupSessions, Title: "Sessions:"})
	add := func(group string, verbs ...*cobra.Command) {
		for _, verb := range verbs {
			verb.GroupID = group
			root.AddCommand(verb)
		}
	}
	add(groupSetUp, a.demo(), a.inspect(), a.migrate(), a.validate(), a.doctor(), a.uninstall())
	add(groupCleanup, a.cleanup(), a.showPolicy(), a.pauseCleanup(), a.resumeCleanup(), a.stats(), a.serve(), a.deliver(), a.notices(), a.notify(), a.events(), a.backup())
	add(groupSessions, a.list(), a.owners(), a.show(), a.deactivate(), a.reactivate(), a.delete(), a.archive(), a.restore(), a.erase(), a.autoCleanup(), a.tag(), a.tags(), a.expire(), a.touch())
	add("", a.version(), a.completion())
	root.SetHelpCommand(helpVerb(root))
	root.SetHelpTemplate(root.HelpTemplate() + environmentHelp() + exitCodesHelp)
	a.sharedFlags(root)
	return root
}

func (a *app) sharedFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVarP(&a.database, "database", "d", "", "`URL` of the database: "+strings.Join(store.Forms(), ", ")+" (default $"+envDatabase+")")
	flags.StringVar(&a.schemaFile, "schema", "", "JSON `file` that describes the tables (default: what migrate adopted)")
	flags.StringVar(&a.tableName, "table", "", "`NAME` of the table of sessions, instead of --schema; what it leaves open is read from the database")
	flags.StringVar(&a.name, "name", "", "`NAME` of the installation, where a database has several tables of sessions (default $"+envName+", or the one without a name)")
	flags.BoolVar(&a.trustOwner, "trust-owner", false, "as a superuser of PostgreSQL, work on sessions of another role, whose triggers can then use a superuser's rights")
	flags.BoolVar(&a.json, "json", false, "print JSON, for programs")
	flags.Var(&a.logFormat, "log-format", "text or json: how lines of the log are written to standard error (default: json with --json)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "print more, and log every action to standard error")
}

func environmentHelp() string {
	help := "\nEnvironment, also from a file .env in the working directory:"
	for line := range slices.Chunk(variables, 4) {
		help += "\n  " + strings.Join(line, ", ")
	}
	return help + "\n"
}

// helpVerb is cobra's help verb, with an error for a verb that does not exist.
func helpVerb(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Explain a verb",
		RunE: func(_ *cobra.Command, args []string) error {
			verb, rest, err := root.Find(args)
			if err == nil {
				err = knownVerb(root, rest)
			}
			if err != nil {
				return err
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}
