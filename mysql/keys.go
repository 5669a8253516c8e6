package mysql

import (
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds by what rows of a table are told apart and found.

// sortedIndexes are the names of the indexes, the primary key's before others.
func (t *table) sortedIndexes() []string {
	return slices.SortedFunc(maps.Keys(t.indexes), func(a, b string) int {
		switch {
		case a == primary:
			return -1
		case b == primary:
			return 1
		default:
			return strings.Compare(a, b)
		}
	})
}

// rowKey are the columns of the primary key or, without one, of a unique index without NULL; nil when there is neither.
func (t *table) rowKey() []string {
	if key := t.indexes[primary]; len(key) > 0 {
		return key
	}
	for _, name := range t.sortedIndexes() {
		columns := t.indexes[name]
		if t.unique[name] && !slices.ContainsFunc(columns, func(c string) bool { column := t.column(c); return column == nil || column.nullable }) {
			return columns
		}
	}
	return nil
}

// identifies reports whether no two rows have the same values in some columns.
func (t *table) identifies(columns []string) bool {
	for name, of := range t.indexes {
		if t.unique[name] && !slices.ContainsFunc(of, func(c string) bool { return !slices.Contains(columns, c) }) {
			return true
		}
	}
	return false
}

// forced asks for an index that begins with some columns: without it the server may read, and so lock, the whole of a small table.
func (t *table) forced(columns []string) string {
	for _, name := range t.sortedIndexes() {
		if of := t.indexes[name]; len(of) >= len(columns) && slices.Equal(of[:len(columns)], columns) {
			return filled("force_index", sqlfile.Names{"name": sqlfile.Column(name)})
		}
	}
	return ""
}

// stored are the columns that hold values of their own.
func (t *table) stored() []columnInfo {
	return slices.DeleteFunc(slices.Clone(t.columns), func(c columnInfo) bool { return c.generated })
}

// named are some columns by their names.
func (t *table) named(names []string) []columnInfo {
	var all []columnInfo
	for _, name := range names {
		if c := t.column(name); c != nil {
			all = append(all, *c)
		}
	}
	return all
}

// keyOfUnlinked are the columns by which a row is found again after references of it were removed: those of its key unless they are
// among these, or all that hold values of their own and no reference.
func (t *table) keyOfUnlinked() []columnInfo {
	unlinks := func(name string) bool {
		return slices.ContainsFunc(t.keys, func(k foreignKey) bool {
			return (link{key: k}).effect() == effectUnlinked && slices.Contains(k.columns, name)
		})
	}
	if key := t.named(t.rowKey()); len(key) > 0 && !slices.ContainsFunc(key, func(c columnInfo) bool { return c.generated || unlinks(c.name) }) {
		return key
	}
	return slices.DeleteFunc(t.stored(), func(c columnInfo) bool { return unlinks(c.name) })
}
