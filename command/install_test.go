package command

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestInspectMigrateValidateUninstall(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	before := s.count(t, "SELECT count(*) FROM sqlite_schema")
	u := newUser(t, map[string]string{envDatabase: s.url})

	found := u.calls("inspect").want(t, exitDone)
	schema := decode[sessioncleanup.Schema](t, found)
	if schema.Owner != "streamer_id" || len(schema.Sources) != 1 || schema.Sources[0].Table != "propositions" {
		t.Errorf("inspect proposes %+v", schema)
	}
	file := u.writes("schema.json", found.out)
	if got := decode[sessioncleanup.Schema](t, u.calls("migrate", "--schema", file, "--json")); got.Owner != schema.Owner {
		t.Errorf("migrate --json prints %+v, want what inspect found", got)
	}
	u.calls("migrate", "--view").want(t, exitDone, "The database is ready")
	u.calls("validate").want(t, exitDone, "The database is ready", "streamer_id")
	u.calls("validate", "--json").want(t, exitDone, `"ready": true`)

	s.exec(t, "DROP VIEW sessions_cleanup_view")
	u.calls("validate").want(t, exitFailed, "sessions_cleanup_view")
	u.calls("validate", "--json").want(t, exitFailed, `"ready": false`, "sessions_cleanup_view")
	u.calls("migrate").want(t, exitDone)

	u.tty, u.in = true, strings.NewReader("n\n")
	u.calls("uninstall").want(t, exitFailed, "Remove everything that migrate added", "nothing was done")
	u.calls("validate").want(t, exitDone)
	u.tty = false
	u.calls("uninstall", "--yes", "--json").want(t, exitDone, `"uninstalled": true`)
	if after := s.count(t, "SELECT count(*) FROM sqlite_schema"); after != before {
		t.Errorf("after uninstall the database has %d objects, before migrate it had %d", after, before)
	}
	if n := s.count(t, "SELECT count(*) FROM sessions"); n != 6 {
		t.Errorf("uninstall left %d of 6 sessions", n)
	}
}

func TestMigrateDryRunPrintsTheSQL(t *testing.T) {
	t.Parallel()
	s := newPostgresService(t)
	u := newUser(t, map[string]string{envDatabase: s.url})
	u.calls("migrate", "--dry-run").want(t, exitDone, "last_activity", "CREATE")
	u.calls("migrate", "--dry-run", "--json").want(t, exitDone, `"sql": "`)
	if n := s.count(t, "SELECT count(*) FROM pg_class WHERE relname LIKE 'sessioncleanup%'"); n != 0 {
		t.Fatalf("a dry run added %d tables and indexes", n)
	}
	u.calls("validate").want(t, exitFailed, "sessioncleanup migrate")
	u.calls("migrate").want(t, exitDone, "The database is ready")

	onSQLite := newSQLiteService(t)
	u.calls("migrate", "--dry-run", "-d", onSQLite.url).want(t, exitFailed, "cannot print the SQL")
}

func TestMigrateCreatesADatabase(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	url := "sqlite:" + u.dir + "/new.db"
	u.calls("migrate", "-d", url).want(t, exitDone, "The database is ready", "sessions (id)")
	u.calls("cleanup", "-d", url).want(t, exitDone, "Nothing was due.")
	u.calls("uninstall", "-d", url, "--yes").want(t, exitDone, "is removed")
}

func TestDemoShowsTheWholeJob(t *testing.T) {
	t.Parallel()
	newUser(t, nil).calls("demo").want(t, exitDone, "The cleanup", "the deletion limit stops the deletion", "--force=", "a deletion can be undone", "Restored 1 session, with ", "The temporary database is removed")
}

func TestMigrateWarnsAboutSessionsThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newPostgresService(t)
	s.exec(t, "CREATE TABLE pins (session_id integer REFERENCES sessions (id))")
	u := newUser(t, map[string]string{envDatabase: s.url})
	got := u.calls("migrate")
	got.want(t, exitDone)
	if want := "the foreign key of public.pins (session_id) has no ON DELETE CASCADE"; !strings.Contains(got.err, want) {
		t.Errorf("standard error is %q, want %q in it", got.err, want)
	}
}
