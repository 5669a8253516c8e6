package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// calm is a function of the attacker that the planner runs while it looks at an index, whether the index is used or not.
const calm = `
	CREATE FUNCTION tenant.evil(x varchar) RETURNS varchar LANGUAGE plpgsql AS $$ BEGIN ` + becomeSuper + ` RETURN x; END $$;
	CREATE FUNCTION tenant.calm() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM tenant.evil('x'); RETURN true; END $$;
	CREATE FUNCTION tenant.calm_of(x varchar) RETURNS varchar IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN tenant.evil(x); END $$;`

// evilEnum is a type whose values are read as texts by a function of the attacker.
const evilEnum = `
	CREATE TYPE tenant.sid AS ENUM ('s1', 's3');
	CREATE FUNCTION tenant.read(tenant.sid) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM tenant.evil('x'); RETURN 's1'; END $$;
	CREATE FUNCTION tenant.read_varchar(tenant.sid) RETURNS varchar LANGUAGE plpgsql AS $$ BEGIN PERFORM tenant.evil('x'); RETURN 's1'; END $$;
	CREATE CAST (tenant.sid AS text) WITH FUNCTION tenant.read(tenant.sid) AS IMPLICIT;
	CREATE CAST (tenant.sid AS varchar) WITH FUNCTION tenant.read_varchar(tenant.sid);`

const tenantsVotes = "CREATE TABLE tenant.ballots (id int PRIMARY KEY, session_id varchar REFERENCES public.sessions ON DELETE CASCADE, created_at timestamptz DEFAULT now());"

func TestWhatOthersPutOnTheirTablesIsNotRun(t *testing.T) {
	t.Parallel()
	for name, c := range thorough.Some(3, map[string]struct {
		before, after string // as the attacker, before and after the migration
		admin         string // as the administrator, before it
	}{
		"the predicate of an index":      {before: tenantsVotes + "CREATE INDEX ON tenant.ballots (session_id) WHERE tenant.calm()"},
		"the predicate of a later index": {before: tenantsVotes, after: "CREATE INDEX ON tenant.ballots (session_id) WHERE tenant.calm()"},
		"the expression of an index":     {before: tenantsVotes + "CREATE INDEX ON tenant.ballots (tenant.calm_of(session_id))"},
		"row security":                   {before: tenantsVotes, after: "ALTER TABLE tenant.ballots ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON tenant.ballots USING (tenant.calm())"},
		"a table without a key":          {before: "CREATE TABLE public.ballots (id int, session_id varchar, created_at timestamptz); CREATE INDEX ON public.ballots (session_id) WHERE tenant.calm()"},
		"a table two keys away": {
			before: tenantsVotes + "CREATE TABLE tenant.notes (id int PRIMARY KEY, ballot int REFERENCES tenant.ballots ON DELETE CASCADE); CREATE INDEX ON tenant.notes (ballot) WHERE tenant.calm()",
		},
		"a table two keys away, by one of the owner": {
			before: "CREATE TABLE tenant.notes (id int PRIMARY KEY, vote bigint REFERENCES public.votes ON DELETE CASCADE); CREATE INDEX ON tenant.notes (vote) WHERE tenant.calm()",
		},
		// A row in it would run the cast in the server's own check of the foreign key, with or without this library.
		"a type with a cast": {before: evilEnum + strings.ReplaceAll(tenantsVotes, "session_id varchar", "session_id tenant.sid")},
		"a type of the name of a domain": {
			before: "CREATE DOMAIN tenant.sid AS varchar;" + strings.ReplaceAll(tenantsVotes, "session_id varchar", "session_id tenant.sid"),
			after: "ALTER TABLE tenant.ballots DROP COLUMN session_id; DROP DOMAIN tenant.sid;" + evilEnum +
				"ALTER TABLE tenant.ballots ADD session_id tenant.sid; INSERT INTO tenant.ballots (id, session_id) VALUES (1, 's1')",
		},
		"the table of the owners' names": {
			before: "CREATE TABLE tenant.users (id varchar PRIMARY KEY, name varchar); INSERT INTO tenant.users VALUES ('alice', 'Alice')",
			admin:  "ALTER TABLE sessions ADD FOREIGN KEY (owner_id) REFERENCES tenant.users",
			after:  "CREATE INDEX ON tenant.users (id) WHERE tenant.calm()",
		},
		"a view of the owners' names": {
			before: "CREATE TABLE tenant.users (id varchar PRIMARY KEY, name varchar); INSERT INTO tenant.users VALUES ('alice', 'Alice')",
			admin:  "ALTER TABLE sessions ADD FOREIGN KEY (owner_id) REFERENCES tenant.users",
			after:  "ALTER TABLE tenant.users RENAME TO were; CREATE VIEW tenant.users AS SELECT id, tenant.evil(name) AS name FROM tenant.were; GRANT SELECT ON tenant.users TO PUBLIC",
		},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains([]string{"the predicate of an index", "row security", "a type with a cast", "a view of the owners' names"}, name) {
				thorough.Only(t, thorough.Attacks)
			}
			if strings.HasPrefix(c.before, evilEnum) && pgtest.Version(t) >= 18 { // which refuses a key between a text and another type
				c.before = strings.Replace(c.before, "REFERENCES public.sessions ON DELETE CASCADE", "", 1)
			}
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustRun(t, pool, usedSessions)
			as := asRole(t, pool, "CREATE SCHEMA tenant AUTHORIZATION $ROLE", "GRANT CREATE ON SCHEMA public TO $ROLE", "GRANT REFERENCES ON sessions, votes TO $ROLE")
			attacker := connect(t, as)
			mustRun(t, attacker, strings.ReplaceAll(calm+c.before, "$ROLE", roleOf(t, as)))
			mustRun(t, pool, c.admin)
			step := func(name string, err error) {
				if err != nil {
					t.Logf("%s: %v", name, err) // a refusal is as good
				}
				if isSuper(t, pool, as) {
					t.Fatalf("%s gave the attacker an administrator's rights", name)
				}
			}
			ctx, store := t.Context(), open(t, url, postgres.Config{})
			_, err := store.Inspect(ctx)
			step("Inspect", err)
			_, err = store.MigrationSQL(ctx, sessioncleanup.Policy{})
			step("MigrationSQL", err)
			if err := store.Migrate(ctx, sessioncleanup.Policy{}); err != nil {
				t.Fatalf("Migrate, which others must not stop: %v", err)
			}
			step("Migrate", nil)
			m := manage(t, store)
			reads := func() {
				_, err := m.List(ctx, sessioncleanup.ListOptions{Text: "s"})
				step("List", err)
				_, err = m.Get(ctx, "s1")
				step("Get", err)
				_, err = m.Dependents(ctx, "s1")
				step("Dependents", err)
				_, err = m.Cleanup(ctx, sessioncleanup.Run{DryRun: true})
				step("a dry run", err)
				step("the view", tries(ctx, pool, "SELECT * FROM sessions_cleanup_view"))
			}
			reads()
			if c.after != "" {
				mustRun(t, attacker, strings.ReplaceAll(c.after, "$ROLE", roleOf(t, as)))
				step("activity", nil)
			}
			reads()
			step("Validate", store.Validate(ctx))
			_, err = m.Cleanup(ctx, sessioncleanup.Run{Force: true})
			step("Cleanup", err)
			step("cleanup_inactive_sessions", tries(ctx, pool, "SELECT * FROM cleanup_inactive_sessions(force => true)"))
			_, err = m.Delete(ctx, "s4")
			step("Delete", err)
			step("Migrate again", store.Migrate(ctx, sessioncleanup.Policy{}))
			step("Uninstall", store.Uninstall(ctx))
		})
	}
}

func TestARowThatIsNotReadDoesNotMakeASessionIdle(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, "CREATE TABLE sessions (id varchar PRIMARY KEY, active boolean NOT NULL DEFAULT true, created_at timestamptz); INSERT INTO sessions VALUES ('s1', true, now() - interval '90 days')")
	as := asRole(t, pool, "CREATE SCHEMA tenant AUTHORIZATION $ROLE", "GRANT REFERENCES ON sessions TO $ROLE")
	mustRun(t, connect(t, as), tenantsVotes+"INSERT INTO tenant.ballots VALUES (1, 's1')")
	store := open(t, url, postgres.Config{})
	migrate(t, store)
	if result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deactivated() != 0 {
		t.Errorf("a run deactivates %d sessions, %v; want none: a table that is not read may show that it is in use", result.Deactivated(), err)
	}
	dependents, err := manage(t, store).Dependents(t.Context(), "s1")
	if err != nil || len(dependents) != 1 || dependents[0].Table != "tenant.ballots" || dependents[0].Rows != 0 || !dependents[0].More {
		t.Errorf("what goes along with the session is %+v, %v; want tenant.ballots, not counted", dependents, err)
	}
}

func TestTheRoleThatASessionBeginsWithHidesNoSuperuser(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"a superuser", "a member with CREATEROLE", "a member of pg_execute_server_program", "a member with no more rights"} {
		t.Run(more, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			as := asRole(t, pool, "GRANT CREATE ON SCHEMA public TO $ROLE")
			mustRun(t, connect(t, as), usedSessions)
			owner := roleOf(t, as)
			var login string
			switch more {
			case "a superuser":
				login = url + "&options=" + "-c%20role%3D" + owner
			case "a member with CREATEROLE":
				login = asRole(t, pool, "ALTER ROLE $ROLE CREATEROLE", "GRANT "+owner+" TO $ROLE")
			case "a member of pg_execute_server_program":
				login = asRole(t, pool, "GRANT pg_execute_server_program TO $ROLE", "GRANT "+owner+" TO $ROLE")
			default:
				login = asRole(t, pool, "GRANT "+owner+" TO $ROLE")
			}
			err := open(t, login, postgres.Config{}).Migrate(t.Context(), sessioncleanup.Policy{})
			if more == "a member with no more rights" {
				if err != nil {
					t.Errorf("Migrate: %v", err)
				}
			} else if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "--trust-owner") {
				t.Errorf("Migrate: %v, want an ErrInvalid that names --trust-owner", err)
			}
		})
	}
}

// Whoever may set a sequence ends it: notes and entries could not be written any more, and sessions in use would be idle.
func TestDefaultPrivilegesOnSequencesAreTakenBack(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustRun(t, pool, usedSessions)
	as := asRole(t, pool, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO $ROLE", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO $ROLE")
	store := open(t, url, postgres.Config{})
	migrate(t, store)
	const others = `SELECT coalesce(string_agg(DISTINCT c.relname, ' '), '') FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
		WHERE (c.relname LIKE 'sessioncleanup%' OR c.relname = 'sessions_cleanup_view') AND a.grantee <> c.relowner`
	if found := value[string](t, pool, others); found != "" {
		t.Errorf("others may use %s", found)
	}
	mustRun(t, pool, "GRANT ALL ON SEQUENCE sessioncleanup_events_id_seq TO "+roleOf(t, as)+"; GRANT ALL ON sessioncleanup_migrating TO "+roleOf(t, as)) // as earlier versions left it
	if err := store.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "sessioncleanup_events_id_seq") {
		t.Errorf("Validate: %v, want that others may use the sequence", err)
	}
	migrate(t, store)
	if found := value[string](t, pool, others); found != "" {
		t.Errorf("after another migration others may use %s", found)
	}
}

// Notes of sessions that do not exist come first in the order of IDs.
func TestNotesOfStrangersDoNotDelayThoseOfSessions(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, strings.ReplaceAll(votesOfSessions, " ID ", " text ")+
		"ALTER TABLE votes DROP CONSTRAINT votes_session_id_fkey; INSERT INTO sessions (id, last_activity) VALUES ('z', now() - interval '2 days')", sessioncleanup.MigrateOptions{})
	migrate(t, store)
	mustRun(t, connect(t, url), "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO votes (session_id) SELECT 'a' || n FROM generate_series(1, 20000) n; INSERT INTO votes (session_id) VALUES ('z'); COMMIT")
	if result, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deactivated() != 0 {
		t.Errorf("a run deactivated %d sessions, %v; want none: the only one is in use", result.Deactivated(), err)
	}
}
