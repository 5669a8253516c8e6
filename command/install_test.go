package command

import (
	"database/sql"
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

func TestAMistakeIsReportedOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	for _, c := range []struct {
		args []string
		code int
		once string
	}{
		{[]string{"validate", "--database", "SQLITE:x.db"}, exitFailed, "not installed"},
		{[]string{"stats", "--database", newSQLiteService(t).url}, exitFailed, "migrate"},
		{[]string{"validate", "--database", "postgres://app@127.0.0.1:1/app"}, exitFailed, "database unavailable"},
		{[]string{"policy", "set", "--rules", "x", "--database", "sqlite:x.db"}, exitUsage, "want rules"},
		{[]string{"cleanup", "--rules", "x: delete=1", "--database", "sqlite:x.db"}, exitUsage, "want a duration"},
	} {
		out := u.calls(c.args...).want(t, c.code)
		if n := strings.Count(out.err, c.once); n != 1 {
			t.Errorf("%v says %d times %q:\n%s", c.args, n, c.once, out.err)
		}
	}
}

// TestTheNameOfATableIsEnough adopts a table that is not called like sessions.
func TestTheNameOfATableIsEnough(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	path := u.dir + "/app.db"
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `
		CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE rooms (id INTEGER PRIMARY KEY, host_id INTEGER REFERENCES people, state TEXT CHECK (state IN ('open', 'closed')), kind TEXT, created_at DATETIME, deleted_at DATETIME);
		CREATE TABLE messages (room_id INTEGER REFERENCES rooms ON DELETE CASCADE, sent_at DATETIME)`)
	if err != nil {
		t.Fatal(err)
	}
	u.vars = map[string]string{envDatabase: "sqlite:" + path}
	for _, verb := range []string{"inspect", "migrate"} {
		u.calls(verb).want(t, exitUsage, "they may be in rooms (owner host_id, activity in messages, times in created_at)", "--table")
	}
	found := u.calls("inspect", "--table", "rooms")
	if schema := decode[sessioncleanup.Schema](t, found); schema.Owner != "host_id" || schema.Active != "state" || len(schema.Sources) != 1 || !strings.Contains(found.err, "state") {
		t.Errorf("inspect proposes %+v, and says %q", schema, found.err)
	}
	file := u.writes("schema.json", `{"table": "rooms", "soft_delete": true, "only": [{"column": "kind", "values": ["room", "call"]}]}`)
	u.calls("migrate", "--schema", file).want(t, exitDone, "owner's name      people.name", "activity source   messages (room_id)",
		"active            state is open; a deactivation writes closed", "only              kind is room or call", "deletion          sets deleted_at, the row stays")
	u.calls("stats", "--table", "rooms").want(t, exitDone, "Sessions              0")
	u.calls("stats", "--table", "Rooms", "--schema", file).want(t, exitUsage, "want one")
	u.calls("stats", "--table", "a;b").want(t, exitUsage, "--table")
	u.calls("uninstall", "--yes").want(t, exitDone)
	u.calls("migrate", "--table", "sessions").want(t, exitDone, "sessions (id)")
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
	u.calls("validate").want(t, exitFailed, "run migrate")
	u.calls("migrate").want(t, exitDone, "The database is ready")

	onSQLite := newSQLiteService(t)
	u.calls("migrate", "--dry-run", "-d", onSQLite.url).want(t, exitFailed, "cannot print the SQL")
}

func TestMigrateCreatesADatabase(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	url := "sqlite:" + u.dir + "/new.db"
	u.calls("migrate", "-d", url).want(t, exitDone, "create the table sessions in the new file", "The database is ready", "sessions (id)")
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
