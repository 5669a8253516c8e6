package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// catalog describes what is in the database. Names are compared as SQLite does, without regard to case.
type catalog struct {
	objects []object
	others  []object          // of other installations
	tables  map[string]*table // by lower-case name
}

// object is a row of sqlite_master.
type object struct {
	kind  string // table, index, trigger or view
	name  string
	table string
	sql   string
}

// table is a table or a view of the application's.
type table struct {
	name    string
	kind    string // table or view
	virtual bool
	strict  bool
	sql     string // that made it
	rowid   string // a name of the rowid that no column has; empty for a table WITHOUT ROWID
	columns []columnInfo
	keys    []foreignKey
	indexes []index
	classed bool // it has classColumn, which is not among columns
}

type columnInfo struct {
	name      string
	declared  string
	key       int // its place in the primary key, from 1; 0 outside
	generated bool
	notNull   bool
	value     string // its default, in SQL; empty for none
}

type foreignKey struct {
	columns  []string
	table    string
	to       []string // the columns referred to; empty for the primary key
	onDelete string
}

type index struct {
	name      string
	unique    bool
	partial   bool
	columns   []string // empty for an expression
	collation string   // of the first column
}

// readCatalog reads the objects of the database, and the details of the application's tables.
func readCatalog(ctx context.Context, db *conn) (*catalog, error) {
	c := &catalog{tables: map[string]*table{}}
	err := db.query(ctx, statements["list_objects"], nil, func(rows *sql.Rows) error {
		var o object
		if err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql); err != nil {
			return err
		}
		if o, mine := db.naming.read(o); mine {
			c.objects = append(c.objects, o)
		} else {
			c.others = append(c.others, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, o := range c.objects {
		if o.kind != "table" && o.kind != "view" || adopt.Own(o.name) {
			continue
		}
		t := &table{name: o.name, kind: o.kind, virtual: strings.HasPrefix(strings.ToUpper(o.sql), "CREATE VIRTUAL"), sql: o.sql}
		if o.kind == "table" && !t.virtual {
			if err := t.read(ctx, db); err != nil {
				return nil, err
			}
		}
		c.tables[strings.ToLower(o.name)] = t
	}
	return c, nil
}

func (t *table) read(ctx context.Context, db *conn) error {
	named := params{"table": t.name}
	err := db.query(ctx, statements["list_columns"], named, func(rows *sql.Rows) error {
		var c columnInfo
		err := rows.Scan(&c.name, &c.declared, &c.key, &c.generated, &c.notNull, &c.value)
		if c.name == db.naming.sql(classColumn) {
			t.classed = true
			return err
		}
		t.columns = append(t.columns, c)
		return err
	})
	if err != nil {
		return err
	}
	var without bool
	if err := db.row(ctx, statements["table_options"], named, &without, &t.strict); err != nil {
		return err
	}
	for i := range t.columns {
		if c := &t.columns[i]; t.strict && strings.EqualFold(c.declared, "ANY") {
			c.declared = "" // elsewhere it converts texts to numbers
		}
	}
	if !without {
		t.rowid = unused(t.columns, "rowid", "_rowid_", "oid")
	}
	last := -1
	err = db.query(ctx, statements["list_foreign_keys"], named, func(rows *sql.Rows) error {
		var k foreignKey
		var id int
		var column, to string
		err := rows.Scan(&id, &k.table, &column, &to, &k.onDelete)
		if id != last {
			t.keys = append(t.keys, k)
			last = id
		}
		key := &t.keys[len(t.keys)-1]
		if key.columns = append(key.columns, column); to != "" {
			key.to = append(key.to, to)
		}
		return err
	})
	if err != nil {
		return err
	}
	return db.query(ctx, statements["list_indexes"], named, func(rows *sql.Rows) error {
		var i index
		var column string
		err := rows.Scan(&i.name, &i.unique, &i.partial, &column, &i.collation)
		if n := len(t.indexes); n == 0 || t.indexes[n-1].name != i.name {
			t.indexes = append(t.indexes, i)
		}
		of := &t.indexes[len(t.indexes)-1]
		of.columns = append(of.columns, column)
		return err
	})
}

// The names of the views: the first is the guide's.
const (
	viewName        = "sessions_cleanup_view"
	valuesViewName  = "sessioncleanup_view" // what sessions_cleanup_view reads
	archiveViewName = "sessions_archive_view"
)

// find returns a table or a view, or nil.
func (c *catalog) find(name string) *table { return c.tables[strings.ToLower(name)] }

// ordinary returns the application's tables but virtual ones, by name.
func (c *catalog) ordinary() []*table {
	var all []*table
	for _, t := range c.tables {
		if t.kind == "table" && !t.virtual {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *table) int { return cmp.Compare(a.name, b.name) })
	return all
}

// object returns an object by name, or nil.
func (c *catalog) object(name string) *object {
	for i := range c.objects {
		if strings.EqualFold(c.objects[i].name, name) {
			return &c.objects[i]
		}
	}
	return nil
}

// column returns a column, or nil.
func (t *table) column(name string) *columnInfo {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// types are those of the columns that Migrate adds.
func (t *table) types() sqlfile.Names {
	if t.strict {
		return sqlfile.Names{"boolean": "INTEGER", "datetime": "TEXT"}
	}
	return sqlfile.Names{"boolean": "BOOLEAN", "datetime": "DATETIME"}
}

// unique reports whether no two rows can have the same value in a column.
func (t *table) unique(column string) bool {
	if key := t.keyColumns(); len(key) == 1 && strings.EqualFold(key[0], column) {
		return true
	}
	return slices.ContainsFunc(t.indexes, func(i index) bool { return i.uniqueFor(column) })
}

func (i index) uniqueFor(column string) bool {
	return i.unique && !i.partial && len(i.columns) == 1 && strings.EqualFold(i.columns[0], column)
}

// collation is the collation by which values of a unique column are compared.
func (t *table) collation(column string) string {
	for _, i := range t.indexes {
		if i.uniqueFor(column) {
			return i.collation
		}
	}
	return "BINARY"
}

// indexed reports whether an index of the application's finds rows by some columns.
func (t *table) indexed(columns ...string) bool {
	return t.indexedBy(columns, func(i index) bool { return !adopt.Own(i.name) })
}

// indexedBy reports whether an index that counts finds rows by some columns: they are its first ones, in any order.
func (t *table) indexedBy(columns []string, counts func(index) bool) bool {
	leads := func(first []string) bool {
		for _, column := range columns {
			if !slices.ContainsFunc(first[:min(len(first), len(columns))], func(c string) bool { return strings.EqualFold(c, column) }) {
				return false
			}
		}
		return true
	}
	if leads(t.keyColumns()) {
		return true
	}
	return slices.ContainsFunc(t.indexes, func(i index) bool { return counts(i) && !i.partial && leads(i.columns) })
}

// keyColumns are the columns of the primary key, in order.
func (t *table) keyColumns() []string {
	key := slices.DeleteFunc(slices.Clone(t.columns), func(c columnInfo) bool { return c.key == 0 })
	slices.SortFunc(key, func(a, b columnInfo) int { return a.key - b.key })
	var names []string
	for _, c := range key {
		names = append(names, c.name)
	}
	return names
}

// unused returns the first of some names that no column has, or nothing.
func unused(columns []columnInfo, names ...string) string {
	for _, name := range names {
		if !slices.ContainsFunc(columns, func(c columnInfo) bool { return strings.EqualFold(c.name, name) }) {
			return name
		}
	}
	return ""
}
