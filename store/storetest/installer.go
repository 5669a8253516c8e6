package storetest

import (
	"context"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// Installation is a database without anything of the library, with what the checks need to read it.
type Installation struct {
	// Store is a store on the database. It, or one that it wraps, is the Installer under test.
	Store sessioncleanup.Store
	// Second is another store on the database, as another process would open it. Default: Store itself.
	Second sessioncleanup.Store
	// Sessions is the number of sessions in a table of the application, none of them due for deletion. Zero: there is
	// no table, and Migrate creates one.
	Sessions int
	// Describe returns the schema of the database as text, one line per object, in a fixed order: tables with their
	// columns and defaults, indexes, triggers, functions and views. It leaves out rows.
	Describe func(ctx context.Context) (string, error)
	// Insert adds one session, with any ID, to the table that Migrate created. Nil when Sessions is above zero.
	Insert func(ctx context.Context) error
	// Unnoticed has activity go unnoticed after a Migrate, as a tool does that rebuilds a table: it sets the last activity of an
	// active session back by days, drops what notices rows of an activity table, such as its triggers, and adds a row that
	// shows the session in use now. It returns the session's ID. Nil when nothing in the database notices activity.
	Unnoticed func(ctx context.Context) (id string, err error)
}

// InstallationOpener returns an Installation for one check, and closes what it opened with t.Cleanup.
type InstallationOpener func(t testing.TB) Installation

// RunInstaller tests an Installer. Each check is a subtest with its own installation, in parallel with the others. Run
// it once on a database with tables of an application, and once on an empty one.
func RunInstaller(t *testing.T, open InstallationOpener) {
	t.Helper()
	t.Run("installer", func(t *testing.T) {
		for _, c := range installerChecks() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, open(t))
			})
		}
	})
}

// installerCheck is one statement about installers, and its proof.
type installerCheck struct {
	name  string // what the installer does, as a sentence
	prove func(i *installation)
}

// run proves the check on a fresh installation.
func (c installerCheck) run(t tester, given Installation) {
	t.Helper()
	if given.Second == nil {
		given.Second = given.Store
	}
	i := &installation{tester: t, Installation: given, ctx: t.Context()}
	i.installer = i.installerOf(given.Store)
	i.before = i.describe()
	c.prove(i)
}

// installation is what a check works with. Its helpers end the check when a call fails unexpectedly.
type installation struct {
	tester
	Installation
	ctx       context.Context
	installer sessioncleanup.Installer
	before    string // the schema when the check began
}

func (i *installation) installerOf(s sessioncleanup.Store) sessioncleanup.Installer {
	i.Helper()
	installer, ok := sessioncleanup.StoreAs[sessioncleanup.Installer](s)
	if !ok {
		i.Fatalf("%T is no sessioncleanup.Installer", s)
	}
	return installer
}

func (i *installation) describe() string {
	i.Helper()
	return must(i.Describe(i.ctx))(i, "Installation.Describe")
}

// must requires that a call succeeds.
func (i *installation) must(what string, err error) {
	i.Helper()
	if err != nil {
		i.Fatalf("%s: %v", what, err)
	}
}

// expectSchema compares the schema with what it should be, line by line.
func (i *installation) expectSchema(when, want string) {
	i.Helper()
	if diff := firstLine(want, i.describe()); diff != "" {
		i.Errorf("the schema %s: %s", when, diff)
	}
}

// expectReady requires an installation that works: everything is there, with the policy, and sessions are kept.
func (i *installation) expectReady(when string, p sessioncleanup.Policy) {
	i.Helper()
	i.must("Validate "+when, i.installer.Validate(i.ctx))
	stored := must(i.installer.Policy(i.ctx))(i, "Policy %s", when)
	if want := p.WithDefaults(); stored.WithDefaults() != want {
		i.Errorf("Policy %s: %s", when, firstDifference(want, stored.WithDefaults()))
	}
	if err := failure(i.installer.Schema(i.ctx)); err != nil {
		i.Errorf("Schema %s: %v", when, err)
	}
	counts := must(i.Store.Counts(i.ctx, sessioncleanup.CountsQuery{Thresholds: p.Thresholds()}))(i, "Counts %s", when)
	if counts.Total != i.Sessions || counts.DueForDeletion != 0 {
		i.Errorf("%s there are %d sessions, %d of them due for deletion; want %d and none", when, counts.Total, counts.DueForDeletion, i.Sessions)
	}
}
