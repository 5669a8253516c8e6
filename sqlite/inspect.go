package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Inspect reads the database and completes Config.Schema. It changes nothing. It looks for the sessions in the table
// that Config.Schema names, then in a table "sessions", then in the only table whose name ends in "session" or
// "sessions", then in the only table with a column "active" or "is_active" that other tables refer to. When it finds no
// table that may hold sessions, it proposes OwnSchema. When it finds several, or only tables of other names, it fails
// with an ErrInvalid that lists them.
//
// Tables with a foreign key to the sessions, or with a column session_id, become activity tables. The owner is found by
// a foreign key from the sessions to a table with a display name, or by a column such as owner_id or user_id. A column
// "state" or "status" says whether a session is active when a constraint lists its values and they are words such as
// open and closed. Rows with a time in "deleted_at" are not sessions. Config.Logger receives what is uncertain or left
// out, which columns could be Schema.TagColumns, and how times are understood.
func (s *Store) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	var p adopt.Proposal
	var times adopt.Times
	var hints, unreadable []string
	err := s.reading(ctx, func(c *conn) error {
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if p, err = catalog.propose(s.given); err != nil {
			return err
		}
		if times, unreadable, err = catalog.timesOf(ctx, c, p.Schema); err != nil {
			return err
		}
		hints, err = catalog.describe().TagHints(p.Schema, func(column string) ([]string, error) {
			names := sqlfile.Names{"sessions": sqlfile.Column(p.Schema.Table), "column": sqlfile.Column(column)}
			return c.texts(ctx, filled("sample_values", names), params{"sample": adopt.TagSample, "most": adopt.TagValues + 1})
		})
		return err
	})
	if err != nil {
		return sessioncleanup.Schema{}, err
	}
	s.sayWarnings(ctx, "inspect", slices.Concat(p.Warnings, unreadable, hints))
	s.sayTimes(ctx, "inspect", times)
	return p.Schema, nil
}

func (s *Store) sayWarnings(ctx context.Context, operation string, warnings []string) {
	for _, warning := range warnings {
		s.log.WarnContext(ctx, operation+": "+warning)
	}
}

// propose completes a schema.
func (c *catalog) propose(given sessioncleanup.Schema) (adopt.Proposal, error) {
	p, err := c.describe().Propose(given)
	if err == nil {
		err = validSchema(p.Schema)
	}
	return p, err
}

// describe is the catalog in the form in which internal/adopt decides.
func (c *catalog) describe() adopt.Database {
	d := adopt.Database{FoldCase: true}
	for _, t := range c.tables {
		d.Tables = append(d.Tables, t.describe())
	}
	return d
}

func (t *table) describe() adopt.Table {
	out := adopt.Table{Name: t.name}
	switch {
	case t.virtual:
		out.Other = "a virtual table"
	case t.kind != "table":
		out.Other = "a " + t.kind
	}
	out.PrimaryKey = t.keyColumns()
	for _, c := range t.columns {
		out.Columns = append(out.Columns, adopt.Column{Name: c.name, Type: c.declared, Kind: kindOf(c.declared), Unique: t.unique(c.name), Values: adopt.CheckedValues(t.sql, c.name)})
	}
	for _, k := range t.keys {
		out.ForeignKeys = append(out.ForeignKeys, adopt.ForeignKey{Columns: k.columns, Table: k.table, To: k.to})
	}
	return out
}

// kindOf is the kind of a column by its declared type. SQLite stores anything in a column of nearly any type, and has no
// type for times.
func kindOf(declared string) adopt.Kind {
	declared = strings.ToUpper(declared)
	switch {
	case strings.Contains(declared, "BOOL"):
		return adopt.Boolean
	case strings.Contains(declared, "BLOB"):
		return adopt.ID
	case strings.Contains(declared, "DATE"), strings.Contains(declared, "TIME"):
		return adopt.Time | adopt.Date
	case strings.Contains(declared, "INT"):
		return adopt.Number | adopt.Boolean | adopt.Time
	default:
		return adopt.Any
	}
}

// children returns the tables with a foreign key to another one.
func (c *catalog) children(of *table) []*table {
	return slices.DeleteFunc(c.ordinary(), func(t *table) bool {
		return t == of || !slices.ContainsFunc(t.keys, func(k foreignKey) bool { return strings.EqualFold(k.table, of.name) })
	})
}
