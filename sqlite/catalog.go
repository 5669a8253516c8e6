package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

// catalog describes what is in the database. Names are compared as SQLite does, without regard to case.
type catalog struct {
	objects []object
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
	rowid   string // a name of the rowid that no column has; empty for a table WITHOUT ROWID
	columns []columnInfo
	keys    []foreignKey
	indexes []index
}

type columnInfo struct {
	name     string
	declared string
	key      int // its place in the primary key, from 1; 0 outside
}

// foreignKey is a key of one column; those of several columns are left out.
type foreignKey struct {
	column   string
	table    string
	to       string // the column referred to; empty for the primary key
	onDelete string
}

type index struct {
	name    string
	unique  bool
	partial bool
	first   string // its first column; empty for an expression
	columns int
}

// readCatalog reads the objects of the database, and the details of the application's tables.
func readCatalog(ctx context.Context, db *conn) (*catalog, error) {
	c := &catalog{tables: map[string]*table{}}
	err := db.query(ctx, statements["list_objects"], nil, func(rows *sql.Rows) error {
		var o object
		err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql)
		c.objects = append(c.objects, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, o := range c.objects {
		if o.kind != "table" && o.kind != "view" || adopt.Own(o.name) {
			continue
		}
		t := &table{name: o.name, kind: o.kind, virtual: strings.HasPrefix(strings.ToUpper(o.sql), "CREATE VIRTUAL")}
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
		err := rows.Scan(&c.name, &c.declared, &c.key)
		t.columns = append(t.columns, c)
		return err
	})
	if err != nil {
		return err
	}
	var without bool
	if err := db.row(ctx, statements["is_without_rowid"], named, &without); err != nil {
		return err
	}
	if !without {
		t.rowid = unused(t.columns, "rowid", "_rowid_", "oid")
	}
	err = db.query(ctx, statements["list_foreign_keys"], named, func(rows *sql.Rows) error {
		var k foreignKey
		err := rows.Scan(&k.table, &k.column, &k.to, &k.onDelete)
		t.keys = append(t.keys, k)
		return err
	})
	if err != nil {
		return err
	}
	return db.query(ctx, statements["list_indexes"], named, func(rows *sql.Rows) error {
		var i index
		err := rows.Scan(&i.name, &i.unique, &i.partial, &i.first, &i.columns)
		t.indexes = append(t.indexes, i)
		return err
	})
}

// viewName is the name of the view, as the guide has it.
const viewName = "sessions_cleanup_view"

// find returns a table or a view, or nil.
func (c *catalog) find(name string) *table { return c.tables[strings.ToLower(name)] }

// hosts returns the application's ordinary tables, by name.
func (c *catalog) hosts() []*table {
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

// primaryKey returns the column that is the primary key alone, or nil.
func (t *table) primaryKey() *columnInfo {
	var key *columnInfo
	for i := range t.columns {
		if t.columns[i].key == 0 {
			continue
		}
		if key != nil {
			return nil
		}
		key = &t.columns[i]
	}
	return key
}

// unique reports whether no two rows can have the same value in a column.
func (t *table) unique(column string) bool {
	if key := t.primaryKey(); key != nil && strings.EqualFold(key.name, column) {
		return true
	}
	return slices.ContainsFunc(t.indexes, func(i index) bool {
		return i.unique && !i.partial && i.columns == 1 && strings.EqualFold(i.first, column)
	})
}

// indexed reports whether an index of the application's finds rows by a column.
func (t *table) indexed(column string) bool {
	if slices.ContainsFunc(t.columns, func(c columnInfo) bool { return c.key == 1 && strings.EqualFold(c.name, column) }) {
		return true
	}
	return slices.ContainsFunc(t.indexes, func(i index) bool {
		return !adopt.Own(i.name) && !i.partial && strings.EqualFold(i.first, column)
	})
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
