package sqlite

import (
	"context"
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
	w.IDColumns = w.catalog.idColumns(w.schema)
	n := sqlfile.Names{"new_id_text": w.adopted.ID.readText(":new")}
	return w.Renew(ctx, entries, asked, next, func(id any) (text string, taken bool, err error) {
		err = w.row(ctx, w.sql("new_id", n), params{"new": id}, &text, &taken)
		return text, taken, err
	})
}

// generator returns a function that makes IDs, as an insert without one does.
func (w *restoration) generator(ctx context.Context, t *table) (func() (any, error), error) {
	column := t.column(w.schema.ID)
	n := sqlfile.Names{"sessions": t.quoted(), "id": sqlfile.Column(w.schema.ID)}
	switch {
	case column == nil:
		return nil, invalid.Databasef("the column %q of %q is gone", w.schema.ID, t.name)
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
		return nil, invalid.Databasef("the database does not generate the IDs of %q, so a session cannot get a new one", t.name)
	}
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
