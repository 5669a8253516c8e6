package command

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	mysqltest.Stop()
	removeBinary()
	os.Exit(code)
}

// outcome is the output and the exit code of one call of the command.
type outcome struct {
	out, err string
	code     int
}

// user calls the command in process, from a working directory and with an environment of its own.
type user struct {
	t    testing.TB
	dir  string
	vars map[string]string
	in   io.Reader
	tty  bool // the streams are a terminal
}

// limited is a context for what goes on until a test ends it: a service that never says what the test waits for ends with it.
func limited(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newUser(t testing.TB, vars map[string]string) *user {
	t.Helper()
	return &user{t: t, dir: t.TempDir(), vars: maps.Clone(vars), in: strings.NewReader("")}
}

func (u *user) calls(args ...string) outcome {
	u.t.Helper()
	return u.callsWithin(u.t.Context(), args...)
}

func (u *user) callsWithin(ctx context.Context, args ...string) outcome {
	u.t.Helper()
	var out, err bytes.Buffer
	code := run(ctx, u.environment(&out, &err, args))
	return outcome{out.String(), err.String(), code}
}

func (u *user) environment(out, err io.Writer, args []string) environment {
	return environment{
		args: args, in: u.in, out: out, err: err, dir: u.dir,
		lookup: func(name string) (string, bool) {
			value, ok := u.vars[name]
			return value, ok
		},
		names:    slices.Collect(maps.Keys(u.vars)),
		terminal: func(any) bool { return u.tty },
	}
}

// want fails the test unless a call ended with this code and printed all of these words, to either stream.
func (o outcome) want(t testing.TB, code int, words ...string) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", o.code, code, o.out, o.err)
	}
	for _, word := range words {
		if !strings.Contains(o.out+o.err, word) {
			t.Errorf("%q is missing in\nstdout: %s\nstderr: %s", word, o.out, o.err)
		}
	}
	return o
}

// silent fails the test if a call printed anything.
func (o outcome) silent(t testing.TB) {
	t.Helper()
	if o.out+o.err != "" {
		t.Errorf("want no output, got\nstdout: %s\nstderr: %s", o.out, o.err)
	}
}

// service is the database of a service that has sessions, as the guide describes it.
type service struct {
	url    string
	db     *sql.DB
	driver string
}

const sqliteService = `
CREATE TABLE users (id TEXT PRIMARY KEY, display_name TEXT NOT NULL);
CREATE TABLE sessions (
	id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, streamer_id TEXT NOT NULL REFERENCES users (id),
	active BOOLEAN DEFAULT 1, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE propositions (
	id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	viewer_id TEXT NOT NULL REFERENCES users (id), url TEXT NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX propositions_session ON propositions (session_id);
CREATE TABLE playlist_tracks (
	id INTEGER PRIMARY KEY, proposition_id INTEGER REFERENCES propositions (id) ON DELETE CASCADE, title TEXT NOT NULL);
CREATE INDEX playlist_tracks_proposition ON playlist_tracks (proposition_id);`

const postgresService = `
CREATE TABLE users (id varchar(255) PRIMARY KEY, display_name varchar(255) NOT NULL);
CREATE TABLE sessions (
	id serial PRIMARY KEY, code varchar(255) NOT NULL UNIQUE, name varchar(255) NOT NULL,
	streamer_id varchar(255) NOT NULL REFERENCES users (id), active boolean DEFAULT true,
	created_at timestamp DEFAULT current_timestamp, updated_at timestamp DEFAULT current_timestamp);
CREATE TABLE propositions (
	id serial PRIMARY KEY, session_id integer NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	viewer_id varchar(255) NOT NULL REFERENCES users (id), url varchar(512) NOT NULL, created_at timestamp DEFAULT current_timestamp);
CREATE INDEX propositions_session ON propositions (session_id);
CREATE TABLE playlist_tracks (
	id serial PRIMARY KEY, proposition_id integer REFERENCES propositions (id) ON DELETE CASCADE, title text NOT NULL);
CREATE INDEX playlist_tracks_proposition ON playlist_tracks (proposition_id);`

const mysqlService = `
CREATE TABLE users (id VARCHAR(191) PRIMARY KEY, display_name VARCHAR(255) NOT NULL);
CREATE TABLE sessions (
	id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(191) NOT NULL UNIQUE, name VARCHAR(255) NOT NULL, streamer_id VARCHAR(191) NOT NULL,
	active BOOLEAN DEFAULT TRUE, created_at DATETIME DEFAULT (UTC_TIMESTAMP()), updated_at DATETIME DEFAULT (UTC_TIMESTAMP()), FOREIGN KEY (streamer_id) REFERENCES users (id));
CREATE TABLE propositions (
	id INT AUTO_INCREMENT PRIMARY KEY, session_id INT NOT NULL, viewer_id VARCHAR(191) NOT NULL, url VARCHAR(512) NOT NULL, created_at DATETIME DEFAULT (UTC_TIMESTAMP()),
	FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE, FOREIGN KEY (viewer_id) REFERENCES users (id));
CREATE TABLE playlist_tracks (
	id INT AUTO_INCREMENT PRIMARY KEY, proposition_id INT, title TEXT NOT NULL, FOREIGN KEY (proposition_id) REFERENCES propositions (id) ON DELETE CASCADE);`

// The sessions of a new service, named by their state under the policy.
const (
	inUse, forgotten, closed, gone = "1", "2", "3", "4"
	ownerID                        = "7"
)

// newSQLiteService creates a service on SQLite that is not migrated yet.
func newSQLiteService(t testing.TB) *service {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	s := openService(t, "sqlite", path, sqliteService)
	s.url = "sqlite:" + path
	return s
}

// newPostgresService creates a service on PostgreSQL that is not migrated yet.
func newPostgresService(t testing.TB) *service {
	t.Helper()
	url := pgtest.Empty(t)
	s := openService(t, "pgx", url, postgresService)
	s.url = url
	return s
}

func openService(t testing.TB, driver, source, tables string) *service {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &service{db: db, driver: driver}
	s.fill(t, tables)
	return s
}

// newMySQLService creates a service on MariaDB that is not migrated yet.
func newMySQLService(t testing.TB) *service {
	t.Helper()
	d := mysqltest.New(t)
	s := &service{db: d.DB, driver: "mysql", url: d.URL}
	s.fill(t, mysqlService)
	return s
}

func (s *service) fill(t testing.TB, tables string) {
	t.Helper()
	s.exec(t, tables)
	s.exec(t, `INSERT INTO users (id, display_name) VALUES ('7', 'luna'), ('8', 'max')`)
	for _, row := range []struct {
		id     string
		active bool
		unused time.Duration
	}{
		{inUse, true, time.Hour}, {forgotten, true, 48 * time.Hour}, {closed, false, 80 * time.Hour}, {gone, false, 40 * 24 * time.Hour},
		{"42", true, time.Hour}, {"43", true, time.Hour},
	} {
		s.addSession(t, row.id, row.active, row.unused)
	}
}

// addSession adds a session that was last used some time ago, which migrate finds in its times.
func (s *service) addSession(t testing.TB, id string, active bool, unused time.Duration) {
	t.Helper()
	used := s.ago(unused)
	s.exec(t, fmt.Sprintf(`INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at) VALUES (%s, '7', 'Room %s', 'C%s', %t, %s, %s)`,
		id, id, id, active, used, used))
}

// ago is a time in the past, in the service's SQL.
func (s *service) ago(d time.Duration) string {
	switch s.driver {
	case "pgx":
		return fmt.Sprintf("localtimestamp - interval '%d seconds'", int(d.Seconds()))
	case "mysql":
		return fmt.Sprintf("UTC_TIMESTAMP() - INTERVAL %d SECOND", int(d.Seconds()))
	}
	return fmt.Sprintf("datetime('now', '-%d seconds')", int(d.Seconds()))
}

func (s *service) exec(t testing.TB, query string) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%v in\n%s", err, query)
	}
}

// count is the result of a query for one number.
func (s *service) count(t testing.TB, query string) int {
	t.Helper()
	var n int
	if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%v in\n%s", err, query)
	}
	return n
}

// migrated is a user of a service on SQLite whose database is ready.
func migrated(t testing.TB) (*user, *service) {
	t.Helper()
	s := newSQLiteService(t)
	u := newUser(t, map[string]string{envDatabase: s.url, "USER": "alice"})
	u.calls("migrate").want(t, exitDone, "The database is ready", "propositions (session_id)", "users.display_name")
	return u, s
}

// writes puts a file into the user's working directory.
func (u *user) writes(name, content string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}
