package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
)

// catalog is what the database says of itself. Names are compared as SQLite does, without regard to case.
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

// table is a table of the host, or of the library.
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
	notNull  bool
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
	columns []string // an expression is empty
}

// readCatalog reads the objects of the database, and all there is to know of the host's tables.
func readCatalog(ctx context.Context, w *work) (*catalog, error) {
	c := &catalog{tables: map[string]*table{}}
	err := w.query(ctx, text["list_objects"], nil, func(rows *sql.Rows) error {
		var o object
		if err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql); err != nil {
			return err
		}
		c.objects = append(c.objects, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, o := range c.objects {
		if o.kind != "table" && o.kind != "view" || own(o.name) {
			continue
		}
		t := &table{name: o.name, kind: o.kind, virtual: strings.HasPrefix(strings.ToUpper(o.sql), "CREATE VIRTUAL")}
		if o.kind == "table" && !t.virtual {
			if err := t.read(ctx, w); err != nil {
				return nil, err
			}
		}
		c.tables[strings.ToLower(o.name)] = t
	}
	return c, nil
}

// spreads reports whether deleting a row of a table may delete other rows of it: by a foreign key to itself, straight or
// through another table, or by any trigger.
func (c *catalog) spreads(name string) bool {
	for _, o := range c.objects {
		if o.kind == "trigger" && !own(o.name) && deletes.MatchString(o.sql) {
			return true
		}
	}
	t := c.tables[strings.ToLower(name)]
	if t == nil {
		return false
	}
	for _, key := range t.keys {
		if key.onDelete != "CASCADE" {
			continue
		}
		if strings.EqualFold(key.table, name) {
			return true
		}
		if other := c.tables[strings.ToLower(key.table)]; other != nil && slices.ContainsFunc(other.keys, func(k foreignKey) bool { return k.onDelete == "CASCADE" }) {
			return true
		}
	}
	return false
}

var deletes = regexp.MustCompile(`(?i)\bDELETE\s+FROM\b|\bREPLACE\b`)

func (t *table) read(ctx context.Context, w *work) error {
	named := values{"table": t.name}
	err := w.query(ctx, text["list_columns"], named, func(rows *sql.Rows) error {
		var c columnInfo
		if err := rows.Scan(&c.name, &c.declared, &c.notNull, &c.key); err != nil {
			return err
		}
		t.columns = append(t.columns, c)
		return nil
	})
	if err != nil {
		return err
	}
	var without bool
	if err := w.row(ctx, text["is_without_rowid"], named, &without); err != nil {
		return err
	}
	if !without {
		t.rowid = unused(t.columns, "rowid", "_rowid_", "oid")
	}
	parts := map[int]int{} // of each key
	ids := []int{}
	err = w.query(ctx, text["list_foreign_keys"], named, func(rows *sql.Rows) error {
		var id int
		var k foreignKey
		if err := rows.Scan(&id, &k.table, &k.column, &k.to, &k.onDelete); err != nil {
			return err
		}
		parts[id]++
		ids = append(ids, id)
		t.keys = append(t.keys, k)
		return nil
	})
	if err != nil {
		return err
	}
	single := t.keys[:0]
	for i, k := range t.keys {
		if parts[ids[i]] == 1 {
			single = append(single, k)
		}
	}
	t.keys = single
	return w.query(ctx, text["list_indexes"], named, func(rows *sql.Rows) error {
		var i index
		var column string
		if err := rows.Scan(&i.name, &i.unique, &i.partial, &column); err != nil {
			return err
		}
		if n := len(t.indexes); n == 0 || t.indexes[n-1].name != i.name {
			t.indexes = append(t.indexes, i)
		}
		last := &t.indexes[len(t.indexes)-1]
		last.columns = append(last.columns, column)
		return nil
	})
}

// own reports whether a name is one of the library's.
func own(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "sessioncleanup_") || strings.EqualFold(name, viewName)
}

// find gives a table or a view, or nil.
func (c *catalog) find(name string) *table { return c.tables[strings.ToLower(name)] }

// hosts gives the host's ordinary tables, by name.
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

// object gives an object by name, or nil.
func (c *catalog) object(name string) *object {
	for i := range c.objects {
		if strings.EqualFold(c.objects[i].name, name) {
			return &c.objects[i]
		}
	}
	return nil
}

// column gives a column, or nil.
func (t *table) column(name string) *columnInfo {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// primaryKey gives the column that is the primary key alone, or nil.
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
		return i.unique && !i.partial && len(i.columns) == 1 && strings.EqualFold(i.columns[0], column)
	})
}

// indexed reports whether an index of the host's finds rows by a column.
func (t *table) indexed(column string) bool {
	if slices.ContainsFunc(t.columns, func(c columnInfo) bool { return c.key == 1 && strings.EqualFold(c.name, column) }) {
		return true
	}
	return slices.ContainsFunc(t.indexes, func(i index) bool {
		return !own(i.name) && !i.partial && strings.EqualFold(i.columns[0], column)
	})
}

// refersTo reports whether a key of the table refers to a column of another one.
func (k foreignKey) refersTo(t *table, column string) bool {
	if !strings.EqualFold(k.table, t.name) {
		return false
	}
	if k.to == "" {
		key := t.primaryKey()
		return key != nil && strings.EqualFold(key.name, column)
	}
	return strings.EqualFold(k.to, column)
}

// unused gives the first of some names that no column has, or nothing.
func unused(columns []columnInfo, names ...string) string {
	for _, name := range names {
		if !slices.ContainsFunc(columns, func(c columnInfo) bool { return strings.EqualFold(c.name, name) }) {
			return name
		}
	}
	return ""
}
