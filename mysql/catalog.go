package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// catalog describes what is in the database.
type catalog struct {
	tables   map[string]*table
	triggers map[string]trigger
	taken    map[string]string // the sessions of other installations, by the names of these
	folded   bool              // the server does not tell upper case from lower case in the names of tables
}

type table struct {
	name    string
	kind    string // BASE TABLE, VIEW, …
	engine  string
	compact bool // of a row format whose indexes hold the first 767 bytes of a value at most
	columns []columnInfo
	keys    []foreignKey
	indexes map[string][]string // the columns of each
	unique  map[string]bool     // the indexes that are
	checks  string              // conditions, for the values of columns
}

// systemVersioned is the kind of a table whose rows have a history.
const systemVersioned = "SYSTEM VERSIONED"

type columnInfo struct {
	name      string
	declared  string // its type, as the server writes it
	base      string // the type without its parameters
	precision int    // decimals of the seconds
	collation string
	charset   string
	bytes     int64 // that a text or a binary can have
	nullable  bool
	generated bool
	updating  bool // with ON UPDATE CURRENT_TIMESTAMP
	invisible bool
}

type foreignKey struct {
	name     string
	columns  []string
	table    string
	to       []string
	onDelete string
	onUpdate string
}

type trigger struct {
	name, table, body string
}

// readCatalog reads what is in the database of the connection.
func readCatalog(ctx context.Context, c *conn) (*catalog, error) {
	all := &catalog{tables: map[string]*table{}, triggers: map[string]trigger{}, taken: map[string]string{}}
	read := func(statement string, scan func(rows *sql.Rows) error) func() error {
		return func() error { return c.query(ctx, statements[statement], nil, scan) }
	}
	for _, step := range []func() error{
		read("list_tables", func(rows *sql.Rows) error {
			t := &table{indexes: map[string][]string{}, unique: map[string]bool{}}
			err := rows.Scan(&t.name, &t.kind, &t.engine, &t.compact)
			if name, mine := c.naming.read(t.name); mine {
				t.name = name
				all.tables[name] = t
			}
			return err
		}),
		read("list_columns", func(rows *sql.Rows) error {
			var in, extra string
			var column columnInfo
			err := rows.Scan(&in, &column.name, &column.declared, &column.base, &column.precision, &column.collation, &column.charset, &column.bytes, &column.nullable, &extra)
			column.updating = strings.Contains(strings.ToLower(extra), "on update")
			column.invisible = strings.Contains(extra, "INVISIBLE")
			column.generated = strings.Contains(extra, "GENERATED") && !strings.Contains(extra, "DEFAULT_GENERATED")
			if t := all.read(c, in); t != nil {
				t.columns = append(t.columns, column)
			}
			return err
		}),
		read("list_indexes", func(rows *sql.Rows) error {
			var in, name, column string
			var unique bool
			err := rows.Scan(&in, &name, &unique, &column)
			name, mine := c.naming.read(name)
			if t := all.read(c, in); t != nil && mine {
				t.indexes[name] = append(t.indexes[name], column)
				t.unique[name] = unique
			}
			return err
		}),
		read("list_foreign_keys", all.addKey),
		read("list_triggers", func(rows *sql.Rows) error {
			var t trigger
			var mine bool
			err := rows.Scan(&t.name, &t.table, &t.body)
			full := t.name
			if t.name, mine = c.naming.read(full); mine {
				t.body = c.naming.back(t.body)
				all.triggers[t.name] = t
			} else if name, _ := adopt.Installation(full); full == (naming{name}).sql(insertedTrigger) {
				all.taken[name] = t.table
			}
			return err
		}),
		read("list_checks", func(rows *sql.Rows) error {
			var in, condition string
			err := rows.Scan(&in, &condition)
			if t := all.read(c, in); t != nil {
				t.checks += " CHECK (" + condition + ")"
			}
			return err
		}),
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	all.respell()
	return all, c.row(ctx, statements["folds_tables"], nil, &all.folded)
}

// spelled is a schema with the names of tables as the server spells them.
func (c *catalog) spelled(s sessioncleanup.Schema) sessioncleanup.Schema {
	if !c.folded {
		return s
	}
	names := slices.Collect(maps.Keys(c.tables))
	return adopt.RespelledTables(s, func(table string) string { return oneOf(names, table) })
}

// respell has foreign keys name columns as the tables do: the server keeps the words of the statement that made them.
func (c *catalog) respell() {
	for _, t := range c.tables {
		for _, k := range t.keys {
			for i := range k.columns {
				if of := t.column(k.columns[i]); of != nil {
					k.columns[i] = of.name
				}
				if to := c.tables[k.table].column(k.to[i]); to != nil {
					k.to[i] = to.name
				}
			}
		}
	}
}

// read is a table as the server calls it; nil for one of another installation.
func (c *catalog) read(db *conn, name string) *table {
	name, mine := db.naming.read(name)
	if !mine {
		return nil
	}
	return c.tables[name]
}

// addKey reads a column of a foreign key.
func (c *catalog) addKey(rows *sql.Rows) error {
	var in, name, column, to, toColumn, onDelete, onUpdate string
	if err := rows.Scan(&in, &name, &column, &to, &toColumn, &onDelete, &onUpdate); err != nil {
		return err
	}
	t := c.tables[in]
	if t == nil {
		return nil
	}
	if n := len(t.keys); n == 0 || t.keys[n-1].name != name {
		t.keys = append(t.keys, foreignKey{name: name, table: to, onDelete: onDelete, onUpdate: onUpdate})
	}
	k := &t.keys[len(t.keys)-1]
	k.columns, k.to = append(k.columns, column), append(k.to, toColumn)
	return nil
}

func (t *table) column(name string) *columnInfo {
	if t == nil {
		return nil
	}
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// isUnique reports whether a column identifies a row by itself.
func (t *table) isUnique(name string) bool {
	return slices.Contains(t.indexes[primary], name) && len(t.indexes[primary]) == 1 || t.uniqueIndex(name) != primary
}

// uniqueIndex is an index by which a column identifies a row, the primary key if that does.
func (t *table) uniqueIndex(name string) string {
	if t == nil {
		return primary
	}
	found := primary
	for index, columns := range t.indexes {
		if t.unique[index] && len(columns) == 1 && columns[0] == name {
			if index == primary {
				return primary
			}
			found = index
		}
	}
	return found
}

// primary is the name of every primary key's index.
const primary = "PRIMARY"

// indexed reports whether an index begins with a column.
func (t *table) indexed(name string) bool {
	for _, columns := range t.indexes {
		if columns[0] == name {
			return true
		}
	}
	return false
}

// longestCompact is how many bytes of a value an index of a compact table can hold.
const longestCompact = 767

// indexedAs is a column as an index of its table can have it: the beginning of its values where they may be too long.
func (t *table) indexedAs(name string) string {
	c := t.column(name)
	if !t.compact || c == nil || c.bytes <= longestCompact {
		return sqlfile.Column(name)
	}
	length := longestCompact
	if c.charset != "" { // then it is in characters, of at most four bytes
		length /= 4
	}
	return fmt.Sprintf("%s(%d)", sqlfile.Column(name), length)
}

// sorted are the tables in the order of their names.
func (c *catalog) sorted() []*table {
	return slices.SortedFunc(maps.Values(c.tables), func(a, b *table) int { return strings.Compare(a.name, b.name) })
}

// kind is what a column holds. A TINYINT is a boolean: the server has no other.
func (c columnInfo) kind() adopt.Kind {
	switch c.base {
	case "tinyint":
		return adopt.Boolean | adopt.Number
	case "bit":
		return adopt.Boolean
	case "smallint", "mediumint", "int", "bigint":
		return adopt.Number
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return adopt.Text
	case "binary", "varbinary", "uuid":
		return adopt.ID
	case "datetime", "timestamp":
		return adopt.Time
	case "date":
		return adopt.Date
	default:
		return 0
	}
}

var enumValue = regexp.MustCompile(`'((?:[^']|'')*)'`)

// values are all that a column can have, where its type or a constraint lists them.
func (t *table) values(c columnInfo) []string {
	if c.base != "enum" {
		return adopt.CheckedValues(t.checks, c.name)
	}
	var values []string
	for _, match := range enumValue.FindAllStringSubmatch(c.declared, -1) {
		values = append(values, strings.ReplaceAll(match[1], "''", "'"))
	}
	return values
}

// identity is how a column holds ids.
func (c *columnInfo) identity() identity {
	switch {
	case c == nil:
		return identityText
	case c.kind()&adopt.Number != 0 && strings.Contains(c.declared, "unsigned"):
		return identityUnsigned
	case c.kind()&adopt.Number != 0:
		return identityNumber
	case c.base == "binary" || c.base == "varbinary":
		return identityBinary
	case c.base == "uuid":
		return identityUUID
	default:
		return identityText
	}
}

// clock is the expression for the current time as triggers write it into a column: a TIMESTAMP is converted from the zone
// of the connection. It is cut to milliseconds, as all times of the library, or to what the column keeps.
func (c *columnInfo) clock() string {
	precision := "3"
	if c != nil && c.precision < 3 {
		precision = []string{"0", "1", "2"}[c.precision]
	}
	if c != nil && c.base == "timestamp" {
		return "CURRENT_TIMESTAMP(" + precision + ")"
	}
	return "UTC_TIMESTAMP(" + precision + ")"
}

// keyType is the column's type with its collation, for a column that is compared with it.
func (c *columnInfo) keyType() string {
	if c == nil {
		return ownKeyType
	}
	if c.collation == "" {
		return c.declared
	}
	return c.declared + " CHARACTER SET " + c.charset + " COLLATE " + c.collation
}

// ownKeyType is the type of the ids in a table that Migrate makes.
const ownKeyType = "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

// children are the tables with a foreign key to another one.
func (c *catalog) children(of string) []*table {
	var found []*table
	for _, t := range c.tables {
		if t.name != of && slices.ContainsFunc(t.keys, func(k foreignKey) bool { return k.table == of }) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return found
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = sqlfile.Column(name)
	}
	return strings.Join(all, ", ")
}
