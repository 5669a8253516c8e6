package postgres

import (
	"context"
	_ "embed"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

//go:embed sql/inspect.sql
var inspectSQL string

var (
	describeTables = sqlfile.MustParse(inspectSQL)["describe_tables"]
	sampleValues   = sqlfile.MustParse(inspectSQL)["sample_values"]
)

// Inspect reads the database and completes Config.Schema. It changes nothing. It looks for the sessions in the table
// that Config.Schema names, then in a table "sessions", then in the only table whose name ends in "session" or
// "sessions", then in the only table with a boolean column "active" or "is_active" that other tables refer to; tables
// on the search path come first. When it finds no table that may hold sessions, it proposes OwnSchema. When it finds
// several, or only tables of other names, it fails with an ErrInvalid that lists them.
//
// Tables with a foreign key to the sessions, or with a column session_id, become activity tables. The owner is found by
// a foreign key from the sessions to a table with a display name, or by a column such as owner_id or user_id. A column
// "state" or "status" says whether a session is active when an enumeration or a constraint lists its values and they
// are words such as open and closed. Rows with a time in "deleted_at" are not sessions. Config.Logger receives what is
// uncertain or left out, and which columns could be Schema.TagColumns.
func (s *Store) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	schema, database, err := s.propose(ctx)
	if err == nil {
		err = s.sayTagColumns(ctx, database, schema)
	}
	return schema, err
}

// propose completes the configured schema.
func (s *Store) propose(ctx context.Context) (schema sessioncleanup.Schema, d adopt.Database, err error) {
	if err := s.ping(ctx); err != nil {
		return schema, d, err
	}
	if d, err = describe(ctx, s.pool); err != nil {
		return schema, d, err
	}
	p, err := d.Propose(s.cfg.Schema)
	if err != nil {
		return schema, d, err
	}
	for _, warning := range p.Warnings {
		s.cfg.Logger.WarnContext(ctx, "inspect: "+warning)
	}
	return p.Schema, d, nil
}

// sayTagColumns logs which columns could be Schema.TagColumns, by their names, and by the values in a part of the table. A role
// that may not read them gets no hint.
func (s *Store) sayTagColumns(ctx context.Context, d adopt.Database, schema sessioncleanup.Schema) error {
	hints, err := d.TagHints(schema, func(column string) ([]string, error) {
		table, err := findRelation(ctx, s.pool, schema.Table)
		if err != nil {
			return nil, mapError("look up "+schema.Table, err)
		}
		rows, err := s.pool.Query(ctx, strings.NewReplacer(`"{sessions}"`, table.sql(), `"{column}"`, sqlfile.Column(column)).Replace(sampleValues), adopt.TagSample, adopt.TagValues+1)
		var values []string
		if err == nil {
			values, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if hasCode(err, codeNoPrivilege) {
			return nil, nil
		}
		return values, mapError("read the values of column "+column, err)
	})
	for _, hint := range hints {
		s.cfg.Logger.WarnContext(ctx, "inspect: "+hint)
	}
	return err
}

// completed is the configured schema with what Inspect finds, or as it is where Migrate makes its table.
func (s *Store) completed(ctx context.Context) (sessioncleanup.Schema, error) {
	_, err := findRelation(ctx, s.pool, s.cfg.Schema.WithDefaults().Table)
	if errors.Is(err, errNoRelation) && s.cfg.Schema.Table != "" && !names(s.cfg.Schema) {
		return s.cfg.Schema, nil
	}
	if err != nil && !errors.Is(err, errNoRelation) {
		return s.cfg.Schema, mapError("look up "+s.cfg.Schema.Table, err)
	}
	schema, _, err := s.propose(ctx)
	return schema, err
}

// describe reads the tables of all database schemas, without partitions, in the form in which internal/adopt decides. With
// names, it reads those that have one of them, in any schema.
func describe(ctx context.Context, q *guarded, names ...string) (adopt.Database, error) {
	path, err := q.searchPath(ctx)
	if err != nil {
		return adopt.Database{}, mapError("read the search path", err)
	}
	tables, err := allRows(ctx, q, "read the catalog", scanTable, describeTables, path, names)
	return adopt.Database{Tables: tables}, err
}

func scanTable(row pgx.CollectableRow) (adopt.Table, error) {
	var t adopt.Table
	var kind string
	var columns []struct {
		Name, Type, Maker, Base, Check string
		Unique                         bool
		Labels                         []string
	}
	if err := row.Scan(&t.Space, &t.Name, &t.Owner, &kind, &t.Hidden, &columns, &t.PrimaryKey, &t.ForeignKeys); err != nil {
		return t, err
	}
	t.Partitioned = kind == "p"
	t.Other = map[string]string{"v": "a view", "m": "a materialized view", "f": "a foreign table"}[kind]
	for _, c := range columns {
		column := adopt.Column{Name: c.Name, Type: c.Type, Maker: c.Maker, Kind: kindOf(c.Base), Unique: c.Unique, Values: c.Labels, Fixed: c.Labels != nil}
		if column.Values == nil && c.Check != "" {
			column.Values = adopt.CheckedValues(c.Check, c.Name)
		}
		t.Columns = append(t.Columns, column)
	}
	return t, nil
}

// kindOf is the kind of a column by the name of its type, that of a domain's base.
func kindOf(base string) adopt.Kind {
	switch base {
	case "text", "varchar", "bpchar", "citext", "name":
		return adopt.Text
	case "int2", "int4", "int8":
		return adopt.Number
	case "uuid", "bytea":
		return adopt.ID
	case "timestamptz", "timestamp":
		return adopt.Time
	case "date":
		return adopt.Date
	case "bool":
		return adopt.Boolean
	default:
		return 0
	}
}
