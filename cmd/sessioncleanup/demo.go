package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// demoProtected is how many of the oldest sessions the demo protects.
const demoProtected = 12

func (a *app) demo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try everything on a temporary SQLite database",
		Long: `demo makes a temporary SQLite database as a service would have it after 90 days, adopts it, and shows statistics, a
simulation, the cleanup, and what the library protects from. It reads and writes nothing else.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if a.json {
				return usagef("the demo is for people: it has no --json")
			}
			dir, err := os.MkdirTemp("", "sessioncleanup-demo-")
			if err != nil {
				return err
			}
			if !keep {
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			}
			path := filepath.Join(dir, "demo.db")
			if err := a.playDemo(cmd.Context(), path); err != nil {
				return err
			}
			if keep {
				return a.say("\nThe database is kept. Look further with:\n  sessioncleanup list --database sqlite:%s\n", path)
			}
			return a.say("\nThe temporary database is removed again; --keep would have left it.\n")
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the database, and say where it is")
	return cmd
}

// playDemo makes the database and walks through it.
func (a *app) playDemo(ctx context.Context, path string) error {
	started := time.Now()
	made, err := makeDemoDatabase(ctx, path, started)
	if err != nil {
		return fmt.Errorf("make the demo's database: %w", err)
	}
	db, err := sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: a.logger()})
	if err != nil {
		return err
	}
	d := &demo{app: a, m: m, db: db}
	d.step("A service after 90 days: %s of %d owners, with %s rows of activity, in SQLite.",
		sessionCount(made.sessions), made.owners, number(made.activity))
	acts := []func(context.Context) error{d.adopt, d.protect, d.before, d.simulate, d.clean, d.after, d.showProtected, d.brake}
	for _, act := range acts {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.step("Done in %s.", time.Since(started).Round(10*time.Millisecond))
	return d.failed
}

// demo is the walk through the demo's database.
type demo struct {
	*app
	m         *sessioncleanup.Manager
	db        *sqlite.Store
	protected sessioncleanup.Session
	steps     int
	failed    error // the first failure to print
}

// step says what comes next.
func (d *demo) step(format string, args ...any) {
	d.steps++
	if err := d.say("\n%d. %s\n", d.steps, fmt.Sprintf(format, args...)); err != nil && d.failed == nil {
		d.failed = err
	}
}

func (d *demo) adopt(ctx context.Context) error {
	d.step("migrate finds out where things are, adds what is missing and works out when each session was last used.")
	if err := d.m.Migrate(ctx); err != nil {
		return err
	}
	schema, err := d.db.Schema(ctx)
	if err != nil {
		return err
	}
	return d.say("%s", describeSchema(schema))
}

func (d *demo) protect(ctx context.Context) error {
	d.step("Owners protect %d old sessions: nothing automatic ever happens to those.", demoProtected)
	oldest, err := d.m.List(ctx, sessioncleanup.ListOptions{Status: sessioncleanup.StatusToDelete, Limit: demoProtected})
	if err != nil {
		return err
	}
	for _, s := range oldest.Sessions {
		owner := d.m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: s.OwnerID})
		if d.protected, err = owner.SetAutoCleanup(ctx, s.ID, false); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) before(ctx context.Context) error {
	d.step("The statistics, with the alerts that hold.")
	return d.showStats(ctx)
}

func (d *demo) after(ctx context.Context) error {
	d.step("The statistics after. What was unused for over 30 days and only now deactivated is due for the next run.")
	return d.showStats(ctx)
}

func (d *demo) showStats(ctx context.Context) error {
	stats, err := d.m.Stats(ctx, "")
	if err != nil {
		return err
	}
	return d.printStats(stats)
}

func (d *demo) simulate(ctx context.Context) error {
	d.step("A simulation (cleanup --dry-run) says exactly what a run would do, and changes nothing.")
	result, err := d.m.Cleanup(ctx, sessioncleanup.Run{DryRun: true, PageSize: 5})
	if err != nil {
		return err
	}
	return d.printResult(d.m.Policy(), result)
}

func (d *demo) clean(ctx context.Context) error {
	d.step("The cleanup, in short batches: first it deletes, then it deactivates, so no session meets both at once.")
	bar := newBar(d.out, d.outTTY)
	bar.plain, bar.after = true, 0
	result, err := d.m.Cleanup(ctx, sessioncleanup.Run{Reason: "demo", Progress: bar.show})
	bar.finish()
	if err != nil {
		return err
	}
	return d.printResult(d.m.Policy(), result)
}

func (d *demo) showProtected(ctx context.Context) error {
	d.step("A protected session, unused for longer than the policy allows, is still there.")
	s, err := d.m.Get(ctx, d.protected.ID)
	if err != nil {
		return err
	}
	now, err := d.db.Now(ctx)
	if err != nil {
		return err
	}
	return d.printSessions([]sessioncleanup.Session{s}, now)
}

func (d *demo) brake(ctx context.Context) error {
	d.step("A typing error, 1 hour to deletion instead of 30 days: the brake stops the run before it deletes anything.")
	_, err := d.m.Cleanup(ctx, sessioncleanup.Run{DeleteAfter: time.Hour})
	if !errors.Is(err, sessioncleanup.ErrTooMany) {
		return fmt.Errorf("the brake should have stopped this run, but it ended with %w", err)
	}
	return d.say("  %v\n", err)
}
