package mysql

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// How the tables of an application are understood: internal/adopt decides, by what the catalog says.

// describe is the catalog in the form in which internal/adopt decides.
func (c *catalog) describe() adopt.Database {
	d := adopt.Database{FoldColumns: true}
	for _, t := range c.sorted() {
		if adopt.Own(t.name) {
			continue
		}
		out := adopt.Table{Name: t.name, PrimaryKey: t.indexes[primary]}
		switch {
		case t.kind == systemVersioned:
			out.Other = "a system-versioned table, which keeps what is deleted"
		case t.kind != "BASE TABLE":
			out.Other = "a " + strings.ToLower(t.kind)
		case !strings.EqualFold(t.engine, "InnoDB"):
			out.Other = "a table of the engine " + t.engine + ", which has no transactions"
		}
		for _, column := range t.columns {
			if slices.Contains(ownColumns, column.name) {
				continue
			}
			out.Columns = append(out.Columns, adopt.Column{
				Name: column.name, Type: column.declared, Kind: column.kind(), Unique: t.isUnique(column.name), Values: t.values(column), Fixed: column.base == "enum",
			})
		}
		for _, k := range t.keys {
			out.ForeignKeys = append(out.ForeignKeys, adopt.ForeignKey{Columns: k.columns, Table: k.table, To: k.to})
		}
		d.Tables = append(d.Tables, out)
	}
	return d
}

// recognize finds out how the tables hold ids and times.
func (c *catalog) recognize(s sessioncleanup.Schema, a *adopted) {
	t := c.tables[s.Table]
	a.ID, a.Owner, a.KeyType = t.column(s.ID).identity(), t.column(s.Owner).identity(), t.column(s.ID).keyType()
	a.IDIndex, a.FoldTables = t.uniqueIndex(s.ID), c.folded
	a.Clocks, a.Precision, a.Updating, a.States = map[string]string{}, 3, nil, t.states(s)
	for _, column := range adopt.Lifecycle(s) {
		a.Clocks[column.Column] = t.column(column.Column).clock()
	}
	expiry := t.column(s.ExpiresAt)
	a.ExpiryRequired = expiry != nil && !expiry.nullable
	if d := t.column(s.DeactivatedAt); d != nil {
		a.Precision = min(d.precision, 3)
	}
	if t == nil {
		return
	}
	for _, column := range t.columns {
		if column.updating {
			a.Updating = append(a.Updating, column.name)
		}
	}
}

// identifying are the kinds of columns that hold ids.
const identifying = adopt.Text | adopt.Number | adopt.ID

// longestKey is how many bytes an id can have: an index has 3,072, of which that of the tags needs some for the others
// of its columns.
const longestKey = 3000

// check compares a schema with the database and returns the lifecycle columns to add. An ErrInvalid says what does not fit.
func (c *catalog) check(s sessioncleanup.Schema) ([]adopt.LifecycleColumn, error) {
	d := c.describe()
	missing, err := d.Check(s)
	if err == nil {
		err = d.CheckUnique(s)
	}
	if err != nil {
		return nil, err
	}
	t := c.tables[s.Table]
	switch id := t.column(s.ID); {
	case id.kind()&identifying == 0:
		return nil, invalid.Errorf("schema.id is %q: that column of table %q is of the type %s: want a whole number, VARCHAR, CHAR, BINARY, VARBINARY or UUID", id.name, t.name, id.declared)
	case id.bytes > longestKey:
		return nil, invalid.Errorf("schema.id is %q: that column of table %q is of the type %s, of up to %d bytes: want at most %d, as the library's indexes need", id.name, t.name, id.declared, id.bytes, longestKey)
	}
	for _, column := range adopt.Lifecycle(s) {
		have := t.column(column.Column)
		switch {
		case have == nil:
		case have.generated:
			return nil, invalid.Errorf("schema.%s is %q: that column of table %q is generated: name another column", column.Field, have.name, t.name)
		case column.Field == "deactivated_at" && !have.nullable:
			return nil, invalid.Errorf("schema.%s is %q: that column of table %q is NOT NULL: want one that is NULL while a session is active", column.Field, have.name, t.name)
		}
	}
	return missing, nil
}

// sources are the activity tables of a schema that was proposed, without those that are gone, or whose columns are, and
// with those made since.
func (c *catalog) sources(s sessioncleanup.Schema) []sessioncleanup.Source {
	left := slices.DeleteFunc(slices.Clone(s.Sources), func(source sessioncleanup.Source) bool {
		t := c.tables[source.Table]
		return t.column(source.Session) == nil || source.At != "" && t.column(source.At) == nil
	})
	return append(left, c.describe().Unfollowed(s)...)
}

// Inspect reads the database and completes Config.Schema. It changes nothing. It looks for the sessions in the table
// that Config.Schema names, then in a table "sessions", then in the only table whose name ends in "session" or
// "sessions", then in the only table with a column "active" or "is_active" that other tables refer to. When it finds no
// table that may hold sessions, it proposes OwnSchema. When it finds several, or only tables of other names, it fails
// with an ErrInvalid that lists them. Config.Logger receives what is uncertain or left out, which columns could be
// Schema.TagColumns, and how times are understood.
func (s *Store) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	var p adopt.Proposal
	var hints []string
	err := s.reading(ctx, func(c *conn) error {
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if p, err = catalog.propose(s.given); err != nil {
			return err
		}
		hints, err = catalog.describe().TagHints(p.Schema, func(column string) (values []string, err error) {
			names := sqlfile.Names{"sessions": sqlfile.Column(p.Schema.Table), "column": sqlfile.Column(column)}
			err = c.query(ctx, filled("sample_values", names), params{"sample": adopt.TagSample, "most": adopt.TagValues + 1}, sqlstore.Each(&values))
			return values, err
		})
		if err != nil {
			return err
		}
		times, err := c.timesOf(ctx, catalog, p.Schema)
		if err != nil {
			return err
		}
		return s.sayTimes(ctx, c, "inspect", catalog, p.Schema, times)
	})
	if err != nil {
		return sessioncleanup.Schema{}, err
	}
	s.warn(ctx, "inspect", slices.Concat(p.Warnings, hints))
	return p.Schema, nil
}

func (s *Store) warn(ctx context.Context, operation string, warnings []string) {
	for _, warning := range warnings {
		s.log.WarnContext(ctx, operation+": "+warning)
	}
}

// propose completes a schema.
func (c *catalog) propose(given sessioncleanup.Schema) (adopt.Proposal, error) {
	p, err := c.describe().Propose(c.spelled(given))
	if err == nil {
		err = validSchema(p.Schema)
	}
	return p, err
}
