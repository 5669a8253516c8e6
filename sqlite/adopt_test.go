package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestMigrateAdoptsWhatInspectProposes(t *testing.T) {
	t.Parallel()
	store, _ := adopt(t, appTables)
	got, err := store.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := sessioncleanup.Schema{
		Table: "sessions", Owner: "streamer_id", Name: "name", Code: "code", CreatedAt: "created_at", UpdatedAt: "updated_at",
		Owners:  &sessioncleanup.Owners{Table: "users", ID: "id", Name: "username", Mail: "email", Language: "locale", Zone: "time_zone"},
		Sources: []sessioncleanup.Source{{Table: "propositions", Session: "session_id", At: "created_at"}},
	}.WithDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Errorf("after Migrate: %v", err)
	}
}

func TestMigrateBackfillsTheLatestKnownTime(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables, `
		INSERT INTO sessions (id, created_at, updated_at) VALUES
			(1, '2020-01-01 00:00:00', NULL), (2, '2020-01-01 00:00:00', '2020-02-01T00:00:00Z'),
			(3, '2020-01-01 00:00:00', '2020-02-01T00:00:00+02:00'), (4, NULL, NULL), (5, 'long ago', '2999-01-01'),
			(6, 1577836800, NULL);
		INSERT INTO propositions (session_id, created_at) VALUES (3, '2020-03-01 10:00:00'), (3, '2020-02-15'), (1, NULL);`)
	now := clock(t, store)
	for id, want := range map[string]time.Time{
		"1": time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "2": time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC),
		"3": time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC), "4": now, "5": now, "6": time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		s := get(t, store, id)
		if !near(s.LastActivity, want) || !s.Active || !s.AutoCleanup {
			t.Errorf("session %s was last active %s, active %v, auto-cleanup %v; want %s, true, true", id, s.LastActivity, s.Active, s.AutoCleanup, want)
		}
	}
	if got := line(t, app, "SELECT last_activity FROM sessions WHERE id = 2"); got != "2020-02-01 00:00:00 +0000 UTC" {
		t.Errorf("the application reads last_activity as %s, want a time", got)
	}
}

func TestMigrateBackfillsATableLargerThanABatch(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500)
		INSERT INTO sessions (id, created_at) SELECT i * 3, datetime('2020-01-01', i || ' minutes') FROM n`)
	if got := line(t, app, "SELECT count(*), sum(auto_cleanup), sum(julianday(last_activity) = julianday(created_at)) FROM sessions"); got != "3500|3500|3500" {
		t.Errorf("sessions, cleaned up, with their time: %s", got)
	}
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateRespectsColumnsThatAreThere(t *testing.T) {
	t.Parallel()
	store, app := adoptWith(t, withView, `
		CREATE TABLE rooms (uuid TEXT PRIMARY KEY, title TEXT, is_active INTEGER, expires DATETIME, last_activity_at TEXT, auto_cleanup INTEGER, hours_inactive TEXT);
		CREATE INDEX rooms_active ON rooms (is_active);
		CREATE TABLE messages (id INTEGER PRIMARY KEY, room_id TEXT REFERENCES rooms ON DELETE CASCADE);
		CREATE INDEX messages_room ON messages (room_id);
		INSERT INTO rooms VALUES
			('a', 'A', 1, '2020-01-01T00:00:00.000Z', '2999-01-01T10:00:00.250+02:00', 1, 'mine'),
			('b', 'B', NULL, NULL, NULL, NULL, NULL)`)
	if diff := cmp.Diff(sessioncleanup.Session{
		ID: "a", Name: "A", Active: true, AutoCleanup: true,
		LastActivity: time.Date(2999, 1, 1, 8, 0, 0, 250e6, time.UTC), ExpiresAt: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
	}, get(t, store, "a")); diff != "" {
		t.Errorf("session a (-want +got):\n%s", diff)
	}
	// NULL says nothing of whether a session may be cleaned up, and so nothing automatic happens to it.
	if b := get(t, store, "b"); !b.Active || b.AutoCleanup || !near(b.LastActivity, clock(t, store)) {
		t.Errorf("session b: %+v", b)
	}
	if got := line(t, app, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sessioncleanup_messages%' AND type = 'index'"); got != "0" {
		t.Error("there is a second index on messages.room_id")
	}
	if got := line(t, app, "SELECT hours_inactive, cleanup_status FROM sessions_cleanup_view WHERE uuid = 'a'"); got != "mine|À désactiver" {
		t.Errorf("the view has %s", got)
	}
	deleted, deactivated, err := clean(t.Context(), store)
	if err != nil || len(deleted) > 0 || !cmp.Equal(deactivated, []string{"a"}) {
		t.Errorf("a run deleted %v and deactivated %v: %v", deleted, deactivated, err)
	}
}

// TestTimesOfEveryFormAreReadAndWritten has a session that is due and one that is not in each form in which applications keep
// times, and sees that the application's own form is kept.
func TestTimesOfEveryFormAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		declared string
		write    func(time.Time) any
		kept     string // how a time that the library wrote looks, as a GLOB
	}{
		"sqlite's own":     {"DATETIME", func(t time.Time) any { return t.UTC().Format(time.DateTime) }, "2*-*-* *:*:*.*"},
		"ISO 8601":         {"TEXT", func(t time.Time) any { return t.UTC().Format(time.RFC3339Nano) }, "2*-*-* *:*:*.*"},
		"with an offset":   {"TIMESTAMP", func(t time.Time) any { return t.In(time.FixedZone("", -5*3600)).Format(time.RFC3339) }, "2*-*-* *:*:*.*"},
		"mattn's":          {"", func(t time.Time) any { return t.Format("2006-01-02 15:04:05.999999999-07:00") }, "2*-*-* *:*:*.*"},
		"Go's":             {"DATETIME", func(t time.Time) any { return t.In(time.FixedZone("CEST", 2*3600)) }, "2*-*-* *:*:*.* +0000 UTC"},
		"Go's, monotonic":  {"TEXT", func(t time.Time) any { return time.Now().Add(time.Until(t)) }, "2*-*-* *:*:*.* +0000 UTC"},
		"seconds":          {"INTEGER", func(t time.Time) any { return t.Unix() }, "1?????????"},
		"seconds, real":    {"REAL", func(t time.Time) any { return float64(t.UnixMilli()) / 1000 }, "1*.*"},
		"seconds, untyped": {"", func(t time.Time) any { return t.Unix() }, "1?????????"},
		"milliseconds":     {"BIGINT", func(t time.Time) any { return t.UnixMilli() }, "1????????????"},
		"microseconds":     {"TIMESTAMP", func(t time.Time) any { return t.UnixMicro() }, "1???????????????"},
		"nanoseconds":      {"INTEGER", func(t time.Time) any { return t.UnixNano() }, "1??????????????????"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, fmt.Sprintf(
				"CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, last_activity %s, expires_at %[1]s, auto_cleanup BOOLEAN DEFAULT 1)", c.declared))
			now := time.Now()
			insert := "INSERT INTO sessions (id, last_activity, expires_at) VALUES (?, ?, ?)"
			execute(t, app, insert, 1, c.write(now.Add(-2*day)), c.write(now.Add(time.Hour)))
			execute(t, app, insert, 2, c.write(now.Add(-time.Hour)), c.write(now.Add(time.Hour)))
			execute(t, app, insert, 3, c.write(now.Add(-time.Hour)), c.write(now.Add(-time.Minute)))
			store := open(t, path, sqlite.Config{})
			migrate(t, store)
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			if s := get(t, store, "2"); !near(s.LastActivity, now.Add(-time.Hour)) || !near(s.ExpiresAt, now.Add(time.Hour)) {
				t.Errorf("read %s and %s", s.LastActivity, s.ExpiresAt)
			}
			if _, deactivated, err := clean(t.Context(), store); err != nil || !cmp.Equal(deactivated, []string{"1", "3"}) {
				t.Errorf("deactivated %v: %v", deactivated, err)
			}
			if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1", "2", "3"}, Interval: time.Minute}); n != 3 || err != nil {
				t.Errorf("touched %d: %v", n, err)
			}
			if s := get(t, store, "1"); !near(s.LastActivity, time.Now()) {
				t.Errorf("touched, but last active %s", s.LastActivity)
			}
			expiry := now.Add(3 * day).UTC().Truncate(time.Second)
			got, err := store.Update(t.Context(), sessioncleanup.Target{ID: "2"}, sessioncleanup.Change{Action: sessioncleanup.ActionExpirySet, Cause: sessioncleanup.Cause{Actor: "system"}, ExpiresAt: &expiry})
			if err != nil || !got.ExpiresAt.Equal(expiry) {
				t.Errorf("set the expiry to %s, got %s: %v", expiry, got.ExpiresAt, err)
			}
			if got := line(t, app, "SELECT sum(CAST(last_activity AS TEXT) GLOB ?1), sum(CAST(expires_at AS TEXT) GLOB ?1 AND id = 2) FROM sessions", c.kept); got != "3|1" {
				t.Errorf("in the application's form: %s\n%s", got, line(t, app, "SELECT CAST(last_activity AS TEXT), CAST(expires_at AS TEXT) FROM sessions"))
			}
			execute(t, app, "INSERT INTO sessions (id, last_activity) VALUES (4, NULL)")
			if s := get(t, store, "4"); !near(s.LastActivity, time.Now()) {
				t.Errorf("inserted just now, but last active %s", s.LastActivity)
			}
		})
	}
}

func TestStrictTablesAreAdopted(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, "CREATE TABLE sessions (id ANY PRIMARY KEY NOT NULL, updated_at ANY) STRICT",
		"INSERT INTO sessions VALUES ('007', datetime('now', '-2 days')), ('7', datetime('now', '-2 days')), ('x', datetime('now', '-2 days'))")
	execute(t, app, "UPDATE sessions SET updated_at = datetime('now') WHERE id = '007'")
	if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"x"}}); n != 1 || err != nil {
		t.Errorf("touched %d: %v", n, err)
	}
	if _, deactivated, err := clean(t.Context(), store); err != nil || !cmp.Equal(deactivated, []string{"7"}) {
		t.Errorf("deactivated %v: %v", deactivated, err)
	}
	if got := line(t, app, "SELECT group_concat(id || typeof(active) || typeof(last_activity) || typeof(deactivated_at), ' ') FROM (SELECT * FROM sessions ORDER BY id)"); got !=
		"007integertextnull 7integertexttext xintegertextnull" {
		t.Errorf("sessions: %s", got)
	}
}

func TestATimeThatCannotBeReadMakesNothingDue(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, `CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN DEFAULT 1, last_activity TEXT, expires_at TEXT, auto_cleanup BOOLEAN DEFAULT 1)`)
	old := stamp(time.Now().Add(-90 * day))
	execute(t, app, `INSERT INTO sessions (id, active, last_activity, expires_at, deactivated_at) VALUES
		(1, 1, 'last week', NULL, NULL), (2, 0, 'last week', ?1, ?1), (3, 0, ?1, '12/24/2020', ?1), (4, 1, '12/24/2020', NULL, NULL),
		(5, 1, 'now', ?2, NULL), (6, 0, ?1, NULL, ?1)`,
		old, stamp(time.Now().Add(time.Hour)))
	deleted, deactivated, err := clean(t.Context(), store)
	if err != nil || !cmp.Equal(deleted, []string{"6"}) || len(deactivated) > 0 {
		t.Errorf("deleted %v, deactivated %v: %v", deleted, deactivated, err)
	}
	err = store.Validate(t.Context())
	for _, want := range []string{`4 sessions have in "last_activity" a time that cannot be read, "12/24/2020" for example`, `1 sessions have in "expires_at"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate says %v, want %s", err, want)
		}
	}
	if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"1"}, Interval: time.Hour}); n != 1 || err != nil {
		t.Errorf("a touch wrote %d sessions: %v", n, err)
	}
}

func TestMigrateAgainOnlyReads(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	version := func() string { return line(t, app, "PRAGMA data_version") }
	before := version()
	migrate(t, store)
	migrate(t, open(t, path, sqlite.Config{}))
	if after := version(); after != before {
		t.Errorf("something was written: data_version was %s and is %s", before, after)
	}
	migrateWith(t, store, sessioncleanup.Policy{InactiveAfter: time.Hour, DeleteAfter: sessioncleanup.Never})
	p, err := store.Policy(t.Context())
	if want := (sessioncleanup.Policy{InactiveAfter: time.Hour, DeleteAfter: sessioncleanup.Never}).WithDefaults(); err != nil || p != want {
		t.Errorf("the policy is %+v, want %+v: %v", p, want, err)
	}
	if got := line(t, app, "SELECT inactive_after_seconds, delete_after_seconds FROM sessioncleanup_settings"); got != "3600|<nil>" {
		t.Errorf("in SQL the thresholds are %s", got)
	}
}

func TestAMissingFileIsNamedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nowhere", "app.db")
	store := open(t, path, sqlite.Config{})
	_, err := store.List(t.Context(), sessioncleanup.Query{})
	for doing, err := range map[string]error{"List": err, "Migrate": store.Migrate(t.Context(), sessioncleanup.Policy{})} {
		if err == nil || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v, want an error with the path once", doing, err)
		}
	}
}

func TestAnotherTableThanTheAdoptedOneIsNamed(t *testing.T) {
	t.Parallel()
	path, _ := newApp(t, appTables)
	migrate(t, open(t, path, sqlite.Config{}))
	store := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "rooms"}})
	if _, err := store.List(t.Context(), sessioncleanup.Query{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), `for the table "rooms": the one that was adopted is "sessions"`) {
		t.Errorf("List: %v, want an ErrNotInstalled that names both tables", err)
	}
}

// The longest name of MariaDB is 64 characters long, here 128 bytes.
func TestTablesWithLongNamesAreAdopted(t *testing.T) {
	t.Parallel()
	table, column := strings.Repeat("é", 64), strings.Repeat("ü", 64)
	store, app := adoptWith(t, sqlite.Config{Schema: sessioncleanup.Schema{Table: table}},
		fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, active BOOLEAN, created_at DATETIME)", table),
		fmt.Sprintf("CREATE TABLE m%s (id INTEGER PRIMARY KEY, %s INTEGER REFERENCES %s (id) ON DELETE CASCADE, created_at DATETIME)", table, column, table),
		fmt.Sprintf("INSERT INTO %s VALUES (1, 1, '2020-01-01'), (2, 1, '2020-01-01')", table))
	execute(t, app, fmt.Sprintf("INSERT INTO m%s (%s) VALUES (1)", table, column))
	if _, deactivated, err := clean(t.Context(), store); err != nil || len(deactivated) != 1 {
		t.Errorf("a run deactivates %q, %v; want the session that is not used", deactivated, err)
	}
	if s := get(t, store, "1"); !s.Active || s.ActivityCount != 1 {
		t.Errorf("the session in use is %+v", s)
	}
}

func TestMigrateFollowsAChangedSchema(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables, "CREATE TABLE votes (session_id INTEGER REFERENCES sessions (id) ON DELETE CASCADE)", "INSERT INTO sessions (id) VALUES (1)")
	schema := sessioncleanup.Schema{Sources: []sessioncleanup.Source{{Table: "propositions", Session: "session_id"}}}
	migrate(t, open(t, path, sqlite.Config{Schema: schema}))
	schema.Sources = []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}
	schema.Name = "code"
	second := open(t, path, sqlite.Config{Schema: schema})
	if _, err := second.List(t.Context(), sessioncleanup.Query{}); err == nil || !strings.Contains(err.Error(), "differs from the one that was adopted") {
		t.Errorf("before Migrate: %v", err)
	}
	migrate(t, second)
	if err := second.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if got := line(t, app, "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name)"); got !=
		"sessioncleanup_session_changed sessioncleanup_session_deleted sessioncleanup_session_inserted sessioncleanup_session_used sessioncleanup_votes_session_id_inserted sessioncleanup_votes_session_id_updated" {
		t.Errorf("triggers: %s", got)
	}
	execute(t, app, "INSERT INTO votes VALUES (1), (1)")
	if s := get(t, second, "1"); s.ActivityCount != 2 {
		t.Errorf("%d rows of activity, want 2", s.ActivityCount)
	}
}

func TestMigrateIsSafeToCallAtOnce(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, appTables, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		INSERT INTO sessions (created_at) SELECT datetime('2020-01-01') FROM n`)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			store, err := sqlite.Open(t.Context(), path, sqlite.Config{BusyTimeout: time.Minute, Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true}})
			if err == nil {
				err = store.Migrate(t.Context(), sessioncleanup.Policy{})
			}
			if err == nil {
				err = store.Validate(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			_ = store.Close()
		})
	}
	group.Wait()
	if got := line(t, app, "SELECT group_concat(version_id) FROM sessioncleanup_migrations"); got != "0,1,2,3,4,5,6,7,8,9,10,11" {
		t.Errorf("versions: %s", got)
	}
}

func TestOpenAndMigrateMakeAMissingFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/odd name ?#%41.db"
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if schema, err := store.Schema(t.Context()); err != nil || !cmp.Equal(schema, sessioncleanup.OwnSchema()) {
		t.Errorf("schema %+v: %v", schema, err)
	}
	app := openApp(t, ":memory:")
	execute(t, app, "ATTACH ? AS file", path)
	execute(t, app, "INSERT INTO file.sessions (name) VALUES ('first')")
	page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 2})
	if err != nil || len(page.Sessions) != 1 {
		t.Fatalf("%+v: %v", page, err)
	}
	if s := page.Sessions[0]; len(s.ID) != 16 || s.Name != "first" || !s.Active || !s.AutoCleanup || !near(s.CreatedAt, time.Now()) || !near(s.LastActivity, time.Now()) {
		t.Errorf("inserted by an application that sets nothing but a name: %+v", s)
	}
}
