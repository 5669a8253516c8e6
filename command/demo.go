package command

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
	var keep, serve bool
	var addr string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try everything on a temporary SQLite database",
		Long: `demo creates a temporary SQLite database like that of a service after 90 days, adopts it, and shows statistics, a dry
run, the cleanup, the protections, and how a deletion is undone. It reads and writes nothing else.

With --serve it serves the page on that database instead, until it is stopped, to try it as an admin and as an owner.`,
		Example: "  sessioncleanup demo\n  sessioncleanup demo --serve",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if a.json {
				return usagef("demo prints text only: it has no --json")
			}
			dir, err := os.MkdirTemp("", "sessioncleanup-demo-")
			if err != nil {
				return err
			}
			if !keep {
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			}
			path := filepath.Join(dir, "demo.db")
			if serve {
				return a.serveDemo(cmd.Context(), path, addr)
			}
			if err := a.playDemo(cmd.Context(), path); err != nil {
				return err
			}
			if keep {
				return a.say("\nThe database is kept. Explore it with:\n  sessioncleanup list --database sqlite:%s\n", path)
			}
			return a.say("\nThe temporary database is removed; --keep keeps it.\n")
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the database, and print its path")
	cmd.Flags().BoolVar(&serve, "serve", false, "serve the page on the demo's data")
	cmd.Flags().StringVar(&addr, "addr", "localhost:8080", "address of --serve; anybody who reaches it can log in")
	return cmd
}

// playDemo creates the database and walks through it.
func (a *app) playDemo(ctx context.Context, path string) error {
	started := time.Now()
	activity, err := makeDemoDatabase(ctx, path, started)
	if err != nil {
		return fmt.Errorf("create the demo's database: %w", err)
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
		sessionCount(demoSessions), demoOwners, number(activity))
	acts := []func(context.Context) error{d.adopt, d.protect, d.before, d.limit, d.dryRun, d.clean, d.after, d.showProtected, d.undo}
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

// step announces the next step.
func (d *demo) step(format string, args ...any) {
	d.steps++
	if err := d.say("\n%d. %s\n", d.steps, fmt.Sprintf(format, args...)); err != nil && d.failed == nil {
		d.failed = err
	}
}

func (d *demo) adopt(ctx context.Context) error {
	d.step("migrate finds the tables, adds what is missing and determines when each session was last used.")
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
	d.step("Owners protect %d old sessions: nothing automatic ever happens to them.", demoProtected)
	var err error
	d.protected, err = protectOldest(ctx, d.m)
	return err
}

// protectOldest has owners protect sessions that are due for deletion, and returns one of them.
func protectOldest(ctx context.Context, m *sessioncleanup.Manager) (protected sessioncleanup.Session, err error) {
	oldest, err := m.List(ctx, sessioncleanup.ListOptions{Status: sessioncleanup.StatusToDelete, Limit: demoProtected})
	if err != nil {
		return protected, err
	}
	for _, s := range oldest.Sessions {
		owner := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: s.OwnerID})
		if protected, err = owner.SetAutoCleanup(ctx, s.ID, false); err != nil {
			return protected, err
		}
	}
	return protected, nil
}

func (d *demo) before(ctx context.Context) error {
	d.step("The statistics, with the alerts that hold.")
	return d.showStats(ctx)
}

func (d *demo) after(ctx context.Context) error {
	d.step("The statistics after. Sessions that were deactivated only now are kept for another 30 days, however long they were unused.")
	return d.showStats(ctx)
}

func (d *demo) showStats(ctx context.Context) error {
	stats, err := d.m.Stats(ctx, "")
	if err != nil {
		return err
	}
	return d.print(d.statsText(stats, d.m.Policy()))
}

func (d *demo) dryRun(ctx context.Context) error {
	d.step("A dry run (cleanup --dry-run) shows exactly what a run would do, and changes nothing.")
	result, err := d.m.Cleanup(ctx, sessioncleanup.Run{DryRun: true, PageSize: 5})
	if err != nil {
		return err
	}
	return d.print(d.resultText(result))
}

func (d *demo) clean(ctx context.Context) error {
	d.step("The cleanup, in short batches: it deletes first, then deactivates, so that no session goes through both in one run.")
	bar := newProgress(d.out, d.outTTY)
	bar.plain, bar.after = true, 0
	result, err := d.m.Cleanup(ctx, sessioncleanup.Run{Reason: "demo", Progress: bar.show})
	bar.finish()
	if err != nil {
		return err
	}
	return d.print(d.resultText(result))
}

func (d *demo) showProtected(ctx context.Context) error {
	d.step("A protected session, unused for longer than the policy allows, is still there.")
	s, err := d.m.Get(ctx, d.protected.ID)
	if err != nil {
		return err
	}
	return d.print(d.sessionTable([]sessioncleanup.Session{s}))
}

func (d *demo) undo(ctx context.Context) error {
	d.step("With the archive on (%s=true), a deletion can be undone: the last used session is deleted, listed by archive, and restored.", sessioncleanup.EnvArchive)
	m, err := sessioncleanup.New(d.db, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}, Logger: d.logger()})
	if err != nil {
		return err
	}
	last, err := m.List(ctx, sessioncleanup.ListOptions{Descending: true, Limit: 1})
	if err != nil || len(last.Sessions) == 0 {
		return err
	}
	id := last.Sessions[0].ID
	if _, err := m.Delete(ctx, id); err != nil {
		return err
	}
	entries, err := m.Archived(ctx, sessioncleanup.ArchiveOptions{})
	if err != nil {
		return err
	}
	if err := d.reportArchived(entries, len(entries)+1); err != nil {
		return err
	}
	restored, err := m.Restore(ctx, []string{id}, sessioncleanup.RestoreOptions{})
	return d.reportRestored(restored, false, err)
}

func (d *demo) limit(ctx context.Context) error {
	d.step("A typo, 1 hour to deletion instead of 30 days: the deletion limit stops the deletion, and the run says what to do.")
	_, err := d.m.Cleanup(ctx, sessioncleanup.Run{DeleteAfter: time.Hour, InactiveAfter: sessioncleanup.Never})
	if !errors.Is(err, sessioncleanup.ErrTooMany) {
		return fmt.Errorf("the deletion limit should have stopped this run, but it ended with %w", err)
	}
	return d.say("  %v\n", err)
}
