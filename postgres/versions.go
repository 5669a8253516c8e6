package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

// version is a numbered file of migrations/postgres, with its names filled in.
type version struct {
	number int64
	sql    string
}

// versions returns the numbered files in their order.
func (m *mapping) versions() ([]version, error) {
	files := migrations.Postgres()
	names, err := fs.Glob(files, "[0-9]*.sql")
	if err != nil {
		return nil, err
	}
	var all []version
	for _, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		filled, err := sqlfile.Fill(string(text), m.names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if number == 1 {
			filled += "\n" + give(m.ownRelations(), m.role)
		}
		all = append(all, version{number, filled})
	}
	return all, nil
}

// versionTable is goose's table of versions, for this library alone and in its schema, whose name may need quotes.
type versionTable struct {
	database.Store
	m *mapping
}

// CreateVersionTable makes the table.
func (v versionTable) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, guard{path: serverPath}.sql()+";\n"+v.m.statement("version_table")+give([]string{v.m.own("migrations")}, v.m.role))
	return err
}

// TableExists reports whether the table exists.
func (v versionTable) TableExists(ctx context.Context, db database.DBTxConn) (exists bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT to_regclass($1::text) IS NOT NULL", v.m.own("migrations")).Scan(&exists)
	return exists, err
}

// migrateOwnTables brings the library's own tables to this version. ErrNewerSchema when they are ahead of it.
func (s *Store) migrateOwnTables(ctx context.Context, m *mapping) error {
	hollow, err := s.hollow(ctx, m)
	if err != nil {
		return err
	}
	if hollow != "" {
		if err := s.runStep(ctx, m, step{sql: []string{hollow}}); err != nil {
			return err
		}
	}
	versions, err := m.versions()
	if err != nil {
		return err
	}
	var steps []*goose.Migration
	for _, v := range versions {
		steps = append(steps, goose.NewGoMigration(v.number, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, guard{path: serverPath}.sql()+";\n"+v.sql)
			return err
		}}, nil))
	}
	table, err := database.NewStore(goose.DialectPostgres, m.own("migrations"))
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.pool.pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectCustom, db, nil, goose.WithStore(versionTable{table, m}),
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return mapError("read the version of the library's tables", err)
	}
	if current > target {
		return newerTables(current, target)
	}
	if _, err := provider.Up(ctx); err != nil {
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			err = partial.Err
		}
		return mapError("create the library's tables", err)
	}
	return nil
}

func newerTables(version, known int64) error {
	return fmt.Errorf("%w: its tables are at version %d, this program knows %d; upgrade this program", sessioncleanup.ErrNewerSchema, version, known)
}

// hollow is the statement that drops tables of the library's own that lost their rows, with the version: somebody restored
// the structure of a database without its data. Empty where that is not so.
func (s *Store) hollow(ctx context.Context, m *mapping) (string, error) {
	var names []string
	err := s.pool.QueryRow(ctx, `
		SELECT coalesce(array_agg(c.relname::text), '{}') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = $1::text AND c.relkind = 'r' AND c.relname LIKE 'sessioncleanup\_%'`, m.space).Scan(&names)
	if err != nil {
		return "", mapError("look for the library's tables", err)
	}
	var drop []string
	for _, table := range ownTables() {
		if !slices.Contains(names, "sessioncleanup_"+table) {
			continue
		}
		var rows bool
		if err := s.pool.own().QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+m.own(table)+")").Scan(&rows); err != nil {
			return "", mapError("look into the library's tables", err)
		}
		if rows {
			return "", nil
		}
		drop = append(drop, m.own(table))
	}
	if len(drop) == 0 {
		return "", nil
	}
	var views string
	for _, name := range ownViews() {
		views += dropMarkedView(object{Space: m.space, Name: name}) + "\n"
	}
	return views + "DROP TABLE " + strings.Join(drop, ", ") + ";", nil
}

// ownTablesSQL is what migrateOwnTables would do, for people with their own tool.
func (s *Store) ownTablesSQL(ctx context.Context, m *mapping) ([]string, error) {
	applied := int64(-1)
	hollow, err := s.hollow(ctx, m)
	if err != nil {
		return nil, err
	}
	if hollow == "" {
		err = s.pool.own().QueryRow(ctx, "SELECT max(version_id) FROM "+m.own("migrations")).Scan(&applied)
	}
	if err != nil && !hasCode(err, "42P01", "3F000") {
		return nil, mapError("read the version of the library's tables", err)
	}
	versions, err := m.versions()
	if err != nil {
		return nil, err
	}
	if target := versions[len(versions)-1].number; applied > target {
		return nil, newerTables(applied, target)
	}
	done := func(number int64) string {
		return m.statement("version_add", sqlfile.Names{"version": fmt.Sprint(number)})
	}
	var out []string
	if lock, err := s.pool.oidOf(ctx, sqlfile.Qualified(m.space, "sessioncleanup_migrating")); err != nil {
		return nil, mapError("look for the library's tables", err)
	} else if lock == 0 {
		out = append(out, lockTable(m.own("migrating")), give([]string{m.own("migrating")}, m.role))
	}
	if hollow != "" {
		out = append(out, hollow)
	}
	if applied < 0 {
		out = append(out, m.statement("version_table"), done(0))
	}
	for _, v := range versions {
		if v.number > applied {
			out = append(out, v.sql, done(v.number))
		}
	}
	return out, nil
}
