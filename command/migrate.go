package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// planner is an optional interface of stores: the SQL that Migrate would execute.
type planner interface {
	MigrationSQL(ctx context.Context, p sessioncleanup.Policy) (string, error)
}

func (a *app) migrate() *cobra.Command {
	var dryRun bool
	var o sessioncleanup.MigrateOptions
	cmd := &cobra.Command{
		Use:        "migrate",
		SuggestFor: []string{"setup", "setup-db", "install", "init"},
		Short:      "Prepare the database: columns, indexes, triggers, view",
		Long: `migrate adds to the database what session cleanup needs, and nothing else. It adopts an existing table of sessions:
without --schema or --table it uses what inspect finds, and prints that. Without such a table it creates one. It stores
the policy of the environment in the database. With --backup, the policy also says that only what is backed up is purged,
until migrate --backup none. You can run migrate again at any time.

It prints the oldest and the newest time as it understands them, with the time zone that it assumes for columns without
one. It refuses tables whose newest times are more than a year from now, unless --accept-times is given. A table that does
not show when its sessions are used is untracked: only sessions with an expiry are cleaned up, unless --untracked enables
the rules for idle sessions. When migrate refuses a table, it has changed nothing.`,
		Example: `  sessioncleanup migrate --database sqlite:app.db
  sessioncleanup migrate --table rooms
  sessioncleanup migrate --time-zone Europe/Paris`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			policy, err := a.policy()
			if err == nil {
				err = a.openBackups()
			}
			if err != nil {
				return err
			}
			if dryRun {
				return a.planMigration(ctx, policy, o)
			}
			db, err := a.open(ctx, store.Config{Logger: a.plainLog(slog.LevelInfo), Migrate: o})
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }() // nothing is left to write
			stored, err := storedPolicy(ctx, db)
			if err != nil {
				return err
			}
			policy = policy.Or(stored)
			if err := a.checkArchive(policy); err != nil {
				return err
			}
			a.warnAboutBackups(ctx)
			m, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: policy, Logger: a.logger(), Backups: a.backups})
			if err != nil {
				return err
			}
			if err := m.As(a.operator()).Migrate(ctx); err != nil {
				return err
			}
			return a.sayAdopted(ctx, db)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&dryRun, "dry-run", false, "print the SQL, change nothing")
	a.addBackup(flags)
	flags.Var(rulesFlag{&a.rules}, "rules", "store the `RULES` for sessions with certain tags, or none")
	flags.StringVar(&o.TimeZone, "time-zone", "", "`ZONE` of columns that hold times without a zone, for example Europe/Paris (default: the database's)")
	flags.BoolVar(&o.AcceptTimes, "accept-times", false, "adopt a table whose newest times are more than a year from now")
	flags.BoolVar(&o.Untracked, "untracked", false, "clean up idle sessions although the database does not show when they are used")
	flags.BoolVar(&o.Replace, "replace", false, "take over functions, views and triggers of an earlier installation; uninstall restores them")
	flags.BoolVar(&o.Reread, "reread", false, "read the activity tables again and count activity that no trigger noticed, such as rows written while triggers were off")
	flags.BoolVar(&o.View, "view", false, "on SQLite and MariaDB, create the views; on SQLite that keeps other tools from rebuilding the table")
	flags.StringVar(&o.CleanerRole, "cleaner-role", "", "on PostgreSQL, grant the `ROLE` what it needs to run cleanups")
	flags.StringVar(&o.AppRole, "app-role", "", "on PostgreSQL, grant the `ROLE` what it needs to touch and change sessions with this library")
	return cmd
}

// planMigration prints what Migrate would execute.
func (a *app) planMigration(ctx context.Context, policy sessioncleanup.Policy, o sessioncleanup.MigrateOptions) error {
	db, err := a.openExisting(ctx, store.Config{Logger: a.plainLog(slog.LevelInfo), Migrate: o})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // only read
	plan, ok := sessioncleanup.StoreAs[planner](db)
	if !ok {
		return errors.New("this store cannot print the SQL of migrate")
	}
	sql, err := plan.MigrationSQL(ctx, policy)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"sql": sql})
	}
	return a.say("%s\n", strings.TrimSpace(sql))
}

func (a *app) sayAdopted(ctx context.Context, db sessioncleanup.Store) error {
	installer, ok := sessioncleanup.InstallerOf(db)
	if !ok {
		return a.say("Nothing to migrate: this store has no database.\n")
	}
	schema, err := installer.Schema(ctx)
	if err != nil {
		return err
	}
	dependents, err := reachable(ctx, db)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			sessioncleanup.Schema
			Dependents []sessioncleanup.Dependent `json:"dependents,omitempty"`
		}{schema, dependents})
	}
	said := "The database is ready.\n" + describeSchema(schema)
	if len(dependents) > 0 {
		said += "The deletion of a session reaches rows of:\n" + a.table(dependentRows(dependents, false))
	}
	return a.print(said)
}

// describeSchema describes for people which tables and columns are used for what.
func describeSchema(s sessioncleanup.Schema) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-17s "+format+"\n", append([]any{what}, args...)...)
	}
	line("sessions", "%s (%s)", s.Table, s.ID)
	if s.Owner != "" {
		line("owner", "%s", s.Owner)
	}
	if s.Owners != nil {
		line("owner's name", "%s.%s", s.Owners.Table, s.Owners.Name)
	}
	for _, source := range s.Sources {
		line("activity source", "%s (%s)", source.Table, source.Session)
	}
	line("lifecycle", "%s, %s, %s, %s, %s", s.Active, s.LastActivity, s.ExpiresAt, s.AutoCleanup, s.DeactivatedAt)
	if s.State != nil {
		line("active", "%s is %s; a deactivation writes %s", s.Active, strings.Join(s.State.Active, " or "), s.State.Deactivated)
	}
	for _, only := range s.Only {
		line("only", "%s is %s", only.Column, strings.Join(only.Values, " or "))
	}
	for _, column := range s.TagColumns {
		line("tags", "%s, such as %s", column, sessioncleanup.ColumnTag(column, "gold"))
	}
	switch {
	case s.SoftDelete:
		line("deletion", "sets %s, the row stays", s.DeletedAt)
	case s.DeletedAt != "":
		line("deleted", "%s has a time: not seen", s.DeletedAt)
	}
	return b.String()
}
