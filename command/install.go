package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// The verbs that inspect, check and remove what migrate adds.

// installed turns work on a store that lives in a database into the RunE of a verb.
func (a *app) installed(work func(ctx context.Context, db sessioncleanup.Store, installer sessioncleanup.Installer) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		db, err := a.openExisting(cmd.Context(), store.Config{Logger: a.plainLog(slog.LevelInfo)})
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }() // nothing is left to write
		installer, ok := sessioncleanup.InstallerOf(db)
		if !ok {
			return errors.New("this store has no database to " + cmd.Name())
		}
		return work(cmd.Context(), db, installer)
	}
}

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect",
		Short: "Read the database and propose a schema, as a file for --schema",
		Example: `  sessioncleanup inspect > schema.json
  sessioncleanup migrate --schema schema.json`,
		Args: noArguments,
		RunE: a.installed(func(ctx context.Context, db sessioncleanup.Store, installer sessioncleanup.Installer) error {
			schema, err := installer.Inspect(ctx)
			if err != nil {
				return err
			}
			dependents, err := reachable(ctx, db)
			if err != nil && !errors.Is(err, sessioncleanup.ErrNotInstalled) {
				return err
			}
			if err := a.sayInstallations(ctx, db); err != nil {
				return err
			}
			log := a.plainLog(slog.LevelInfo) // standard output is a file for --schema
			for _, d := range dependents {
				log.InfoContext(ctx, fmt.Sprintf("the deletion of a session reaches rows of %s: they are %s", d.Table, d.Effect))
			}
			return a.printJSON(schema)
		}),
	}
}

func (a *app) validate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check that the database has everything that migrate adds",
		Long:  "validate prints what is missing or wrong, the database's clock included, and then exits with 1.",
		Args:  noArguments,
		RunE: a.installed(func(ctx context.Context, db sessioncleanup.Store, installer sessioncleanup.Installer) error {
			_, err := db.Now(ctx)
			if err == nil {
				err = found(installer.Validate(ctx))
			}
			if clock := checkClock(ctx, db); err == nil || errors.Is(clock, sessioncleanup.ErrClock) { // else it fails for the same reason
				err = errors.Join(err, clock)
			}
			switch {
			case a.json:
				out := struct {
					Ready   bool   `json:"ready"`
					Problem string `json:"problem,omitempty"`
				}{Ready: err == nil}
				if err != nil {
					out.Problem = err.Error()
				}
				return errors.Join(err, a.printJSON(out))
			case err != nil:
				return err
			}
			schema, err := installer.Schema(ctx)
			if err != nil {
				return err
			}
			return a.say("The database is ready.\n%s", describeSchema(schema))
		}),
	}
}

// found is an error about the database, whatever it wraps.
func found(err error) error {
	if err == nil {
		return nil
	}
	return invalid.Databasef("%w", err)
}

// checkClock fails when runs would refuse the database's clock.
func checkClock(ctx context.Context, db sessioncleanup.Store) error {
	m, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		return err
	}
	ahead, err := m.ClockDifference(ctx)
	if err == nil && ahead != 0 {
		err = fmt.Errorf("%w by %v, the database's from this machine's: runs refuse that", sessioncleanup.ErrClock, ahead.Abs().Round(time.Second))
	}
	return err
}

func (a *app) uninstall() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:        "uninstall",
		SuggestFor: []string{"rollback"},
		Short:      "Remove everything that migrate added",
		Long: `uninstall removes what migrate added to the database, the audit log and the stored policy included, and nothing
else. Sessions stay; a sessions table that migrate created is removed only when it is empty.`,
		Args: noArguments,
		RunE: a.installed(func(ctx context.Context, _ sessioncleanup.Store, installer sessioncleanup.Installer) error {
			question := "Remove everything that migrate added, the audit log included?"
			if err := a.confirm(ctx, yes, "uninstall", question); err != nil {
				return err
			}
			if err := installer.Uninstall(ctx); err != nil {
				return fmt.Errorf("uninstall: %w", err)
			}
			if a.json {
				return a.printJSON(map[string]bool{"uninstalled": true})
			}
			return a.say("Everything that migrate added is removed.\n")
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
