// Package sqlite keeps sessions in a SQLite database: in a table of the application's, which it adopts, or in one of its
// own.
//
//	store, err := sqlite.Open(ctx, "app.db", sqlite.Config{})
//	…
//	defer store.Close()
//	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
//	…
//	err = sessions.Migrate(ctx)
//
// Migrate adds to the database what is missing: columns, partial indexes, triggers on the sessions and on the tables whose
// rows show activity, and the library's own tables, whose names begin with sessioncleanup_.
// Uninstall removes all of that. docs/sqlite.md has the details.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

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
	// Name distinguishes several tables of sessions in one database. Everything that Migrate adds has it as a prefix, such
	// as carts_sessioncleanup_events. The first Migrate with a name must have a Schema that names the table. At most 20
	// lower-case letters, digits and underscores. Default: no name, which one installation can have.
	Name string
	// BusyTimeout is how long a call waits for the write lock while other connections hold it, before it fails with
	// ErrUnavailable. Default: 5 s.
	BusyTimeout time.Duration
	// Migrate says how Migrate adopts a table. While the view that MigrateOptions.View asks for exists, SQLite lets
	// nobody rename the tables that it names, so they cannot be rebuilt. Times without a zone are read as UTC: Migrate
	// refuses another TimeZone. Replace has no effect. Default: the zero MigrateOptions.
	Migrate sessioncleanup.MigrateOptions
	// Logger receives warnings of Inspect, Migrate, Validate and Uninstall, and how times are understood. Default: none.
	Logger *slog.Logger
	// Clock is the store's clock, for tests. Runs and changes follow it, while the library's triggers record the
	// machine's time. So it may be ahead, by days. A Manager on it needs sessioncleanup.Config.IgnoreClock. Default:
	// time.Now.
	Clock func() time.Time
	// Readers is the number of connections for reading that Open opens, besides the one for writing. Default: 4.
	Readers int
}

// memoryPath is the path of a database that is not stored.
const memoryPath = ":memory:"

// The oldest SQLite that has the functions that the statements need is 3.41.
const minMinorVersion = 41

// Store is a sessioncleanup.Store and a sessioncleanup.Installer in a SQLite database, with an archive, warnings, tags and more that
// package sessioncleanup has an interface for. It is safe for concurrent use.
type Store struct {
	library // the archive, the audit log, the outbox, leases and values

	name   string  // of the database, for people
	path   string  // of the file; empty when there is none, or it is not known
	writer *sql.DB // one connection, unless shared
	reader *sql.DB // the same as writer where there is one database handle only
	shared bool    // the application opened the database: its connections get their settings back
	busy   time.Duration
	given  sessioncleanup.Schema
	naming naming

	options sessioncleanup.MigrateOptions
	readers int // as Config.Readers
	now     func() time.Time
	log     *slog.Logger

	throttle throttle

	mu     sync.Mutex
	layout *layout     // as last read
	file   os.FileInfo // of the file that connections have open; nil before the first
}

var (
	_ sessioncleanup.Store           = (*Store)(nil)
	_ sessioncleanup.Installer       = (*Store)(nil)
	_ sessioncleanup.DependentLister = (*Store)(nil)
	_ sessioncleanup.Sealer          = (*Store)(nil)
	_ sessioncleanup.Archiver        = (*Store)(nil)
	_ sessioncleanup.Follower        = (*Store)(nil)
	_ sessioncleanup.Values          = (*Store)(nil)

	_ sessioncleanup.InstallationLister = (*Store)(nil)
)

// Open opens a database file. Migrate creates a file that does not exist; until then every other call fails with
// ErrNotInstalled. ":memory:" is a database that exists as long as the Store. A path that is not a database, or that
// cannot be read, is an ErrInvalid.
func Open(ctx context.Context, path string, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, invalid.Errorf("path of the database is empty: want a file, or %s", memoryPath)
	}
	s := storeOf(path, c)
	if path != memoryPath {
		if s.path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if s.writer, err = sql.Open("sqlite", s.dsn(false)); err != nil {
		return nil, err
	}
	s.writer.SetMaxOpenConns(1)
	s.reader = s.writer
	if path == memoryPath {
		return s, nil
	}
	if s.reader, err = sql.Open("sqlite", s.dsn(true)); err != nil {
		return nil, err
	}
	s.reader.SetMaxOpenConns(c.Readers)
	s.reader.SetMaxIdleConns(c.Readers)
	if _, err := os.Stat(s.path); os.IsNotExist(err) {
		return s, nil
	}
	if err := s.check(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// New returns a Store on a database that the application opened with database/sql. The Store does not close it. While
// the Store writes, it sets foreign_keys and busy_timeout on the connection that it uses, and restores them afterwards.
// Journal mode and the number of connections stay as the application set them.
func New(ctx context.Context, db *sql.DB, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, invalid.Errorf("db is nil: want an open SQLite database")
	}
	s := storeOf("SQLite database", c)
	s.writer, s.reader, s.shared = db, db, true
	return s, s.check(ctx)
}

func storeOf(name string, c Config) *Store {
	s := &Store{name: name, busy: c.BusyTimeout, given: c.Schema, naming: newNaming(c.Name), options: c.Migrate, readers: c.Readers, log: c.Logger, now: c.Clock}
	s.library = sqlstore.New(backend{s})
	return s
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.BusyTimeout < 0:
		return c, invalid.Errorf("Config.BusyTimeout is %v: want a positive duration", c.BusyTimeout)
	case c.Readers < 0:
		return c, invalid.Errorf("Config.Readers is %d: want a positive number of connections", c.Readers)
	}
	if err := errors.Join(adopt.CheckName(c.Name), adopt.NoRoles(c.Migrate, "whoever may write the file may do everything")); err != nil {
		return c, err
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Schema.IsZero() {
		return c, nil
	}
	return c, errors.Join(validSchema(c.Schema), newNaming(c.Name).validSchema(c.Schema))
}

// dsn names the database for the driver. A missing file is not created: that is up to Migrate.
func (s *Store) dsn(readOnly bool) string {
	options := url.Values{
		"_busy_timeout": {fmt.Sprint(s.busy.Milliseconds())},
		"_foreign_keys": {"1"},
		"_error_rc":     {"1"},
	}
	if readOnly {
		options.Set("_query_only", "1")
	} else {
		// A batch changes thousands of pages. The cache keeps them in memory until the commit. Batches see to checkpoints
		// themselves: a commit makes one only when the log has grown to 64 MB.
		options["_pragma"] = []string{"cache_size(-8192)", "temp_store(2)", "wal_autocheckpoint(16000)"} // KiB; memory; pages
	}
	if s.path == "" {
		return "file::memory:?" + options.Encode()
	}
	options.Set("mode", "rw")
	path := filepath.ToSlash(s.path)
	if !strings.HasPrefix(path, "/") { // a drive of Windows
		path = "/" + path
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
}

// check sees whether the database can be read at all.
func (s *Store) check(ctx context.Context) error {
	return s.reading(ctx, func(c *conn) error {
		var version string
		if err := c.row(ctx, "SELECT sqlite_version()", nil, &version); err != nil {
			return err
		}
		var major, minor int
		if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < 3 || major == 3 && minor < minMinorVersion {
			return invalid.Databasef("the driver has SQLite %s: want 3.%d or newer", version, minMinorVersion)
		}
		_, err := c.schemaVersion(ctx)
		return err
	})
}

// Close closes what Open opened. A database that was passed to New stays open.
func (s *Store) Close() error {
	switch {
	case s.shared:
		return nil
	case s.reader == s.writer:
		return s.writer.Close()
	default:
		return errors.Join(s.writer.Close(), s.reader.Close())
	}
}

// Now returns the time of the machine's clock, which SQLite uses as well. An error means that the database cannot be
// read. A scheduler calls Now at least every ten minutes. Now then truncates a write-ahead log that grew because of a
// long reader, if that reader has gone.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	s.truncateLog(ctx)
	err := s.reading(ctx, func(c *conn) error {
		_, err := c.schemaVersion(ctx)
		return err
	})
	return s.clock(), err
}

// clock is the store's clock, with the precision of the times that it stores.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
