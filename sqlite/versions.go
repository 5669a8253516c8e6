package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

// versionTable is where goose notes which migrations ran.
const versionTable = "sessioncleanup_migrations"

// latestVersion is that of the newest migration. Versions are numbered from 1 without a gap.
var latestVersion = sqlstore.Versions(migrations.SQLite())

// upgrade brings tables of an earlier version up to date, before anything is read from them. Without any it does nothing.
func (s *Store) upgrade(ctx context.Context) error {
	earlier := false
	err := s.reading(ctx, func(c *conn) error {
		version, err := readVersion(ctx, c)
		earlier = version > 0 && version < latestVersion
		return err
	})
	if err != nil || !earlier {
		return err
	}
	return s.createLibraryTables(ctx)
}

// createLibraryTables brings the library's own tables to this version.
func (s *Store) createLibraryTables(ctx context.Context) error {
	current := false
	err := s.writing(ctx, func(c *conn) error {
		version, err := readVersion(ctx, c)
		current = version == latestVersion
		if err != nil || version > 0 {
			return err
		}
		return c.execAll(ctx, []string{statements["create_versions"], statements["insert_first_version"]})
	})
	if err != nil || current {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files{migrations.SQLite(), s.naming}, goose.WithTableName(s.naming.sql(versionTable)),
		goose.WithDisableGlobalRegistry(true), goose.WithIsolateDDL(true), goose.WithSessionLocker(writeLock{s.naming, s.busy}))
	if err != nil {
		return s.failed(err)
	}
	_, err = provider.Up(ctx)
	return s.failed(err)
}

// writeLock puts all that goose does into one transaction that holds SQLite's write lock, so that it happens once and as
// a whole however many processes migrate. WithIsolateDDL switches goose's own transactions off.
type writeLock struct {
	naming naming
	busy   time.Duration
}

// SessionLock begins the transaction.
func (l writeLock) SessionLock(ctx context.Context, db *sql.Conn) error {
	c := l.naming.conn(db, nil)
	c.busy = l.busy
	return c.begin(ctx)
}

// SessionUnlock commits the transaction when goose has reached the latest version, and else rolls it back.
func (l writeLock) SessionUnlock(ctx context.Context, db *sql.Conn) error {
	c := l.naming.conn(db, nil)
	version, err := readVersion(ctx, c)
	if err == nil && version == latestVersion {
		if _, err = db.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	c.rollBack(ctx)
	return err
}
