// Package pgtest provides a real PostgreSQL for tests: one server for each test binary, a database of its own for each test.
//
// The server is the one that SESSIONCLEANUP_TEST_POSTGRES names (the URL of a role that may create databases), or
// else one started from local binaries: those in the folder SESSIONCLEANUP_TEST_POSTGRES_BIN, in PATH, or where
// Debian puts them. Without either, the test fails and says what to install.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The environment variables that choose the server.
const (
	EnvURL = "SESSIONCLEANUP_TEST_POSTGRES"
	EnvBin = "SESSIONCLEANUP_TEST_POSTGRES_BIN"
)

// Empty returns the URL of a new, empty database, which is dropped when the test ends.
func Empty(t testing.TB) string {
	t.Helper()
	return shared(t).Database(t, "template0")
}

// Prepared returns the URL of a new database that is as prepare left its template. The template is made once in a
// test binary for each key, and cloned from then on; prepare must leave no connection to it open.
func Prepared(t testing.TB, key string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	return shared(t).Prepared(t, key, prepare)
}

// Version is the major version of the server that Empty and Prepared use.
func Version(t testing.TB) int {
	t.Helper()
	return shared(t).Version(t)
}

// shared starts the test binary's server on first use. It ends with the binary.
func shared(t testing.TB) *Server {
	t.Helper()
	server, err := sharedOnce()
	if err != nil {
		t.Fatalf("no PostgreSQL for tests: %v", err)
	}
	return server
}

var sharedOnce = sync.OnceValues(func() (*Server, error) {
	if admin := os.Getenv(EnvURL); admin != "" {
		return &Server{admin: admin}, nil
	}
	return start(nil)
})

// Server is a PostgreSQL server in which databases can be made.
type Server struct {
	admin string // URL of a database to create others from
	stop  func() // nil for a server that this process did not start
	home  string // its folder, with its socket
	clock string // the file that sets its clock, for StartAt
	env   []string

	stopped atomic.Bool

	preparing sync.Mutex
	templates map[string]template

	mu   sync.Mutex
	pool *pgxpool.Pool // connections to admin: a new one costs a server more than what most are for
}

type template struct {
	name string
	err  error
}

// URL is that of the server's database "postgres", as a superuser if this process started the server.
func (s *Server) URL() string { return s.admin }

// Version is the server's major version.
func (s *Server) Version(t testing.TB) int {
	t.Helper()
	var number int
	err := s.do(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number)
	})
	if err != nil {
		t.Fatal(err)
	}
	return number / 10000
}

// Database makes a database from a template and returns its URL. It is dropped when the test ends, with its connections.
func (s *Server) Database(t testing.TB, from string) string {
	t.Helper()
	name := randomName()
	if err := s.create(t.Context(), name, from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.stopped.Load() {
			return
		}
		if err := s.drop(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	return s.URLOf(name)
}

// Prepared is the package's Prepared for this server.
func (s *Server) Prepared(t testing.TB, key string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	return s.Database(t, s.template(t, key, prepare))
}

func (s *Server) template(t testing.TB, key string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	s.preparing.Lock()
	defer s.preparing.Unlock()
	made, ok := s.templates[key]
	if !ok {
		made.name = randomName()
		if made.err = s.create(t.Context(), made.name, "template0"); made.err == nil {
			made.err = prepare(t.Context(), s.URLOf(made.name))
		}
		if s.templates == nil {
			s.templates = map[string]template{}
		}
		s.templates[key] = made
	}
	if made.err != nil {
		t.Fatalf("template %s: %v", key, made.err)
	}
	return made.name
}

// Main runs a package's tests and then drops the templates they left on a server that this process did not start.
// Call it from TestMain; it returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if os.Getenv(EnvURL) == "" {
		return code
	}
	server, err := sharedOnce()
	if err != nil {
		return code
	}
	for _, made := range server.templates {
		if err := server.drop(context.Background(), made.name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

func (s *Server) create(ctx context.Context, name, from string) error {
	return s.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		strategy := "" // copying files costs half of what logging each page does
		if version, err := strconv.Atoi(strings.SplitN(conn.PgConn().ParameterStatus("server_version"), ".", 2)[0]); err == nil && version >= 15 {
			strategy = " STRATEGY file_copy"
		}
		_, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s%s", name, from, strategy))
		return err
	})
}

func (s *Server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name))
}

func (s *Server) exec(ctx context.Context, sql string) error {
	return s.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// do works on a connection to the server's own database. It takes a new one for a connection that ended in the meantime.
func (s *Server) do(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) error) error {
	pool, err := s.admins(ctx)
	if err != nil {
		return err
	}
	for again := false; ; again = true {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		err = work(ctx, conn.Conn())
		ended := conn.Conn().IsClosed()
		conn.Release()
		if err == nil || !ended || again || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Server) admins(ctx context.Context) (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		return s.pool, nil
	}
	config, err := pgxpool.ParseConfig(s.admin)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	s.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	return s.pool, err
}

// URLOf is the URL of one of the server's databases.
func (s *Server) URLOf(database string) string {
	u, err := url.Parse(s.admin)
	if err != nil {
		panic(err) // it was used to connect before
	}
	u.Path = "/" + database
	return u.String()
}

func randomName() string { return "pgtest_" + strings.ToLower(rand.Text()[:16]) }
