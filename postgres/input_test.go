package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestConnectionProblemsSayWhatToDo(t *testing.T) {
	t.Parallel()
	good, err := url.Parse(pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(u *url.URL)) string {
		u := *good
		change(&u)
		return u.String()
	}
	for name, c := range map[string]struct {
		url   string
		is    error
		words string
	}{
		"no database":  {with(func(u *url.URL) { u.Path = "/missing" }), sessioncleanup.ErrInvalid, `database "missing" does not exist`},
		"no role":      {with(func(u *url.URL) { u.User = url.UserPassword("nobody_at_all", "s3cret") }), sessioncleanup.ErrInvalid, "check the user"},
		"no parameter": {with(func(u *url.URL) { u.RawQuery += "&sessioncleanup=1" }), sessioncleanup.ErrInvalid, "check the parameters"},
		"no such zone": {with(func(u *url.URL) { u.RawQuery += "&TimeZone=Nowhere" }), sessioncleanup.ErrInvalid, "check the parameters"},
		"no server":    {"postgres://someone:s3cret@127.0.0.1:1/db?connect_timeout=2", sessioncleanup.ErrUnavailable, "check that the server runs"},
		"no TLS":       {"postgres://someone:s3cret@" + withoutTLS(t) + "/db?sslmode=require", sessioncleanup.ErrUnavailable, "check TLS"},
		"no TLS file":  {"postgres://someone:s3cret@localhost/db?sslmode=verify-full&sslrootcert=/none/ca.pem", sessioncleanup.ErrInvalid, "TLS: open /none/ca.pem"},
		"no sense":     {"postgres://someone:s3cret@host:notaport/db", sessioncleanup.ErrInvalid, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), c.url, postgres.Config{})
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want %v and %q", err, c.is, c.words)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v shows the password", err)
			}
		})
	}
}

// withoutTLS is the address of a server that refuses TLS.
func withoutTLS(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 8) // SSLRequest
			if _, err := io.ReadFull(conn, request); err == nil {
				_, _ = conn.Write([]byte{'N'})
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestAWrongPasswordSaysSo asks a server that asks for passwords, which the other tests' servers do not.
func TestAWrongPasswordSaysSo(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	admin := connect(t, server.URL())
	mustExec(t, admin, "CREATE ROLE guest LOGIN PASSWORD 'right'")
	mustExec(t, admin, fmt.Sprintf("COPY (VALUES ('local all guest scram-sha-256'), ('local all all trust')) TO '%s'", value[string](t, admin, "SHOW hba_file")))
	if !value[bool](t, admin, "SELECT pg_reload_conf()") {
		t.Fatal("the server did not read its rules again")
	}
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guest", "wr0ng")
	for { // until the server has read them
		store, err := postgres.Open(t.Context(), u.String(), postgres.Config{})
		if err == nil {
			store.Close()
			continue
		}
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "check the user and the password") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("error %v, want ErrInvalid and what to check, without the password", err)
		}
		return
	}
}

// TestMigrateRefusesWhatItCannotAdopt: each with what is wrong and what to do, and the database as it was.
func TestMigrateRefusesWhatItCannotAdopt(t *testing.T) {
	t.Parallel()
	for name, c := range thorough.Some(4, map[string]struct {
		sql    string
		schema sessioncleanup.Schema
		words  string
	}{
		"a missing table":       {"", sessioncleanup.Schema{Table: "rooms"}, `schema.table is "rooms": there is no such table`},
		"a view":                {"CREATE VIEW rooms AS SELECT 1 AS id", sessioncleanup.Schema{Table: "rooms"}, "that is a view: want a table"},
		"a missing column":      {"CREATE TABLE rooms (id int)", sessioncleanup.Schema{Table: "rooms", Owner: "boss"}, `schema.owner is "boss": table "rooms" has no such column`},
		"a wrong type":          {"CREATE TABLE rooms (id int, active text)", sessioncleanup.Schema{Table: "rooms"}, `that column of table "rooms" is of type text, want a boolean`},
		"a missing source":      {"CREATE TABLE rooms (id int)", sessioncleanup.Schema{Table: "rooms", Sources: []sessioncleanup.Source{{Table: "votes", Session: "room"}}}, `schema.sources[0].table is "votes"`},
		"another's function":    {"CREATE TABLE rooms (id int PRIMARY KEY); CREATE FUNCTION cleanup_inactive_sessions() RETURNS int LANGUAGE sql AS 'SELECT 1'", sessioncleanup.Schema{Table: "rooms"}, "makes itself: function cleanup_inactive_sessions()"},
		"another's view":        {"CREATE TABLE rooms (id int PRIMARY KEY); CREATE VIEW sessions_cleanup_view AS SELECT 1", sessioncleanup.Schema{Table: "rooms"}, "makes itself: view sessions_cleanup_view"},
		"a newer library":       {"", sessioncleanup.Schema{}, "newer"},
		"a newer adoption":      {"", sessioncleanup.Schema{}, "newer"},
		"a second table":        {"", sessioncleanup.Schema{Table: "rooms"}, "has adopted the table public.sessions already"},
		"an unknown time zone":  {"CREATE TABLE rooms (id int)", sessioncleanup.Schema{Table: "rooms"}, `time zone "Mars/Olympus"`},
		"a nameless identifier": {"", sessioncleanup.Schema{Table: `x"; DROP TABLE y`}, "want quotes only around a whole name"},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			if strings.Contains(name, "newer") || strings.Contains(name, "second") {
				url = pgtest.Prepared(t, "guide", pgapps.All()["guide"].Adopt)
				pool := connect(t, url)
				mustExec(t, pool, "CREATE TABLE rooms (id int)")
				switch name {
				case "a newer library":
					mustExec(t, pool, "INSERT INTO sessioncleanup_migrations (version_id, is_applied) VALUES (999, true)")
				case "a newer adoption":
					mustExec(t, pool, "UPDATE sessioncleanup_settings SET complete = 999")
				}
			} else if err := pgapps.Exec(t.Context(), url, c.sql); err != nil {
				t.Fatal(err)
			}
			before := dump(t, url)
			cfg := postgres.Config{Schema: c.schema}
			if name == "an unknown time zone" {
				cfg.Migrate.TimeZone = "Mars/Olympus"
			}
			store, err := postgres.Open(t.Context(), url, cfg)
			if err == nil {
				defer store.Close()
				err = store.Migrate(t.Context(), sessioncleanup.Policy{})
			}
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want %q", err, c.words)
			}
			if strings.Contains(name, "newer") && !errors.Is(err, sessioncleanup.ErrNewerSchema) {
				t.Errorf("error %v, want ErrNewerSchema", err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("the database changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestNoSettingOfTheDatabaseStopsARun(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"German", "SQL,DMY", "Postgres"} {
		_, pool := adopted(t, "guide")
		mustExec(t, pool, "INSERT INTO sessions (last_activity, active, deactivated_at) VALUES (now() - interval '2 days', true, NULL), (now() - interval '60 days', false, 'epoch')")
		for _, mode := range []string{"cache_describe", "cache_statement", "describe_exec"} {
			store := open(t, pool.Config().ConnString()+"&default_query_exec_mode="+mode+"&datestyle="+url.QueryEscape(style), postgres.Config{})
			result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
			if err != nil || result.Phases.Total().Due != 2 || len(result.Sessions) != 2 {
				t.Errorf("datestyle %s, mode %s: %+v, %v", style, mode, result, err)
			}
		}
	}
}

// roles makes a role for a test, with its grants, and gives a URL that connects as it.
func asRole(t testing.TB, pool *pgxpool.Pool, grants ...string) string {
	t.Helper()
	role := fmt.Sprintf("tester_%d", time.Now().UnixNano())
	mustExec(t, pool, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		_, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Error(err)
		}
	})
	for _, grant := range grants {
		mustExec(t, pool, strings.ReplaceAll(grant, "$ROLE", role))
	}
	u, err := url.Parse(pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

func TestMigrateWithoutRightsSaysWhichAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grants []string
		words  string
	}{
		"nothing":    {nil, "does not own the table public.sessions, and so may not add columns and indexes to it; migrate as "},
		"not owner":  {[]string{"GRANT CREATE ON SCHEMA public TO $ROLE"}, "does not own the table public.sessions"},
		"no schema":  {[]string{"REVOKE CREATE ON SCHEMA public FROM PUBLIC", "ALTER TABLE sessions OWNER TO $ROLE"}, "may not create tables in schema \"public\"; GRANT CREATE ON SCHEMA \"public\" TO"},
		"no trigger": {[]string{"GRANT CREATE ON SCHEMA public TO $ROLE", "ALTER TABLE sessions OWNER TO $ROLE"}, "may not read public.propositions or not create a trigger on it; GRANT SELECT, TRIGGER ON \"public\".\"propositions\" TO"},
		"short of time": {[]string{"GRANT CREATE ON SCHEMA public TO $ROLE", "ALTER TABLE sessions OWNER TO $ROLE", "GRANT TRIGGER ON propositions TO $ROLE", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO $ROLE", "ALTER ROLE $ROLE SET statement_timeout = 30"},
			"statement_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := fresh(t, "guide")
			pool := connect(t, admin)
			mustExec(t, pool, "REVOKE CREATE ON SCHEMA public FROM PUBLIC") // as it is by itself from PostgreSQL 15 on
			reader, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = reader.Rollback(context.Background()) }()
			if name == "short of time" { // building an index waits for whoever sees the table as it was
				for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT"} {
					if _, err := reader.Exec(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
			}
			as := asRole(t, pool, c.grants...)
			before := dump(t, admin)
			store, err := postgres.Open(t.Context(), as, postgres.Config{}) // on a busy machine that may take too long, too
			if err == nil {
				t.Cleanup(func() { _ = store.Close() })
				err = store.Migrate(t.Context(), sessioncleanup.Policy{})
			}
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v, want %q", err, c.words)
			}
			if name == "short of time" {
				_ = reader.Rollback(t.Context())
				if err := open(t, admin, postgres.Config{TrustOwner: true}).Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
					t.Errorf("with more time: %v", err)
				}
				return
			}
			if diff := cmp.Diff(before, dump(t, admin)); diff != "" {
				t.Errorf("the database changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestACleanerHasTheRightsThatMigrateGrants(t *testing.T) {
	t.Parallel()
	_, pool := adopted(t, "guide")
	mustExec(t, pool, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	unused(t, pool, true, 1, 20)
	unused(t, pool, false, 21, 40)
	mustExec(t, pool, "INSERT INTO propositions (session_id) SELECT id FROM sessions WHERE id % 10 = 0")
	locker := begin(t, pool)
	run(t, locker, "UPDATE sessions SET name = 'x' WHERE id = 1")
	mustExec(t, pool, "INSERT INTO propositions (session_id) VALUES (1)")
	commit(t, locker)

	as := asRole(t, pool)
	granting := open(t, pool.Config().ConnString(), postgres.Config{Migrate: sessioncleanup.MigrateOptions{CleanerRole: roleOf(t, as)}})
	migrate(t, granting)
	store := open(t, as, postgres.Config{})
	manager := manage(t, store)
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deleted() != 18 || result.Deactivated() != 17 {
		t.Errorf("run: %+v, error %v; want 18 deleted and 17 deactivated", result, err)
	}
	if _, err := manager.Stats(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if _, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}, Reactivate: &sessioncleanup.Cause{Actor: "test"}}); err != nil {
		t.Error(err)
	}
	if _, err := store.Update(t.Context(), sessioncleanup.Target{ID: "1"}, sessioncleanup.Change{Cause: sessioncleanup.Cause{Actor: "test"}, Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off}); err != nil {
		t.Error(err)
	}
	if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "1"}, sessioncleanup.Cause{Actor: "test"}); err != nil {
		t.Error(err)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	cleaner := connect(t, as)
	for _, sql := range guideStatements {
		if _, err := cleaner.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s\n%v", sql, err)
		}
	}
	mustExec(t, pool, "ALTER TABLE sessions ADD extra int") // the view is made again
	migrate(t, open(t, pool.Config().ConnString(), postgres.Config{}))
	if _, err := cleaner.Exec(t.Context(), "SELECT extra FROM sessions_cleanup_view"); err != nil {
		t.Error(err)
	}
	if _, err := cleaner.Exec(t.Context(), "DROP TABLE sessions"); err == nil {
		t.Error("the cleaner may drop tables")
	}
	mustExec(t, pool, "ALTER TABLE sessions DROP extra")
	if err := granting.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := value[int](t, pool, "SELECT count(*) FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE a.grantee = $1::text::regrole", roleOf(t, as)); left != 0 {
		t.Errorf("after uninstall the role has %d privileges left", left)
	}
}

func TestOddIDsAreNotFound(t *testing.T) {
	t.Parallel()
	for _, name := range thorough.First(1, "guide", "uuid", "text") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, _ := adopted(t, name)
			for _, id := range []string{"", "x", "007", "1e3", "99999999999999999999", "a\x00b", "\xff", "' OR 1=1 --", "00000000-0000-4000-8000-00000000000g"} {
				if _, err := store.Delete(t.Context(), sessioncleanup.Target{ID: id}, sessioncleanup.Cause{Actor: "test"}); !errors.Is(err, sessioncleanup.ErrNotFound) {
					t.Errorf("Delete of %q gave %v, want ErrNotFound", id, err)
				}
				page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id, OwnerID: "\x00", Text: "\x00"}, Limit: 5})
				if err != nil || len(page.Sessions) != 0 {
					t.Errorf("List of %q gave %v, error %v", id, page.Sessions, err)
				}
			}
		})
	}
}

func TestConfigThatCannotBeRightIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := postgres.New(nil, postgres.Config{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("New without a pool gave %v, want ErrInvalid", err)
	}
	pool := connect(t, pgtest.Empty(t))
	for _, cfg := range []postgres.Config{{BatchTimeout: -1}, {LockTimeout: time.Microsecond}, {MigrateWait: -time.Second}, {Schema: sessioncleanup.Schema{Table: "a.b.c"}}} {
		if _, err := postgres.New(pool, cfg); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("New with %+v gave %v, want ErrInvalid", cfg, err)
		}
	}
}
