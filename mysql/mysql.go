// Package mysql keeps sessions in a MariaDB or MySQL database: in a table of the application's, which it adopts, or in one of
// its own.
//
//	store, err := mysql.Open(ctx, "mysql://app@db.example/app", mysql.Config{})
//	…
//	defer store.Close()
//	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
//	…
//	err = sessions.Migrate(ctx)
//
// Migrate adds to the database what is missing: columns, indexes, triggers on the sessions and on the tables whose rows show
// activity, and the library's own tables, whose names begin with sessioncleanup_. Uninstall removes all of that.
// docs/mysql.md has the details.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Config configures a Store. The zero value is useful.
type Config struct {
	// Schema describes the application's tables. Fields that it leaves open are those that an earlier Migrate adopted,
	// or else those that Inspect finds. Default: the zero Schema.
	Schema sessioncleanup.Schema
	// Migrate says how Migrate adopts a table. DATETIME columns must hold UTC; Open refuses another TimeZone, and
	// roles. Replace has no effect. Default: the zero MigrateOptions.
	Migrate sessioncleanup.MigrateOptions
	// Name tells apart several tables of sessions in one database. Everything that Migrate adds has it as a prefix, such as
	// carts_sessioncleanup_events. The first Migrate with a name must have a Schema that names the table. At most 20 lower-case
	// letters, digits and underscores, the first one a letter. Default: no name, which one installation can have.
	Name string
	// Logger receives warnings of Inspect, Migrate, Validate and Uninstall, and how times are understood. Default: none.
	Logger *slog.Logger
	// Connections is the largest number of connections that the Store opens. Migrate needs two. Default: 10.
	Connections int
}

// Store is a sessioncleanup.Store and a sessioncleanup.Installer in a MariaDB or MySQL database, with an archive, warnings, tags and more
// that package sessioncleanup has an interface for. It is safe for concurrent use.
type Store struct {
	library // the archive, the audit log, the outbox, leases and values

	name    string // of the database, for people
	naming  naming
	db      *sql.DB
	given   sessioncleanup.Schema
	options sessioncleanup.MigrateOptions
	log     *slog.Logger

	mu       sync.Mutex
	layout   *layout // as last read
	back     *linksRead
	archives *archival
}

var (
	_ sessioncleanup.Store     = (*Store)(nil)
	_ sessioncleanup.Installer = (*Store)(nil)
	_ sessioncleanup.Follower  = (*Store)(nil)

	_ sessioncleanup.InstallationLister = (*Store)(nil)

	_ sessioncleanup.DependentLister = (*Store)(nil)
	_ sessioncleanup.Sealer          = (*Store)(nil)
	_ sessioncleanup.Values          = (*Store)(nil)
	_ sessioncleanup.Profiler        = (*Store)(nil)
	_ sessioncleanup.OwnerCounter    = (*Store)(nil)
)

// Open opens a database by its URL, mysql://USER:PASSWORD@HOST:PORT/DATABASE. Several hosts, separated by commas, are tried in
// their order; nodes of a Galera cluster that are not part of its primary component are skipped. A HOST that begins with %2F is
// the path of a Unix socket. Options are tls (true, false, skip-verify or preferred) and timeout, for connecting. No error
// contains the password.
func Open(ctx context.Context, url string, c Config) (*Store, error) {
	switch {
	case c.Connections < 0 || c.Connections == 1:
		return nil, invalid.Errorf("Config.Connections is %d: want at least 2", c.Connections)
	case c.Migrate.TimeZone != "" && c.Migrate.TimeZone != "UTC":
		return nil, invalid.Errorf("the time zone is %q: DATETIME columns are read as UTC, want no other", c.Migrate.TimeZone)
	}
	if err := errors.Join(adopt.CheckName(c.Name), adopt.NoRoles(c.Migrate, "grant rights as docs/mysql.md says")); err != nil {
		return nil, err
	}
	if !c.Schema.IsZero() {
		if err := errors.Join(validSchema(c.Schema), naming{c.Name}.validSchema(c.Schema)); err != nil {
			return nil, err
		}
	}
	if c.Connections == 0 {
		c.Connections = 10
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	hosts, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	hosts.naming = naming{c.Name}
	s := &Store{name: hosts.name, naming: hosts.naming, db: sql.OpenDB(hosts), given: c.Schema, options: c.Migrate, log: c.Logger}
	s.library = sqlstore.New(backend{s})
	s.db.SetMaxOpenConns(c.Connections)
	s.db.SetMaxIdleConns(c.Connections)
	s.db.SetConnMaxIdleTime(time.Minute)
	if err := s.check(ctx); err != nil {
		_ = s.db.Close()
		return nil, err
	}
	return s, nil
}

// check sees whether the database can be read at all.
func (s *Store) check(ctx context.Context) error {
	return s.reading(ctx, func(c *conn) error {
		var version string
		if err := c.row(ctx, statements["server"], nil, &version); err != nil {
			return err
		}
		if err := supported(version); err != nil {
			return err
		}
		var logged bool
		var format string
		if err := c.row(ctx, statements["binary_log"], nil, &logged, &format); err != nil {
			return err
		}
		if logged && format == "STATEMENT" {
			return invalid.Databasef("the server has binlog_format=STATEMENT, with which it refuses the isolation level READ COMMITTED: want MIXED or ROW")
		}
		return nil
	})
}

// Close closes the connections.
func (s *Store) Close() error { return s.db.Close() }

// Now returns the time of the server's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	return sqlstore.Answer(ctx, s.reading, func(c *conn) (time.Time, error) { return c.now(ctx) })
}

// now is the time of the server's clock.
func (c *conn) now(ctx context.Context) (now time.Time, err error) {
	err = c.row(ctx, statements["clock"], nil, &now)
	return now, err
}
