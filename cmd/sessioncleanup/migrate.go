package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

// planner is an optional interface of stores: the SQL that Migrate would execute.
type planner interface {
	MigrationSQL(ctx context.Context, p sessioncleanup.Policy) (string, error)
}

func (a *app) migrate() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:        "migrate",
		SuggestFor: []string{"setup", "setup-db", "install", "init"},
		Short:      "Prepare the database: columns, indexes, triggers, view",
		Long: `migrate adds to the database what session cleanup needs, and nothing else. It adopts an existing table of sessions:
without --schema it uses what inspect finds, and prints that. Without such a table it creates one. It stores the policy
of the environment in the database. It is safe to run it again.`,
		Example: "  sessioncleanup migrate --database sqlite:app.db",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			policy, err := sessioncleanup.PolicyFromEnv(a.getenv)
			if err != nil {
				return err
			}
			if dryRun {
				return a.planMigration(ctx, policy)
			}
			db, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }() // nothing is left to write
			m, err := a.manager(ctx, db, policy)
			if err != nil {
				return err
			}
			if err := m.As(a.operator()).Migrate(ctx); err != nil {
				return err
			}
			return a.sayAdopted(ctx, db)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the SQL, change nothing")
	return cmd
}

// planMigration prints what Migrate would execute.
func (a *app) planMigration(ctx context.Context, policy sessioncleanup.Policy) error {
	db, err := a.openExisting(ctx)
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
	installer, ok := sessioncleanup.StoreAs[sessioncleanup.Installer](db)
	if !ok {
		return a.say("Nothing to migrate: this store has no database.\n")
	}
	schema, err := installer.Schema(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(schema)
	}
	return a.say("The database is ready.\n%s", describeSchema(schema))
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
	line("lifecycle", "%s, %s, %s, %s", s.Active, s.LastActivity, s.ExpiresAt, s.AutoCleanup)
	return b.String()
}
