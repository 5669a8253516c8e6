// Package mysqltest provides MariaDB and MySQL databases for tests. It starts one server for all tests of a binary, or uses the
// one at the URL in SESSIONCLEANUP_TEST_MYSQL, as a user who may create databases.
package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	driversql "github.com/go-sql-driver/mysql"
)

// EnvURL names the environment variable with the URL of a server, such as mysql://root@127.0.0.1:3306, and EnvSecond one with
// another node of the same cluster.
const (
	EnvURL    = "SESSIONCLEANUP_TEST_MYSQL"
	EnvSecond = "SESSIONCLEANUP_TEST_MYSQL_SECOND"
)

var shared = sync.OnceValues(func() (*Server, error) {
	used.Store(true)
	if given := os.Getenv(EnvURL); given != "" {
		return at(given)
	}
	return start()
})

// Main runs the tests of a binary and then stops the server: for TestMain.
func Main(m *testing.M) int {
	defer Stop()
	return m.Run()
}

// Server is a running server.
type Server struct {
	url   string // without a database
	admin *sql.DB
	stop  func()
}

var numbers atomic.Int64

// Database is an empty database, dropped when the test ends.
type Database struct {
	URL    string  // for mysql.Open
	Second string  // the same on another node of the cluster, if there is one
	DB     *sql.DB // as the application uses it, in a time zone other than UTC
	Name   string
}

// New makes an empty database on the shared server.
func New(t testing.TB) Database {
	t.Helper()
	d := create(t)
	t.Cleanup(func() {
		_ = d.DB.Close()
		if err := d.drop(); err != nil {
			t.Errorf("drop the database of a test: %v", err)
		}
	})
	return d
}

// New makes an empty database on the server.
func (s *Server) New(t testing.TB) Database {
	t.Helper()
	d := s.create(t)
	t.Cleanup(func() { _ = d.DB.Close() })
	return d
}

// Exec executes a statement as the server's administrator.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	if _, err := s.admin.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// drop drops the database, on a server that ends soon as well: some questions of Migrate and of the archive take as long as
// there are tables in all databases.
func (d Database) drop() error {
	server, err := shared()
	if err == nil {
		_, err = server.admin.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+d.Name)
	}
	return err
}

// create makes a database that stays.
func create(t testing.TB) Database {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("no MariaDB for tests: %v", err)
	}
	return server.create(t)
}

// neutral are the settings of the application's connections, whatever the server's are.
var neutral = map[string]string{
	"time_zone": "'+05:30'", "sql_mode": "''", "foreign_key_checks": "1", "unique_checks": "1", "sql_safe_updates": "0", "sql_select_limit": "18446744073709551615", "autocommit": "1", "completion_type": "0", "default_storage_engine": "InnoDB", "sql_big_selects": "1",
}

func (s *Server) create(t testing.TB) Database {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), numbers.Add(1))
	if _, err := s.admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	db := connect(t, s.url, name, neutral)
	db.SetMaxIdleConns(4)
	d := Database{URL: s.url + "/" + name, Second: s.url + "/" + name, DB: db, Name: name}
	if second := os.Getenv(EnvSecond); second != "" {
		d.Second = second + "/" + name
	}
	return d
}

// Disconnect ends all connections to the database but those of the application.
func (d Database) Disconnect(ctx context.Context) error {
	server, err := shared()
	if err != nil {
		return err
	}
	ids, err := Texts(ctx, server.admin, "SELECT id FROM information_schema.processlist WHERE db = '"+d.Name+"'", 0)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, is := application.Load(id); !is {
			_, _ = server.admin.ExecContext(ctx, "KILL "+id) // it may be gone
		}
	}
	return nil
}

// application has the connections of the application, by their ids.
var application sync.Map

// Conn is a connection of the application's that Disconnect leaves alone.
func (d Database) Conn(ctx context.Context) (*sql.Conn, error) {
	conn, err := d.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var id string
	if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		return nil, err
	}
	application.Store(id, true)
	return conn, nil
}

// at is a server that runs already.
func at(given string) (*Server, error) {
	config, err := configOf(given)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", EnvURL, err)
	}
	admin, err := open(config)
	if err != nil {
		return nil, err
	}
	return &Server{url: strings.TrimSuffix(given, "/"), admin: admin, stop: func() { _ = admin.Close() }}, nil
}

func configOf(text string) (*driversql.Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	config := driversql.NewConfig()
	config.Net, config.Addr, config.User, config.ParseTime = "tcp", u.Host, u.User.Username(), true
	config.Passwd, _ = u.User.Password()
	config.Logger = &driversql.NopLogger{}
	return config, nil
}

// connect opens a database of a server as an application does.
func connect(t testing.TB, url, database string, settings map[string]string) *sql.DB {
	t.Helper()
	config, err := configOf(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DBName, config.MultiStatements, config.InterpolateParams, config.Params = database, true, true, settings
	db, err := open(config)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(config *driversql.Config) (*sql.DB, error) {
	connector, err := driversql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Stop stops the server, if a test started it: for a TestMain that has more to do than Main.
func Stop() {
	if used.Load() {
		if server, err := shared(); err == nil {
			templates.Range(func(_, value any) bool {
				_ = value.(*template).source.drop() //nolint:forcetypeassert // nothing else is stored
				return true
			})
			server.stop()
		}
	}
}

var used atomic.Bool
