package mysql

import (
	"context"

	"github.com/pressly/goose/v3"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

// versionTable is where goose notes which migrations ran.
const versionTable = "sessioncleanup_migrations"

// latestVersion is that of the newest migration. Versions are numbered from 1 without a gap.
var latestVersion = sqlstore.Versions(migrations.MySQL())

// createLibraryTables brings the library's own tables to this version. Statements that change tables are no part of a
// transaction here, so each of them can be repeated. Only one process at a time does this: see migrating.
func (s *Store) createLibraryTables(ctx context.Context, c *conn) error {
	for _, name := range []string{"create_versions", "insert_first_version"} {
		if _, err := c.ExecContext(ctx, statements[name]); err != nil {
			return err
		}
	}
	provider, err := goose.NewProvider(goose.DialectMySQL, s.db, migrations.MySQL(), goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
