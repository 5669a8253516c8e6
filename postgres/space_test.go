package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/besides"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

var (
	rooms = postgres.Config{Schema: sessioncleanup.Schema{Table: "rooms"}}
	live  = postgres.Config{Name: "live", Schema: sessioncleanup.Schema{Table: "sessions"}}
)

// besideRooms is the URL of the guide's database with a second table that is adopted without a name.
func besideRooms(t testing.TB) string {
	t.Helper()
	return pgtest.Prepared(t, "beside rooms", func(ctx context.Context, url string) error {
		return errors.Join(pgapps.All()["guide"].Make(ctx, url), pgapps.MakeSecond(ctx, url))
	})
}

func TestAStoreWithANameBesideOneWithout(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	app := pgapps.Named()
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		return app.Harness(t, pgtest.Prepared(t, "named", app.Adopt))
	}, "counts", "application")
}

func TestUninstallLeavesAnotherInstallationAsItWas(t *testing.T) {
	t.Parallel()
	url := besideRooms(t)
	before := dump(t, url)
	store := open(t, url, live)
	for range 2 {
		migrate(t, store)
		if err := store.Validate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // once more: nothing is left to remove
		if err := store.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after uninstall (-before +after):\n%s", diff)
	}
}

func TestInstallationsInOneDatabaseLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	url := besideRooms(t)
	pool := connect(t, url)
	mustExec(t, pool, "ALTER TABLE propositions ALTER session_id DROP NOT NULL, DROP CONSTRAINT propositions_session_id_fkey, ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE SET NULL")
	mustExec(t, pool, "ALTER TABLE sessions ADD last_activity timestamptz")
	side := func(c postgres.Config, column string) besides.Side {
		table := c.Schema.Table
		c.Migrate.AcceptTimes = true // a side that is installed again may have its oldest sessions only
		return besides.Side{
			Store: open(t, url, c),
			Insert: func(ctx context.Context, id int, idle time.Duration) error {
				_, err := pool.Exec(ctx, "INSERT INTO "+table+" (id, last_activity) VALUES ($1, $2)", 100+id, time.Now().Add(-idle))
				return err
			},
			Use: func(ctx context.Context, id int) error {
				_, err := pool.Exec(ctx, fmt.Sprintf("INSERT INTO propositions (%s) SELECT id FROM %s WHERE id = $1", column, table), id)
				return err
			},
			Describe: func(ctx context.Context) ([]string, error) {
				return ofInstallation(t, url, c.Name, table), nil //nolint:contextcheck // value uses the test's
			},
		}
	}
	besides.Check(t, [2]besides.Side{side(rooms, "room_id"), side(live, "session_id")}, 12)
}

// ofInstallation is everything in the database that belongs to an installation, and its sessions.
func ofInstallation(t testing.TB, url, name, table string) []string {
	t.Helper()
	space := "public"
	if name != "" {
		space = "sessioncleanup_" + name
	}
	pool := connect(t, url)
	defer pool.Close()
	lines := strings.Split(value[string](t, pool, `
		SELECT string_agg(line, E'\n' ORDER BY line) FROM (
			SELECT format('%s %s', oid::regprocedure, md5(prosrc)) AS line FROM pg_proc WHERE pronamespace = to_regnamespace($1)
			UNION ALL SELECT format('%s %s', oid::regclass, relkind) FROM pg_class WHERE relnamespace = to_regnamespace($1) AND (relname LIKE 'sessioncleanup%' OR relkind = 'v')
			UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid WHERE f.pronamespace = to_regnamespace($1)
			UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass($2)) l`, space, table), "\n")
	own := value[[]string](t, pool, `SELECT array_agg(format('%I.%I', relnamespace::regnamespace, relname) ORDER BY relname) FROM pg_class
		WHERE relnamespace = to_regnamespace($1) AND relname LIKE 'sessioncleanup%' AND relkind = 'r' OR oid = to_regclass($2)`, space, table)
	for _, table := range own {
		rows := value[string](t, pool, "SELECT coalesce(string_agg(to_jsonb(r)::text, E'\n' ORDER BY to_jsonb(r)::text), '') FROM "+table+" r")
		for row := range strings.Lines(rows) {
			lines = append(lines, table+" "+row)
		}
	}
	return lines
}

func TestInstallationsAreListed(t *testing.T) {
	t.Parallel()
	url := besideRooms(t)
	store := open(t, url, live)
	want := []sessioncleanup.Installation{{Table: "public.rooms"}}
	if got, err := store.Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("before Migrate: %v, %v; want %v", got, err, want)
	}
	migrate(t, store)
	want = append(want, sessioncleanup.Installation{Name: "live", Table: "public.sessions"})
	for _, c := range []postgres.Config{{}, {Name: "live"}, {Name: "other"}} {
		if got, err := open(t, url, c).Installations(t.Context()); err != nil || !cmp.Equal(got, want) {
			t.Errorf("with the name %q: %v, %v; want %v", c.Name, got, err, want)
		}
	}
	for _, c := range []struct {
		config postgres.Config
		want   string
	}{
		{postgres.Config{Name: "other", Schema: rooms.Schema}, "adopted already, without a name"},
		{postgres.Config{Name: "other", Schema: live.Schema}, `adopted already, under the name "live"`},
		{postgres.Config{Name: "other"}, "say which table"},
		{postgres.Config{Name: "live", Schema: rooms.Schema}, "uninstall that first"},
	} {
		err := open(t, url, c.config).Migrate(t.Context(), sessioncleanup.Policy{})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q on %q: %v, want an ErrInvalid with %q", c.config.Name, c.config.Schema.Table, err, c.want)
		}
	}
	if _, err := open(t, url, postgres.Config{Name: "other"}).Schema(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("the schema under a name that nothing has: %v, want ErrNotInstalled", err)
	}
	if n := value[int](t, connect(t, url), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%other'"); n > 0 {
		t.Error("a Migrate that was refused left its schema")
	}
}

// The functions and the view are called as without a name, in a schema of their own.
func TestSQLReachesAnInstallationByItsSchema(t *testing.T) {
	t.Parallel()
	url := besideRooms(t)
	store := open(t, url, live)
	plan, err := store.MigrationSQL(t.Context(), sessioncleanup.Policy{})
	if err != nil || !strings.Contains(plan, `CREATE SCHEMA "sessioncleanup_live"`) {
		t.Errorf("the plan does not create the schema: %v", err)
	}
	migrate(t, store)
	pool := connect(t, url)
	mustExec(t, pool, "INSERT INTO sessions (id, last_activity) VALUES (1, now() - interval '2 days'), (2, now())")
	mustExec(t, pool, "SELECT sessioncleanup_live.cleanup_inactive_sessions()")
	if got := value[string](t, pool, "SELECT string_agg(id || ' ' || active || ' ' || status, ', ' ORDER BY id) FROM sessioncleanup_live.sessions_cleanup_view"); got != "1 false inactive, 2 true active" {
		t.Errorf("after a cleanup by SQL the sessions are %s", got)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sessions_cleanup_view WHERE active"); n != 4 {
		t.Errorf("%d rooms are active, want 4 as before", n)
	}
	// What a trigger of the application does to the other table in a cleanup is the application's.
	mustExec(t, pool, `CREATE FUNCTION close_room() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE rooms SET active = false WHERE id = 2; RETURN NULL; END';
		CREATE TRIGGER close_room AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION close_room();
		UPDATE rooms SET deactivated_at = NULL; UPDATE sessions SET last_activity = '2020-01-01', active = true WHERE id = 1; UPDATE rooms SET active = true WHERE id = 2`)
	mustExec(t, pool, "SELECT sessioncleanup_live.cleanup_inactive_sessions()")
	if !value[bool](t, pool, "SELECT deactivated_at > now() - interval '1 hour' FROM rooms WHERE id = 2") {
		t.Error("a room that a trigger closed in a cleanup of the other table is not dated")
	}
}

// A role with the right to create schemas may have made one, to have its objects used.
func TestASchemaOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	url := besideRooms(t)
	pool := connect(t, url)
	role := "other_" + value[string](t, pool, "SELECT substr(md5(random()::text), 1, 8)")
	mustExec(t, pool, "CREATE ROLE "+role)
	t.Cleanup(func() {
		_ = pgapps.Exec(context.WithoutCancel(t.Context()), url, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role)
	})
	mustExec(t, pool, "CREATE SCHEMA sessioncleanup_live AUTHORIZATION "+role)
	err := open(t, url, live).Migrate(t.Context(), sessioncleanup.Policy{})
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "belongs to the role "+role) {
		t.Errorf("Migrate: %v, want an ErrInvalid that names the owner", err)
	}
	// One that an administrator made stays when everything in it is removed.
	mustExec(t, pool, "ALTER SCHEMA sessioncleanup_live OWNER TO CURRENT_USER")
	store := open(t, url, live)
	migrate(t, store)
	if err := store.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := value[[]string](t, pool, "SELECT array_agg(nspname::text) FROM pg_namespace WHERE nspname LIKE 'sessioncleanup%'"); !slices.Equal(got, []string{"sessioncleanup_live"}) {
		t.Errorf("after Uninstall there are the schemas %v, want the one that was there before", got)
	}
}

func TestAnInstallationThatIsNotTrustedWithoutItsTableIsNamed(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	as := asRole(t, pool, "CREATE SCHEMA app AUTHORIZATION $ROLE")
	mustRun(t, connect(t, as), `CREATE TABLE app.rooms (id int PRIMARY KEY, created_at timestamptz); INSERT INTO app.rooms VALUES (1, now() - interval '3 days');
		CREATE TABLE app.messages (id int PRIMARY KEY, room_id int REFERENCES app.rooms ON DELETE CASCADE); CREATE INDEX ON app.messages (room_id)`)
	before := dump(t, url)
	named := open(t, as, postgres.Config{Schema: sessioncleanup.Schema{Table: "app.rooms"}})
	migrate(t, named)
	installed := dump(t, url)
	admin := open(t, url, postgres.Config{TrustOwner: true})
	for doing, err := range map[string]error{
		"Migrate": admin.Migrate(t.Context(), sessioncleanup.Policy{}), "Validate": admin.Validate(t.Context()),
		"Schema": errOf(admin.Schema(t.Context())), "Uninstall": admin.Uninstall(t.Context()),
	} {
		if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "of the role tester_") || !strings.Contains(err.Error(), "in the schema app, name") {
			t.Errorf("%s without the table: %v, want an ErrNotInstalled and ErrInvalid that names the schema and the role", doing, err)
		}
	}
	if diff := cmp.Diff(installed, dump(t, url)); diff != "" {
		t.Errorf("changed by what was refused (-before +after):\n%s", diff)
	}
	admin = open(t, url, postgres.Config{TrustOwner: true, Schema: sessioncleanup.Schema{Table: "app.rooms"}})
	if err := errors.Join(admin.Validate(t.Context()), admin.Uninstall(t.Context())); err != nil {
		t.Errorf("with the table: %v", err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after Uninstall (-before +after):\n%s", diff)
	}
}
