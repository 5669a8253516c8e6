package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

// Event triggers guard schemas: they refuse some commands of Migrate after others were committed.
func TestAMigrationThatAnEventTriggerRefusesIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	const tables = `CREATE TABLE sessions (id int PRIMARY KEY, last_activity timestamptz NOT NULL DEFAULT now());
		CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions, created_at timestamptz DEFAULT now());`
	undisturbed, url, _ := shaped(t, tables, sessioncleanup.MigrateOptions{})
	before := dump(t, url)
	migrate(t, undisturbed)
	want := dump(t, url)
	for _, command := range thorough.First(2, "CREATE INDEX", "CREATE FUNCTION", "CREATE TRIGGER", "CREATE VIEW", "ALTER TABLE") {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, tables, sessioncleanup.MigrateOptions{})
			if err := pgapps.Exec(t.Context(), url, `CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not in this house: %', tg_tag; END $$;
				CREATE EVENT TRIGGER house ON ddl_command_start WHEN TAG IN ('`+command+`') EXECUTE FUNCTION public.refuse()`); err != nil {
				t.Fatal(err)
			}
			err := store.Migrate(t.Context(), sessioncleanup.Policy{})
			if err == nil || !strings.Contains(err.Error(), "not in this house: "+command) || !strings.Contains(err.Error(), "the event trigger house raised it") {
				t.Errorf("Migrate: %v, want what the event trigger says, and that it is one", err)
			}
			if err := store.Validate(t.Context()); err == nil {
				t.Error("Validate finds nothing wrong with half a migration")
			}
			if err := pgapps.Exec(t.Context(), url, "DROP EVENT TRIGGER house; DROP FUNCTION public.refuse()"); err != nil {
				t.Fatal(err)
			}
			migrate(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, dump(t, url)); diff != "" {
				t.Errorf("after the next Migrate (-undisturbed +now):\n%s", diff)
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}
