package command

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// healthy is a user whose installation has nothing wrong: doctor says so.
func healthy(t *testing.T, s *service) *user {
	t.Helper()
	u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice"})
	s.exec(t, "INSERT INTO propositions (session_id, viewer_id, url) VALUES (1, '8', 'x'), (42, '8', 'y')")
	u.calls("migrate").want(t, exitDone)
	u.calls("cleanup").want(t, exitDone)
	return u
}

// breakage is a way in which an installation is broken, and what doctor says about it.
type breakage struct {
	name   string
	breaks func(t *testing.T, u *user, s *service)
	args   []string // of doctor
	code   int
	want   finding // Message and Fix are parts of the finding's
}

func sqlOf(query string) func(*testing.T, *user, *service) {
	return func(t *testing.T, _ *user, s *service) { s.exec(t, query) }
}

// records writes the event of a run that began so long ago.
func records(ago time.Duration, change func(*sessioncleanup.RunSummary)) func(*testing.T, *user, *service) {
	return func(t *testing.T, _ *user, s *service) {
		t.Helper()
		db, err := store.Open(t.Context(), s.url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		at := time.Now().Add(-ago)
		run := &sessioncleanup.RunSummary{StartedAt: at}
		change(run)
		event := sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: "R", At: at, Run: run}
		if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: event}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDoctorFindsEachBrokenInstallationOnSQLite(t *testing.T) {
	t.Parallel()
	const problem, warning = statusProblem, statusWarning
	examine(t, newSQLiteService, []breakage{
		{"the file is not there", func(_ *testing.T, u *user, _ *service) { u.vars[envDatabase] = "sqlite:elsewhere.db" }, nil, exitFailed,
			finding{"database", problem, "there is no file", "correct --database"}},
		{"the file is another one", func(_ *testing.T, u *user, _ *service) {
			u.vars[envDatabase] = "sqlite:" + u.writes("notes.txt", strings.Repeat("these are my notes, and no database at all\n", 100))
		}, nil, exitFailed, finding{"database", problem, "not a SQLite database", "--database"}},
		{"the URL is of no database that is known", func(_ *testing.T, u *user, _ *service) { u.vars[envDatabase] = "oracle://x/y" }, nil, exitFailed,
			finding{"database", problem, "oracle", "--database"}},
		{"the environment has a typing error", func(_ *testing.T, u *user, _ *service) { u.vars[sessioncleanup.EnvInactiveHours] = "24h" }, nil, exitFailed,
			finding{"database", problem, "SESSION_INACTIVE_HOURS", "do what the message says"}},
		{"nothing is installed", func(t *testing.T, u *user, _ *service) { u.calls("uninstall", "--yes").want(t, exitDone) }, nil, exitFailed,
			finding{"installation", problem, "not installed", "sessioncleanup migrate"}},
		{"a newer version migrated it", sqlOf("INSERT INTO sessioncleanup_migrations (version_id, is_applied) VALUES (9999, 1)"), nil, exitFailed,
			finding{"", problem, "newer version", "install the newer version"}},
		{"a trigger is gone", sqlOf("DROP TRIGGER sessioncleanup_session_changed"), nil, exitFailed,
			finding{"installation", problem, "sessioncleanup_session_changed is missing", "sessioncleanup migrate"}},
		{"an index is gone", func(t *testing.T, _ *user, s *service) {
			var name string
			row := s.db.QueryRowContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'sessions' AND name LIKE 'sessioncleanup%' LIMIT 1")
			if err := row.Scan(&name); err != nil {
				t.Fatal(err)
			}
			s.exec(t, `DROP INDEX "`+name+`"`)
		}, nil, exitFailed, finding{"installation", problem, "the index", "sessioncleanup migrate"}},
		{"a column is gone", sqlOf("ALTER TABLE sessions RENAME COLUMN streamer_id TO host_id"), nil, exitFailed,
			finding{"installation", problem, "streamer_id", "migrate"}},
		{"a time cannot be read", sqlOf("UPDATE sessions SET last_activity = 'yesterday' WHERE id = 42"), nil, exitFailed,
			finding{"installation", problem, "a time that cannot be read", "correct the rows"}},
		{"a switch is neither on nor off", sqlOf("UPDATE sessions SET active = 7 WHERE id = 42"), nil, exitFailed,
			finding{"installation", problem, "want 0 or 1", "correct the rows"}},
		{"a foreign key keeps sessions", sqlOf("CREATE TABLE bills (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id))"), nil, exitFailed,
			finding{"installation", problem, "without ON DELETE CASCADE", "correct the rows or the table"}},
		{"an activity table came later", sqlOf("CREATE TABLE votes (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, created_at TIMESTAMP)"),
			nil, exitFailed, finding{"installation", problem, "votes", "sessioncleanup migrate"}},
		{"triggers are there and do nothing", sqlOf("UPDATE sessioncleanup_settings SET writing = 1"), nil, exitFailed,
			finding{"tracking", problem, "rows of propositions do not count as activity", "migrate"}},
		{"cleanups are disabled", func(_ *testing.T, u *user, _ *service) { u.vars[sessioncleanup.EnvEnabled] = "false" }, nil, exitFailed,
			finding{"policy", problem, "cleanups are disabled", "SESSION_CLEANUP_ENABLED=true"}},
		{"no run ever", sqlOf("DELETE FROM sessioncleanup_events"), nil, exitFailed,
			finding{"runs", problem, "the audit log has no run", "schedule runs"}},
		{"runs stopped", func(t *testing.T, u *user, s *service) {
			s.exec(t, "DELETE FROM sessioncleanup_events")
			records(72*time.Hour, func(*sessioncleanup.RunSummary) {})(t, u, s)
		}, nil, exitFailed, finding{"runs", problem, "longer ago than 26", "schedule runs"}},
		{"runs fail", records(0, func(r *sessioncleanup.RunSummary) { r.Error = "disk full" }), nil, exitFailed,
			finding{"runs", problem, "disk full", "do what the error says"}},
		{"the deletion limit stops runs", records(0, func(r *sessioncleanup.RunSummary) {
			r.Refused, r.Error = true, (&sessioncleanup.TooManyError{Due: 500, Fraction: .5}).Error()
		}), nil, exitFailed, finding{"runs", problem, "too many sessions would be deleted", "cleanup --force=N"}},
		{"runs leave sessions", records(0, func(r *sessioncleanup.RunSummary) {
			r.Phases = sessioncleanup.Phases{{Action: sessioncleanup.ActionDeleted, Due: 2, Done: 1, Failed: 1}}
		}), nil, exitAlert, finding{"runs", warning, "could not clean up 1 sessions", "names the sessions"}},
		{"runs change nothing", records(0, func(r *sessioncleanup.RunSummary) {
			r.Phases = sessioncleanup.Phases{{Action: sessioncleanup.ActionDeleted, Due: 2, Skipped: 2}}
		}), nil, exitAlert, finding{"runs", warning, "changed nothing", "names the sessions"}},
		{"a last activity is never over", sqlOf("UPDATE sessions SET last_activity = '9999-12-31 00:00:00' WHERE id = 42"), nil, exitAlert,
			finding{"sessions", warning, "1 session can never become due", "set their last activity"}},
		{"many sessions are due", sqlOf(`WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1150)
			INSERT INTO sessions (id, streamer_id, name, code, last_activity) SELECT i, '7', 'x', 'D' || i, datetime('now', '-3 days') FROM n`), nil, exitAlert,
			finding{"sessions", warning, "sessions are due for cleanup", "cleanup --dry-run"}},
	})
}

func TestDoctorFindsEachBrokenInstallationOnPostgreSQL(t *testing.T) {
	t.Parallel()
	const problem = statusProblem
	examine(t, newPostgresService, []breakage{
		{"the server is down", func(_ *testing.T, u *user, _ *service) { u.vars[envDatabase] = "postgres://app@127.0.0.1:1/app" }, nil, exitFailed,
			finding{"database", problem, "database unavailable", "start the database"}},
		{"a trigger is disabled", sqlOf("ALTER TABLE propositions DISABLE TRIGGER USER"), nil, exitFailed,
			finding{"installation", problem, "is disabled", "sessioncleanup migrate"}},
		{"connections turn triggers off", sqlOf(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END $$`),
			nil, exitFailed, finding{"tracking", problem, "do not count as activity", "session_replication_role"}},
		{"the installation is not trusted without its table", func(t *testing.T, u *user, s *service) {
			u.calls("uninstall", "--yes").want(t, exitDone)
			u.asRole(t, s, "CREATE SCHEMA app AUTHORIZATION %I")
			s.exec(t, `CREATE TABLE app.rooms (id int PRIMARY KEY, last_activity timestamptz NOT NULL DEFAULT now());
				DO $$ BEGIN EXECUTE format('ALTER TABLE app.rooms OWNER TO %I', (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'app')); END $$`)
			u.calls("migrate", "--table", "app.rooms").want(t, exitDone)
			u.vars[envDatabase] = s.url
		}, []string{"--trust-owner"}, exitFailed, finding{"", problem, "in the schema app", "do what the message says; migrate would begin another installation"}},
		{"row security hides sessions", func(t *testing.T, u *user, s *service) {
			s.exec(t, "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
			u.asRole(t, s, "GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I")
		}, nil, exitFailed, finding{"database", problem, "row security", "do what the message says"}},
		{"the role lacks rights", func(t *testing.T, u *user, s *service) {
			u.asRole(t, s, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I")
		}, nil, exitFailed,
			finding{"rights", problem, "DELETE on public.sessions", "--cleaner-role"}},
	})
}

// asRole has the user connect as a new role with some rights.
func (u *user) asRole(t *testing.T, s *service, grants string) {
	t.Helper()
	role := "doctor_" + strings.ToLower(rand.Text())
	s.exec(t, "CREATE ROLE "+role+" LOGIN")
	s.exec(t, "DO $$ BEGIN EXECUTE format('"+grants+"', '"+role+"'); END $$")
	t.Cleanup(func() { _, _ = s.db.ExecContext(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	u.vars[envDatabase] = strings.Replace(s.url, "postgres://postgres@", "postgres://"+role+"@", 1)
}

// examine has doctor find that an installation is healthy, and what is wrong with each broken one.
func examine(t *testing.T, newService func(testing.TB) *service, cases []breakage) {
	t.Helper()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		u := healthy(t, newService(t))
		out := u.calls("doctor").want(t, exitDone, "ok ")
		if strings.Contains(out.out, "fix:") {
			t.Errorf("a healthy installation needs a fix: %s", out.out)
		}
	})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			u := healthy(t, s)
			c.breaks(t, u, s)
			out := u.calls(append([]string{"doctor", "--json"}, c.args...)...).want(t, c.code)
			var report struct {
				Status   status
				Findings []finding
			}
			if err := json.Unmarshal([]byte(out.out), &report); err != nil {
				t.Fatalf("%v in %s%s", err, out.out, out.err)
			}
			if report.Status != c.want.Status {
				t.Errorf("status %s, want %s", report.Status, c.want.Status)
			}
			for _, f := range report.Findings {
				if (c.want.Check == "" || f.Check == c.want.Check) && f.Status == c.want.Status && strings.Contains(f.Message, c.want.Message) && strings.Contains(f.Fix, c.want.Fix) {
					return
				}
			}
			t.Errorf("doctor does not find %+v:\n%s", c.want, out.out)
		})
	}
}

// What doctor tries leaves no trace.
func TestDoctorChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	u := healthy(t, s)
	s.exec(t, "CREATE TABLE written (id INTEGER)")
	s.exec(t, "CREATE TRIGGER writes AFTER UPDATE ON propositions BEGIN INSERT INTO written VALUES (NEW.id); END")
	s.exec(t, "UPDATE sessions SET last_activity = "+s.ago(5*time.Hour))
	before := s.count(t, "SELECT count(*) FROM sessioncleanup_touches WHERE at IS NOT NULL")
	u.calls("doctor").want(t, exitDone, "count as activity")
	if n := s.count(t, "SELECT count(*) FROM written"); n != 0 {
		t.Errorf("doctor left %d rows", n)
	}
	if after := s.count(t, "SELECT count(*) FROM sessioncleanup_touches WHERE at IS NOT NULL"); after != before {
		t.Errorf("doctor left notes: %d, before %d", after, before)
	}
	u.vars[envDatabase] = ""
	u.calls("doctor").want(t, exitUsage, "no database")
	if _, err := os.Stat(filepath.Join(u.dir, "elsewhere.db")); err == nil {
		t.Error("doctor made a file")
	}
}

func TestDoctorListsTheRightsOnATableTogether(t *testing.T) {
	t.Parallel()
	for want, denied := range map[string][]string{
		"SELECT, DELETE on public.rooms; UPDATE on public.votes": {"SELECT on public.rooms", "UPDATE on public.votes", "DELETE on public.rooms"},
		"CREATE TEMPORARY TABLES; SUPER":                         {"CREATE TEMPORARY TABLES", "SUPER"},
		"":                                                       nil,
	} {
		if got := rights(denied); got != want {
			t.Errorf("the rights are %q, want %q", got, want)
		}
	}
}

// A database that is full or busy is not to be started.
func TestDoctorSendsNobodyToStartADatabaseThatIsFull(t *testing.T) {
	t.Parallel()
	e := &examination{}
	e.fail("database", fmt.Errorf("app.db: %w: no space left on the disk; make room for it", sessioncleanup.ErrUnavailable))
	if got, want := e.findings[0].Fix, "do what the message says; when the database cannot be reached, start"; !strings.HasPrefix(got, want) {
		t.Errorf("the fix is %q, want one that begins with %q", got, want)
	}
}

// The call is right and the database is not: 2 would say that the call has to be changed.
func TestWhatIsWrongInTheDatabaseIsNoWrongUsage(t *testing.T) {
	t.Parallel()
	for name, of := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := of(t)
			u := healthy(t, s)
			s.exec(t, "CREATE TABLE bills (id INTEGER PRIMARY KEY, session_id INTEGER, FOREIGN KEY (session_id) REFERENCES sessions (id))")
			u.calls("validate").want(t, exitFailed, "bills")
			u.calls("validate", "--json").want(t, exitFailed, "bills")
			s.exec(t, "DROP TABLE bills")
			u.calls("validate").want(t, exitDone)
			u.calls("validate", "--table", "a;b").want(t, exitUsage, "--table")
			u.calls("validate", "--no-such-flag").want(t, exitUsage, "--no-such-flag")
		})
	}
}

func TestDoctorReportsInOneOrder(t *testing.T) {
	t.Parallel()
	u := healthy(t, newSQLiteService(t))
	first := u.calls("doctor", "--json").want(t, exitDone).out
	for range 5 { // three findings in a random order would differ
		if again := u.calls("doctor", "--json").want(t, exitDone).out; again != first {
			t.Fatalf("doctor prints\n%s\nand then\n%s", first, again)
		}
	}
}

func TestAFullDiskOfTheServerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, fills := range map[string][]string{
		"PostgreSQL": {
			`CREATE FUNCTION out_of_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$`,
			`CREATE TRIGGER out_of_space BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION out_of_space()`,
		},
		"MariaDB": {`CREATE TRIGGER out_of_space BEFORE UPDATE ON sessions FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := services[name](t)
			u := newUser(t, map[string]string{envDatabase: s.url})
			u.calls("migrate").want(t, exitDone)
			for _, statement := range fills {
				s.exec(t, statement)
			}
			u.calls("expire", inUse, "2030-01-01").want(t, exitFailed, "database unavailable", "make room on the disk of the server")
		})
	}
}
