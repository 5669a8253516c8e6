package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

// versionTable is goose's table for this library alone, with the schema's name filled in.
type versionTable struct {
	l *layout
}

func (v versionTable) path() string { return v.l.own("migrations") }

func (v versionTable) names() sqlfile.Names { return sqlfile.Names{"migrations": v.path()} }

// The rest of versionTable is goose's dialect.Querier: the same statements as its own, with quoted names.

func (v versionTable) CreateTable(string) string { return v.l.statement("version_table", v.names()) }

func (v versionTable) InsertVersion(string) string {
	return "INSERT INTO " + v.path() + " (version_id, is_applied) VALUES ($1, $2)"
}

func (v versionTable) DeleteVersion(string) string {
	return "DELETE FROM " + v.path() + " WHERE version_id = $1"
}

func (v versionTable) GetMigrationByVersion(string) string {
	return "SELECT tstamp, is_applied FROM " + v.path() + " WHERE version_id = $1 ORDER BY tstamp DESC LIMIT 1"
}

func (v versionTable) ListMigrations(string) string {
	return "SELECT version_id, is_applied FROM " + v.path() + " ORDER BY id DESC"
}

func (v versionTable) GetLatestVersion(string) string {
	return "SELECT max(version_id) FROM " + v.path()
}

func (v versionTable) TableExists(string) string {
	return "SELECT to_regclass(" + literal(v.path()) + ") IS NOT NULL"
}

// filled gives the migrations with the layout's names filled in.
func (l *layout) filled() (fs.FS, error) {
	out := fstest.MapFS{}
	files := migrations.Postgres()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		text, err := sqlfile.Fill(string(data), l.names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out, nil
}

// library gives goose's provider for the library's own tables, and what to close after it.
func (s *Store) library(l *layout) (*goose.Provider, *sql.DB, error) {
	files, err := l.filled()
	if err != nil {
		return nil, nil, err
	}
	store, err := database.NewStoreFromQuerier(l.own("migrations"), versionTable{l})
	if err != nil {
		return nil, nil, err
	}
	db := stdlib.OpenDBFromPool(s.pool)
	provider, err := goose.NewProvider(goose.DialectCustom, db, files,
		goose.WithStore(store), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return provider, db, nil
}

// migrateLibrary brings the library's own tables to this version. ErrNewerSchema when they are ahead of it.
func (s *Store) migrateLibrary(ctx context.Context, l *layout) error {
	provider, db, err := s.library(l)
	if err != nil {
		return err
	}
	defer db.Close()
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return mapError("read the version of the library's tables", err)
	}
	if current > target {
		return fmt.Errorf("%w: its tables are at version %d, this program knows %d; upgrade this program", sessioncleanup.ErrNewerSchema, current, target)
	}
	if _, err := provider.Up(ctx); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			err = partial.Err
		}
		return mapError("create the library's tables", err)
	}
	return nil
}

// librarySQL is what migrateLibrary would do, for people with their own tool.
func (s *Store) librarySQL(l *layout, applied int64) ([]string, error) {
	files, err := l.filled()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	v := versionTable{l}
	var out []string
	if applied < 0 {
		out = append(out, v.CreateTable(""), "INSERT INTO "+v.path()+" (version_id, is_applied) VALUES (0, true);")
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		if version <= applied {
			continue
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		up, _, _ := strings.Cut(string(data), "-- +goose Down")
		_, up, _ = strings.Cut(up, "-- +goose Up\n")
		out = append(out, strings.TrimSpace(up), fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, true);", v.path(), version))
	}
	return out, nil
}
