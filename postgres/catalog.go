package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// relation is a table as the catalog knows it.
type relation struct {
	oid     uint32
	space   string // its schema
	name    string
	kind    string // pg_class.relkind
	owner   string // the role that owns it
	super   bool   // that role is a superuser
	mine    bool   // the current role may alter it
	columns map[string]column
}

// column is a column as the catalog knows it.
type column struct {
	name     string
	position int
	typ      string // with its schema and without modifier, quoted
	maker    string // the role that owns the type, or a domain's base; empty for those of the server and of superusers
	base     string // the name of its type, that of a domain's base; empty for types of others than the server's own
	space    string // the schema of its operators
	notNull  bool
	hasValue bool // a default, identity or generated
	computed bool // GENERATED ALWAYS: nobody can write it
}

// sql is the quoted name of the relation, with its schema.
func (r relation) sql() string { return sqlfile.Column(r.space) + "." + sqlfile.Column(r.name) }

// path is the name of the relation for people and for a schema.
func (r relation) path() string { return sqlfile.Qualified(r.space, r.name) }

var errNoRelation = errors.New("no such table")

// findRelation looks a table up, through the search path unless its name has a schema. errNoRelation when there is none.
func findRelation(ctx context.Context, q *guarded, table string) (relation, error) {
	r := relation{columns: map[string]column{}}
	oid, err := q.oidOf(ctx, table)
	if err != nil {
		return r, err
	}
	err = q.QueryRow(ctx, `
		SELECT c.oid, n.nspname, c.relname, c.relkind::text, o.rolname::text, o.rolsuper, pg_has_role(c.relowner, 'USAGE')
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
		 WHERE c.oid = $1::oid`, oid).Scan(&r.oid, &r.space, &r.name, &r.kind, &r.owner, &r.super, &r.mine)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, errNoRelation
	}
	if err != nil {
		return r, err
	}
	rows, err := q.Query(ctx, `
		SELECT a.attname, a.attnum::int,
		       t.typnamespace::regnamespace || '.' || quote_ident(t.typname),
		       CASE WHEN o.rolsuper THEN '' ELSE o.rolname::text END,
		       CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace OR b.typname = 'citext' AND o.rolsuper THEN b.typname ELSE '' END,
		       CASE WHEN b.typtype = 'b' AND o.rolsuper THEN n.nspname ELSE 'pg_catalog' END,
		       a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a'
		  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
		  JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
		  JOIN pg_catalog.pg_namespace n ON n.oid = b.typnamespace JOIN pg_catalog.pg_roles o ON o.oid = b.typowner
		 WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> $2::name`, r.oid, classColumn)
	if err != nil {
		return r, err
	}
	columns, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (column, error) {
		var c column
		err := row.Scan(&c.name, &c.position, &c.typ, &c.maker, &c.base, &c.space, &c.notNull, &c.hasValue, &c.computed)
		return c, err
	})
	for _, c := range columns {
		r.columns[c.name] = c
	}
	return r, err
}

// noSuchTable is the ErrInvalid for a table that a field of the schema names and that does not exist.
func noSuchTable(field, table string) error {
	return invalid.Errorf("%s is %q: there is no such table; check its name, its schema and the role's search_path", field, table)
}
