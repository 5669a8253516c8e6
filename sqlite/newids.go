package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// newID is an ID that the session of an entry gets.
type newID struct {
	session  string // its old ID
	old, new any    // as the database has them
	text     string
}

// assignNewIDs sets new IDs for the sessions of some entries, as the database generates them.
func (w *restoration) assignNewIDs(ctx context.Context, entries []sessioncleanup.Archived, asked []int64) error {
	if len(asked) == 0 {
		return nil
	}
	t := w.catalog.find(w.schema.Table)
	if t == nil || t.kind != "table" {
		return nil // an obstacle to all of them
	}
	next, err := w.generator(ctx, t)
	if err != nil {
		return err
	}
	w.newIDs, w.idColumns = map[int64]newID{}, w.catalog.idColumns(w.schema)
	for _, e := range entries {
		if !slices.Contains(asked, e.ID) {
			continue
		}
		rows, err := w.archivedRows(ctx, e.ID, 0, 1)
		if err != nil || len(rows) == 0 {
			return err
		}
		values, err := storedRow(rows[0].Row)
		if err != nil {
			return err
		}
		id := newID{session: e.SessionID, old: values[w.schema.ID]}
		if id.new, id.text, err = w.free(ctx, next); err != nil {
			return err
		}
		w.newIDs[e.ID] = id
		w.out.Rename(e.ID, id.text)
	}
	return nil
}

// generator returns a function that makes IDs, as an insert without one does.
func (w *restoration) generator(ctx context.Context, t *table) (func() (any, error), error) {
	column := t.column(w.schema.ID)
	n := sqlfile.Names{"sessions": t.quoted(), "id": sqlfile.Column(w.schema.ID)}
	switch {
	case column == nil:
		return nil, invalid.Errorf("the column %q of %q is gone", w.schema.ID, t.name)
	case strings.Contains(column.value, "("):
		n["value"] = column.value
		return func() (id any, err error) {
			err = w.row(ctx, filled("default_id", n), nil, &id)
			return id, err
		}, nil
	case t.rowid != "" && strings.EqualFold(column.declared, "INTEGER") && slices.Equal(t.keyColumns(), []string{column.name}):
		var last int64
		if err := w.row(ctx, filled("last_id", n), nil, &last); err != nil {
			return nil, err
		}
		if w.catalog.object("sqlite_sequence") != nil {
			var used int64
			if err := w.row(ctx, statements["last_sequence"], params{"table": t.name}, &used); err != nil {
				return nil, err
			}
			last = max(last, used)
		}
		return func() (any, error) {
			last++
			return last, nil
		}, nil
	default:
		return nil, invalid.Errorf("the database does not generate the IDs of %q, so a session cannot get a new one", t.name)
	}
}

// free is the next ID that no session has, nor had when it was archived.
func (w *restoration) free(ctx context.Context, next func() (any, error)) (id any, text string, err error) {
	for range 1000 {
		if id, err = next(); err != nil {
			return nil, "", err
		}
		var taken bool
		n := sqlfile.Names{"new_id_text": w.adopted.ID.readText(":new")}
		if err := w.row(ctx, w.sql("new_id", n), params{"new": id}, &text, &taken); err != nil {
			return nil, "", err
		}
		for _, other := range w.newIDs {
			taken = taken || other.text == text
		}
		if !taken {
			return id, text, nil
		}
	}
	return nil, "", invalid.Errorf("the database generates no free ID for %q, such as %q", w.schema.Table, text)
}

// idColumns are the columns that hold IDs of sessions, as TABLE.COLUMN in lower case: that of the sessions, and those that refer
// to one of these by a foreign key.
func (c *catalog) idColumns(s sessioncleanup.Schema) map[string]bool {
	all := map[string]bool{idColumn(s.Table, s.ID): true}
	for grown := true; grown; {
		grown = false
		for _, t := range c.tables {
			for _, k := range t.keys {
				to := k.to
				if parent := c.find(k.table); len(to) == 0 && parent != nil {
					to = parent.keyColumns()
				}
				for i, column := range k.columns {
					name := idColumn(t.name, column)
					if i < len(to) && all[idColumn(k.table, to[i])] && !all[name] {
						all[name], grown = true, true
					}
				}
			}
		}
	}
	return all
}

func idColumn(table, column string) string { return strings.ToLower(table + "." + column) }

// values reads a row of an entry, or a part of one, with the new IDs of sessions in it: that of its own session or, for one that
// is not its own, of that session's last entry.
func (w *restoration) values(t *restoredTable, e sessioncleanup.Archived, data json.RawMessage) (map[string]any, error) {
	values, err := storedRow(data)
	if err != nil || len(w.newIDs) == 0 {
		return values, err
	}
	for column, value := range values {
		if !w.idColumns[idColumn(t.name, column)] || value == nil {
			continue
		}
		last := int64(0)
		for entry, id := range w.newIDs {
			if sameValue(id.old, value) && entry > last && id.session != e.SessionID {
				last, values[column] = entry, id.new
			}
		}
		if own, renamed := w.newIDs[e.ID]; renamed && sameValue(own.old, value) {
			values[column] = own.new
		}
	}
	return values, nil
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
