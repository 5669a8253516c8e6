package sqlite

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/sessioncleanup/sessioncleanup/migrations"
)

// versionTable is where goose notes which migrations ran.
const versionTable = "sessioncleanup_migrations"

// latestVersion is that of the newest migration that this version of the library has.
var latestVersion = newestMigration()

func newestMigration() int64 {
	files, err := fs.Glob(migrations.SQLite(), "*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var newest int64
	for _, file := range files {
		version, err := goose.NumericComponent(file)
		if err != nil {
			panic(err) // the file is embedded
		}
		newest = max(newest, version)
	}
	return newest
}

// versions is goose's table of versions, made in a way that Uninstall can take back.
type versions struct{ database.Store }

// CreateVersionTable makes the table unless it is there.
func (versions) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, text["create_versions"])
	return err
}

// TableExists reports whether the table is there.
func (versions) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	var exists bool
	err := db.QueryRowContext(ctx, text["has_table"], sql.Named("table", versionTable)).Scan(&exists)
	return exists, err
}

// transaction puts all that goose does into one transaction that holds the write lock, so that it happens once and as
// a whole however many processes migrate. Goose itself has transactions switched off (WithIsolateDDL).
type transaction struct {
	s      *Store
	before func(w *work) error // what else belongs to it, before goose
	target int64               // the version at which goose has done its part
	after  func(w *work) error // what else belongs to it, after goose
}

// SessionLock begins the transaction.
func (t transaction) SessionLock(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	w := &work{conn: &connection{Conn: c}}
	err := t.before(w)
	if err != nil {
		rollBack(ctx, w.conn)
	}
	return err
}

// SessionUnlock commits the transaction when goose has reached its target, and else rolls it back.
func (t transaction) SessionUnlock(ctx context.Context, c *sql.Conn) error {
	w := &work{conn: &connection{Conn: c}}
	version, err := readVersion(ctx, w)
	if err == nil && version == t.target {
		if err = t.after(w); err == nil {
			_, err = c.ExecContext(ctx, "COMMIT")
		}
		if err == nil {
			return nil
		}
	}
	rollBack(ctx, w.conn)
	return err
}

// goose makes a provider that works within a transaction.
func (s *Store) goose(t transaction) (*goose.Provider, error) {
	t.s = s
	table, err := database.NewStore(goose.DialectSQLite3, versionTable)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectCustom, s.write.db, migrations.SQLite(),
		goose.WithStore(versions{table}), goose.WithDisableGlobalRegistry(true), goose.WithIsolateDDL(true),
		goose.WithSessionLocker(t))
}

func nothing(*work) error { return nil }

// installLibrary brings the library's own tables to this version.
func (s *Store) installLibrary(ctx context.Context) error {
	current := false
	err := s.reading(ctx, func(w *work) error {
		version, err := readVersion(ctx, w)
		current = version == latestVersion
		return err
	})
	if err != nil || current {
		return err
	}
	// The table of versions is made first: goose would look for it before it takes the lock.
	err = s.writing(ctx, func(w *work) error {
		version, err := readVersion(ctx, w)
		if err != nil || version > 0 {
			return err
		}
		if err := w.define(ctx, text["create_versions"]); err != nil {
			return err
		}
		_, err = w.exec(ctx, text["note_no_version"], nil)
		return err
	})
	if err != nil {
		return err
	}
	provider, err := s.goose(transaction{before: nothing, target: latestVersion, after: nothing})
	if err != nil {
		return s.failed(err)
	}
	_, err = provider.Up(ctx)
	return s.failed(err)
}
