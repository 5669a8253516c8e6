// Package adopt decides how the library uses the tables that an application already has. Propose finds the table of
// sessions, the meaning of its columns, the table with the owners' names and the activity tables. Check compares a
// schema with the tables: it returns the lifecycle columns to add and reports the tables and columns that do not exist.
//
// A backend describes its catalog as a Database. The rules, the names to look for and the messages are in this package,
// so that all backends decide and report the same. Nothing here reads or changes a database.
package adopt

import (
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Database is the part of a catalog that the decisions need: the tables of the application, and its views, so that a
// message can say that a name belongs to one. Partitions of a table are left out. The library's own tables may be
// included; they are ignored.
type Database struct {
	Tables []Table
	// FoldCase says that the database compares names without regard to case, as SQLite does.
	FoldCase bool
	// FoldColumns says that it does so with the names of columns.
	FoldColumns bool
}

// Table is a table or a view.
type Table struct {
	Space  string // its database schema; empty where the database has none
	Name   string
	Owner  string // the role that owns it; empty for a superuser, and where the database has no roles
	Hidden bool   // the connection finds it only by its database schema and its name
	Other  string // what it is when it cannot be adopted: "a view"; empty for an ordinary or a partitioned table

	Columns     []Column
	PrimaryKey  []string // column names, in order
	Partitioned bool
	ForeignKeys []ForeignKey
}

// Column is a column of a Table.
type Column struct {
	Name   string
	Type   string // as SQL writes it, for messages
	Maker  string // the role that owns the type; empty for one of the server or of a superuser
	Kind   Kind
	Unique bool // an index makes sure that no two rows have the same value
	// Values are all that the column can have, where its type or a constraint lists them: an enumeration's.
	Values []string
	// Fixed says that the type lists the values.
	Fixed bool
}

// ForeignKey is a foreign key of one or several columns.
type ForeignKey struct {
	Columns []string
	Space   string // of the table that it refers to; empty where the database has none
	Table   string
	To      []string // the columns that it refers to; empty for the primary key
}

// Kind is the set of what a column can hold. A database that does not enforce types has several in one column. Zero is
// something that the library has no use for, such as JSON.
type Kind uint8

// The kinds of values.
const (
	Text    Kind = 1 << iota
	Number       // whole numbers
	ID           // UUIDs and bytes
	Time         // a moment
	Date         // a day, without a time
	Boolean      // true or false
	Any     = Text | Number | ID | Time | Date | Boolean

	identifying = Text | Number | ID
)

// String names the kinds that a column is asked to have.
func (k Kind) String() string {
	switch k {
	case Boolean:
		return "a boolean"
	case Time:
		return "a time"
	case Time | Date:
		return "a time or a date"
	default:
		return "another type"
	}
}

// path is the name by which a schema refers to the table.
func (t *Table) path() string {
	switch {
	case t.Space == "":
		return t.Name
	case t.Hidden:
		return sqlfile.Qualified(t.Space, t.Name)
	default:
		return sqlfile.Plain(t.Name)
	}
}

// find returns the table that a schema refers to, or nil.
func (d Database) find(path string) *Table {
	parts := sqlfile.Split(path)
	if len(parts) == 2 {
		return d.lookup(parts[0], parts[1])
	}
	return d.one(func(t *Table) bool { return !t.Hidden && (d.same(t.Name, path) || t.Space != "" && t.Name == parts[0]) })
}

func (d Database) lookup(space, name string) *Table {
	return d.one(func(t *Table) bool { return d.same(t.Space, space) && d.same(t.Name, name) })
}

func (d Database) one(is func(*Table) bool) *Table {
	for i := range d.Tables {
		if is(&d.Tables[i]) {
			return &d.Tables[i]
		}
	}
	return nil
}

// candidates returns the application's ordinary tables, sorted by name.
func (d Database) candidates() []*Table {
	var all []*Table
	for i := range d.Tables {
		if t := &d.Tables[i]; t.Other == "" && !Own(t.Name) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *Table) int { return strings.Compare(a.path(), b.path()) })
	return all
}

// same reports whether two names are equal to the database.
func (d Database) same(a, b string) bool {
	return a == b || d.FoldCase && strings.EqualFold(a, b)
}

// column returns a column of a table, or nil.
func (d Database) column(t *Table, name string) *Column {
	for i := range t.Columns {
		if c := t.Columns[i].Name; d.same(c, name) || d.FoldColumns && strings.EqualFold(c, name) {
			return &t.Columns[i]
		}
	}
	return nil
}

// position is the place of a column in its table, from 0.
func (t *Table) position(column string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
}

// unique reports whether a column identifies a row by itself.
func (d Database) unique(t *Table, name string) bool {
	if len(t.PrimaryKey) == 1 && d.same(t.PrimaryKey[0], name) {
		return true
	}
	c := d.column(t, name)
	return c != nil && c.Unique
}

// refers reports whether a foreign key refers to a table.
func (d Database) refers(k ForeignKey, t *Table) bool {
	return d.same(k.Space, t.Space) && d.same(k.Table, t.Name)
}

// target returns the column of a table that the i-th column of a foreign key to it refers to; empty when that is unknown.
func (k ForeignKey) target(t *Table, i int) string {
	to := k.To
	if len(to) == 0 {
		to = t.PrimaryKey
	}
	if len(to) != len(k.Columns) {
		return ""
	}
	return to[i]
}

// canName reports whether a schema can have its names, and the path of a table leads to it.
func (d Database) canName(t *Table, s sessioncleanup.Schema) bool {
	return s.Validate() == nil && d.find(t.path()) == t
}
