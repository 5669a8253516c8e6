package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

//go:embed sql/*.sql
var queries embed.FS

// statements are the queries of this package and what Migrate repeats.
var statements = sqlfile.MustLoad(sqlfile.Folder{Files: queries, Pattern: "sql/*.sql"}, sqlfile.Folder{Files: migrations.Postgres(), Pattern: "[^0-9]*.sql"})

// mapping is a Schema together with what the catalog says of its tables: everything that fills in the SQL.
type mapping struct {
	schema sessioncleanup.Schema // with defaults
	zone   string                // of columns without time zone
	path   string                // the search path for the application's triggers, quoted
	safe   string                // the search path for everything else, quoted
	// pathNames are the schemas of path.
	pathNames []string
	space     string         // the database schema of the sessions' table and of the library's own
	table     relation       // the sessions; without oid while it does not exist
	described adopt.Database // the tables of the schema, as internal/adopt sees them
	lacks     []adopt.LifecycleColumn
	owners    *relation
	sources   []source
	names     sqlfile.Names
	ruled     sqlfile.Names // those of questions with rules by tag

	role         string // with whose rights Migrate makes things; empty for the connection's own
	ownerIndexed bool   // an index begins with the owner

	proposed  bool // Inspect proposed the schema
	untracked bool // nothing shows when the sessions are used: the idle rules are off
}

// observes reports whether a change of the session's own row counts as its activity: no other table shows any.
func (m *mapping) observes() bool {
	return len(m.schema.Sources) == 0 && m.schema.UpdatedAt != "" && !m.schema.AppTouches
}

// source is an activity table.
type source struct {
	sessioncleanup.Source
	relation
	referenced bool     // a foreign key that is checked at once ties it to the sessions
	indexed    bool     // an index begins with the column that holds the session
	above      []uint32 // the tables from which it inherits
}

// errNoTable says that the sessions' table does not exist.
var errNoTable = errors.New("no sessions table")

// readMapping looks up what the schema names. Without the sessions' table it returns the mapping of a table that Migrate
// would create in the current schema, together with errNoTable. A schema that does not fit the tables is an ErrInvalid.
func readMapping(ctx context.Context, q *guarded, schema sessioncleanup.Schema, set settings) (*mapping, error) {
	m := &mapping{schema: schema.WithDefaults(), zone: set.zone, untracked: set.untracked, proposed: set.places.Proposed}
	var err error
	m.table, err = findRelation(ctx, q, m.schema.Table)
	missing := errors.Is(err, errNoRelation)
	switch {
	case missing:
		err = m.assumeTable(ctx, q)
	case err == nil:
		err = m.readTables(ctx, q)
	}
	if err != nil {
		return nil, mapError("look up the tables", err)
	}
	m.space = set.space
	if m.space == "" {
		m.space = m.table.space
	}
	if m.pathNames, err = q.searchPath(ctx); err != nil {
		return nil, mapError("read the search path", err)
	}
	where := m.space
	if m.label() != ownMark { // a schema of the library's own
		where = m.table.space
	}
	if !slices.Contains(m.pathNames, where) {
		m.pathNames = append(m.pathNames, where)
	}
	var quoted []string
	for _, name := range m.pathNames {
		quoted = append(quoted, sqlfile.Column(name))
	}
	m.path = strings.Join(quoted, ", ")
	m.findSafe()
	m.fill()
	for _, name := range m.names {
		for _, quote := range []string{"$sessioncleanup$", "$sessioncleanup_entries$"} { // around functions and a statement in one
			if strings.Contains(name, quote) {
				return nil, invalid.Errorf("a table, column, type or value of schema %s has %s in it: rename it", m.table.space, quote)
			}
		}
	}
	if missing {
		return m, errNoTable
	}
	return m, nil
}

// assumeTable maps the table that Migrate would create.
func (m *mapping) assumeTable(ctx context.Context, q *guarded) error {
	m.table = relation{kind: "r", mine: true, columns: map[string]column{}}
	var space, name string
	if parts := sqlfile.Split(m.schema.Table); len(parts) == 2 {
		space, name = parts[0], parts[1]
	} else {
		name = parts[0]
		spaces, err := q.searchPath(ctx)
		if err != nil {
			return err
		}
		if len(spaces) > 0 {
			space = spaces[0]
		}
	}
	m.table.space, m.table.name = space, name
	s := m.schema
	for name, typ := range map[string]string{
		s.ID: "text", s.Owner: "text", s.Name: "text", s.Code: "text", s.Active: "bool", s.AutoCleanup: "bool",
		s.CreatedAt: "timestamptz", s.UpdatedAt: "timestamptz", s.LastActivity: "timestamptz", s.ExpiresAt: "timestamptz",
		s.DeactivatedAt: "timestamptz",
	} {
		if name != "" {
			m.table.columns[name] = assumed(name, typ)
		}
	}
	return nil
}

// readTables checks the schema, and looks up the other tables.
func (m *mapping) readTables(ctx context.Context, q *guarded) error {
	var err error
	if m.described, err = describe(ctx, q, tableNames(m.schema)...); err != nil {
		return err
	}
	if m.lacks, err = m.described.Check(m.schema); err != nil {
		return err
	}
	if err := errors.Join(m.described.CheckUnique(m.schema), m.checkWritable()); err != nil {
		return err
	}
	if m.schema.Owners != nil {
		owners, err := findRelation(ctx, q, m.schema.Owners.Table)
		if err != nil {
			return err
		}
		m.owners = &owners
	}
	for _, s := range m.schema.Sources {
		src, err := readSource(ctx, q, s, m.table.oid)
		if err != nil {
			return err
		}
		m.sources = append(m.sources, src)
	}
	if m.ownerIndexed, err = leads(ctx, q, m.table, m.schema.Owner); err != nil {
		return err
	}
	return m.checkTypes()
}

// tableNames are the names of the tables in a schema, without their database schemas.
func tableNames(s sessioncleanup.Schema) (names []string) {
	add := func(table string) {
		parts := sqlfile.Split(table)
		names = append(names, table, parts[len(parts)-1])
	}
	add(s.Table)
	if s.Owners != nil {
		add(s.Owners.Table)
	}
	for _, src := range s.Sources {
		add(src.Table)
	}
	return names
}

// leads reports whether an index of all rows begins with the column.
func leads(ctx context.Context, q *guarded, r relation, column string) (found bool, err error) {
	err = q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indkey[0] = $2::smallint AND i.indisvalid AND i.indpred IS NULL)`,
		r.oid, r.columns[column].position).Scan(&found)
	return found && column != "", err
}

// reads reports whether the library reads a table's rows: one of another role than the owner of the sessions may have an
// index, a policy or a view in its place, whose functions would run with the rights of whoever reads it.
func (m *mapping) reads(r relation) bool { return r.super || r.owner == m.table.owner }

// unread lists the activity tables whose rows are not read.
func (m *mapping) unread() (tables []string) {
	for _, src := range m.sources {
		if !m.reads(src.relation) {
			tables = append(tables, fmt.Sprintf("%s of %s", src.path(), src.owner))
		}
	}
	return tables
}

// checkTypes refuses columns whose type belongs to another role than the owner of the sessions: its casts and operators
// would run with the rights of whoever reads them.
func (m *mapping) checkTypes() error {
	check := func(field string, r relation, name string) error {
		if c := r.columns[name]; name != "" && c.maker != "" && c.maker != m.table.owner {
			return invalid.Errorf("%s is %q: the type of that column of table %s, %s, belongs to the role %s, whose functions would run when it is read; want a type of the server, or of %s, who owns the sessions",
				field, name, r.path(), c.typ, c.maker, m.table.owner)
		}
		return nil
	}
	s := m.schema
	var errs []error
	for _, c := range []struct{ field, name string }{
		{"schema.id", s.ID}, {"schema.owner", s.Owner}, {"schema.name", s.Name}, {"schema.code", s.Code}, {"schema.active", s.Active}, {"schema.auto_cleanup", s.AutoCleanup},
		{"schema.created_at", s.CreatedAt}, {"schema.updated_at", s.UpdatedAt}, {"schema.last_activity", s.LastActivity}, {"schema.expires_at", s.ExpiresAt},
		{"schema.deactivated_at", s.DeactivatedAt}, {"schema.deleted_at", s.DeletedAt},
	} {
		errs = append(errs, check(c.field, m.table, c.name))
	}
	for i, only := range s.Only {
		errs = append(errs, check(fmt.Sprintf("schema.only[%d].column", i), m.table, only.Column))
	}
	for i, column := range s.TagColumns {
		errs = append(errs, check(fmt.Sprintf("schema.tag_columns[%d]", i), m.table, column))
	}
	for _, src := range m.sources {
		errs = append(errs, check("schema.sources.session", src.relation, src.Session))
	}
	return errors.Join(errs...)
}

// checkWritable refuses lifecycle columns that the database computes.
func (m *mapping) checkWritable() error {
	var errs []error
	for _, l := range adopt.Lifecycle(m.schema) {
		if c := m.table.columns[l.Column]; c.computed {
			errs = append(errs, invalid.Errorf("schema.%s is %q: that column of table %q is GENERATED ALWAYS and cannot be written: name another column with --schema",
				l.Field, l.Column, m.table.name))
		}
	}
	return errors.Join(errs...)
}

func readSource(ctx context.Context, q *guarded, s sessioncleanup.Source, sessions uint32) (source, error) {
	r, err := findRelation(ctx, q, s.Table)
	if err != nil {
		return source{}, err
	}
	src := source{Source: s, relation: r}
	err = q.QueryRow(ctx, `
		SELECT coalesce(bool_or(NOT f.condeferrable), false),
		       EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indkey[0] = $3::smallint AND i.indisvalid),
		       ARRAY (WITH RECURSIVE above (oid) AS (
		                  SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = $1::oid
		                   UNION SELECT h.inhparent FROM above JOIN pg_catalog.pg_inherits h ON h.inhrelid = above.oid
		              ) SELECT above.oid FROM above)
		  FROM pg_catalog.pg_constraint f
		 WHERE f.contype = 'f' AND f.conrelid = $1::oid AND f.confrelid = $2::oid AND $3::smallint = ANY (f.conkey)
		   AND (f.convalidated OR to_jsonb(f) ->> 'conenforced' IS DISTINCT FROM 'false')`,
		r.oid, sessions, r.columns[s.Session].position).Scan(&src.referenced, &src.indexed, &src.above)
	return src, err
}

// statement returns a statement with its names filled in, those in more too. An error is a mistake in the .sql files.
func (m *mapping) statement(name string, more ...sqlfile.Names) string {
	names := m.names
	if len(more) > 0 {
		names = maps.Clone(m.names)
		for _, n := range more {
			maps.Copy(names, n)
		}
	}
	text, ok := statements[name]
	if !ok {
		panic("postgres: no statement " + name)
	}
	sql, err := sqlfile.Fill(strings.ReplaceAll(text, "sessioncleanup.", m.label()+"."), names)
	if err != nil {
		panic(err)
	}
	return sql
}

// own is the qualified name of one of the library's objects.
func (m *mapping) own(name string) string {
	return sqlfile.Column(m.space) + "." + sqlfile.Column("sessioncleanup_"+name)
}
