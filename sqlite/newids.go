package sqlite

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

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
	w.newIDs, w.idColumns = archive.NewIDs{}, w.catalog.idColumns(w.schema)
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
		id := archive.NewID{Session: e.SessionID, Old: values[w.schema.ID]}
		if id.New, id.Text, err = w.free(ctx, next); err != nil {
			return err
		}
		w.newIDs[e.ID] = id
		w.out.Rename(e.ID, id.Text)
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
		if !taken && !w.newIDs.Taken(text) {
			return id, text, nil
		}
	}
	return nil, "", invalid.Errorf("the database generates no free ID for %q, such as %q", w.schema.Table, text)
}

// idColumns are the columns that hold IDs of sessions.
func (c *catalog) idColumns(s sessioncleanup.Schema) archive.IDColumns {
	var keys []archive.Key
	for _, t := range c.tables {
		for _, k := range t.keys {
			to := k.to
			if parent := c.find(k.table); len(to) == 0 && parent != nil {
				to = parent.keyColumns()
			}
			keys = append(keys, archive.Key{Table: t.name, Columns: k.columns, Parent: k.table, To: to})
		}
	}
	return archive.IDColumnsOf(s.Table, s.ID, keys)
}

// values reads a row of an entry, or a part of one, with the new IDs of sessions in it.
func (w *restoration) values(t *restoredTable, e sessioncleanup.Archived, data json.RawMessage) (map[string]any, error) {
	values, err := storedRow(data)
	w.newIDs.Replace(e, t.name, w.idColumns, values)
	return values, err
}
