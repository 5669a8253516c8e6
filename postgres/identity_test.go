package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// movedTables need a default from Migrate, and are in a schema of their own.
const movedTables = `
	CREATE SCHEMA app;
	CREATE TABLE app.sessions (id int PRIMARY KEY, name text, active boolean DEFAULT true, last_activity timestamptz, auto_cleanup boolean);
	CREATE TABLE app.votes (id int PRIMARY KEY, session_id int NOT NULL REFERENCES app.sessions ON DELETE CASCADE, at timestamptz);`

// TestUninstallAfterRenamesLeavesNothing compares what is left with a database in which the application renamed the same
// things and Migrate never was.
func TestUninstallAfterRenamesLeavesNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	for name, rename := range map[string]string{
		"the tables":        "ALTER TABLE app.sessions RENAME TO rooms; ALTER TABLE app.votes RENAME TO answers",
		"the columns":       "ALTER TABLE app.sessions RENAME last_activity TO used_at; ALTER TABLE app.sessions RENAME auto_cleanup TO tidy",
		"the table's place": "CREATE SCHEMA other; ALTER TABLE app.sessions SET SCHEMA other; ALTER TABLE other.sessions RENAME last_activity TO used_at",
		"the schema":        "ALTER SCHEMA app RENAME TO application",
		"the role":          "ALTER ROLE $ROLE RENAME TO $ROLE_now; ALTER ROLE $ROLE_now RENAME TO \"$ROLE Now\"; ALTER TABLE app.sessions RENAME TO rooms",
		"for another table": `ALTER TABLE app.sessions RENAME TO rooms; GRANT SELECT ON app.rooms TO $OTHER;
			CREATE TABLE app.sessions (id int PRIMARY KEY, last_activity timestamptz DEFAULT now(), auto_cleanup boolean DEFAULT true, expires_at timestamptz, deactivated_at timestamptz);
			GRANT SELECT ON app.sessions TO $ROLE`,
	} {
		for _, again := range []bool{false, true} {
			if again && strings.HasPrefix(name, "for another") { // Migrate adopts that one
				continue
			}
			t.Run(name+map[bool]string{true: ", migrated again"}[again], func(t *testing.T) {
				t.Parallel()
				url := pgtest.Empty(t)
				pool := connect(t, url)
				role, other := roleOf(t, asRole(t, pool)), roleOf(t, asRole(t, pool))
				rename := strings.NewReplacer("$ROLE", role, "$OTHER", other).Replace(rename)
				mustRun(t, pool, movedTables)
				schema := sessioncleanup.Schema{Table: "app.sessions", Name: "name", Sources: []sessioncleanup.Source{{Table: "app.votes", Session: "session_id", At: "at"}}}
				migrate(t, open(t, url, postgres.Config{Schema: schema, Migrate: sessioncleanup.MigrateOptions{CleanerRole: role}}))
				mustRun(t, pool, rename)
				store := open(t, url, postgres.Config{})
				if again {
					migrate(t, store)
					migrate(t, store)
				}
				if err := store.Uninstall(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := dump(t, url)
				if strings.Contains(rename, "ALTER ROLE") {
					mustRun(t, pool, `ALTER ROLE "`+role+` Now" RENAME TO `+role)
					rename = rename[strings.LastIndex(rename, ";"):]
				}
				never := pgtest.Empty(t)
				mustRun(t, connect(t, never), movedTables+rename)
				if diff := cmp.Diff(dump(t, never), got); diff != "" {
					t.Errorf("after Uninstall (-never migrated +uninstalled):\n%s", diff)
				}
			})
		}
	}
}

func TestUninstallInACopyGoesByNames(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, movedTables)
	before := dump(t, url)
	schema := sessioncleanup.Schema{Table: "app.sessions", Sources: []sessioncleanup.Source{{Table: "app.votes", Session: "session_id"}}}
	migrate(t, open(t, url, postgres.Config{Schema: schema}))
	// As in a copy: the numbers are those of other things.
	mustRun(t, pool, `UPDATE app.sessioncleanup_settings SET places = jsonb_set(jsonb_set(places, '{self}', '1'), '{objects}',
		(SELECT jsonb_agg(o || jsonb_build_object('oid', 'app.votes'::regclass::oid::bigint, 'column', 2)) FROM jsonb_array_elements(places -> 'objects') o))`)
	if err := open(t, url, postgres.Config{}).Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after Uninstall (-before +after):\n%s", diff)
	}
}
