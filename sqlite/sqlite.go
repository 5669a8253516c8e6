// Package sqlite keeps sessions in a SQLite database: in a table of the host's, which it adopts, or in one of its own.
//
//	store, err := sqlite.Open(ctx, "app.db", sqlite.Config{})
//	…
//	defer store.Close()
//	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{})
//	…
//	err = sessions.Migrate(ctx)
//
// Migrate adds to the database what is missing: columns, partial indexes, triggers on the tables whose rows show
// activity, the view sessions_cleanup_view, and the library's own tables, whose names begin with sessioncleanup_.
// Uninstall takes all of that back. docs/sqlite.md has the details.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Config says how a Store works. The zero value is useful.
type Config struct {
	// Schema says where the host keeps its sessions. Default: what an earlier Migrate adopted, or else what Inspect
	// proposes.
	Schema sessioncleanup.Schema
	// BusyTimeout is for how long a call waits for the write lock while other connections hold it, before it fails
	// with ErrUnavailable. Default: 5 s.
	BusyTimeout time.Duration
	// Readers is the number of connections for reading that Open keeps beside the one that writes. Default: 4.
	Readers int
}

// memoryPath is the path of a database that nothing is kept of.
const memoryPath = ":memory:"

// minVersion is the oldest SQLite whose functions the statements need.
const minVersion = 3_041_000

// Store is a sessioncleanup.Store and a sessioncleanup.Installer in a SQLite database. It is safe for concurrent use.
type Store struct {
	name  string // of the database, for people
	path  string // of the file; empty when there is none, or it is not known
	write *pool
	read  *pool // the same as write, where there is one connection only
	host  bool  // the database was opened by the host: connections are given back as they were
	busy  time.Duration
	given sessioncleanup.Schema
	pace  pace

	windowSize int
	listOnly   bool // batches are never stretches of an index; for tests

	mu         sync.Mutex
	layout     *layout // as last read
	lastWindow *window // of the last batch
}

var (
	_ sessioncleanup.Store     = (*Store)(nil)
	_ sessioncleanup.Installer = (*Store)(nil)
)

// Open opens a database file. A file that does not exist is made by Migrate; until then every other call fails with
// ErrNotInstalled. ":memory:" is a database that lives as long as the Store. A path that is no database, or may not be
// read, is an ErrInvalid.
func Open(ctx context.Context, path string, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, invalidf("path of the database is empty: want a file, or %s", memoryPath)
	}
	s := &Store{name: path, busy: c.BusyTimeout, given: c.Schema, windowSize: windowSize}
	if path == memoryPath {
		s.write, err = openMemory(dsn(path, c.BusyTimeout, false))
		s.read = s.write
		s.pace.off = true
		return s, err
	}
	if s.path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.write, err = openPool(dsn(s.path, c.BusyTimeout, false), 1); err != nil {
		return nil, err
	}
	if s.read, err = openPool(dsn(s.path, c.BusyTimeout, true), c.Readers); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.path); os.IsNotExist(err) {
		return s, nil
	}
	if err := s.check(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// New works on a database that the host opened with database/sql. The Store does not close it. While it writes, it
// sets foreign_keys and busy_timeout on the connection that it uses, and sets them back afterwards. Journal mode and
// the number of connections are the host's.
func New(ctx context.Context, db *sql.DB, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, invalidf("db is nil: want an open SQLite database")
	}
	p := &pool{db: db}
	s := &Store{name: "SQLite database", write: p, read: p, host: true, busy: c.BusyTimeout, given: c.Schema, windowSize: windowSize}
	return s, s.check(ctx)
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.BusyTimeout < 0:
		return c, invalidf("Config.BusyTimeout is %v: want a positive duration", c.BusyTimeout)
	case c.Readers < 0:
		return c, invalidf("Config.Readers is %d: want a positive number of connections", c.Readers)
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if c.Schema.IsZero() {
		return c, nil
	}
	c.Schema = c.Schema.WithDefaults()
	return c, validSchema(c.Schema)
}

// check sees whether the database can be read at all.
func (s *Store) check(ctx context.Context) error {
	return s.reading(ctx, func(w *work) error {
		var version int64
		if err := w.row(ctx, text["sqlite_version"], nil, &version); err != nil {
			return err
		}
		if version < minVersion {
			return invalidf("the driver brings SQLite %d: want %d or newer", version, minVersion)
		}
		_, err := w.schemaVersion(ctx)
		return err
	})
}

// Close closes what Open opened. A database that was handed to New stays open.
func (s *Store) Close() error {
	if s.host {
		return nil
	}
	err := s.write.close()
	if s.read != s.write {
		err = errors.Join(err, s.read.close())
	}
	return err
}

// Now is SQLite's clock, that of the machine.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := s.reading(ctx, func(w *work) error {
		var value string
		err := w.row(ctx, "SELECT "+text["now"], nil, &value)
		if err != nil {
			return err
		}
		now, err = parseTime(value)
		return err
	})
	return now, err
}
