package archive

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// NewID is an ID that the session of an entry gets.
type NewID struct {
	Session  string // its old ID
	Old, New any    // as the database has them
	Text     string
}

// NewIDs are those of a restore, by entry.
type NewIDs map[int64]NewID

// Taken reports whether one of them is a text.
func (n NewIDs) Taken(text string) bool {
	for _, id := range n {
		if id.Text == text {
			return true
		}
	}
	return false
}

// Replace puts the new IDs of sessions into values of an entry, by column, where a column holds IDs: that of its own
// session or, for one that is not its own, of that session's last entry.
func (n NewIDs) Replace(e sessioncleanup.Archived, table string, holds IDColumns, values map[string]any) {
	if len(n) == 0 {
		return
	}
	for column, value := range values {
		if !holds.Has(table, column) || value == nil {
			continue
		}
		last := int64(0)
		for entry, id := range n {
			if sameValue(id.Old, value) && entry > last && id.Session != e.SessionID {
				last, values[column] = entry, id.New
			}
		}
		if own, renewed := n[e.ID]; renewed && sameValue(own.Old, value) {
			values[column] = own.New
		}
	}
}

// sameValue compares values of columns between which a foreign key compares: their types may differ.
func sameValue(a, b any) bool {
	x, isBytes := a.([]byte)
	y, areBytes := b.([]byte)
	if isBytes || areBytes {
		return isBytes && areBytes && bytes.Equal(x, y)
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// Key is a foreign key: its columns and, in the same order, those that they refer to.
type Key struct {
	Table   string
	Columns []string
	Parent  string
	To      []string
}

// IDColumns are the columns that hold IDs of sessions.
type IDColumns map[string]bool

// IDColumnsOf are that of the sessions, and those that refer to one of these by a foreign key.
func IDColumnsOf(sessions, id string, keys []Key) IDColumns {
	all := IDColumns{idColumn(sessions, id): true}
	for grown := true; grown; {
		grown = false
		for _, k := range keys {
			for i, column := range k.Columns {
				name := idColumn(k.Table, column)
				if i < len(k.To) && all[idColumn(k.Parent, k.To[i])] && !all[name] {
					all[name], grown = true, true
				}
			}
		}
	}
	return all
}

// Has reports whether a column is one of them.
func (c IDColumns) Has(table, column string) bool { return c[idColumn(table, column)] }

func idColumn(table, column string) string { return strings.ToLower(table + "." + column) }
