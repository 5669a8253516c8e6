package mysql

import (
	"context"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// assignNewIDs sets new IDs for the sessions of some entries, as the database generates them.
func (w *restoration) assignNewIDs(ctx context.Context, entries []sessioncleanup.Archived, asked []int64) error {
	if len(asked) == 0 || w.catalog.tables[w.schema.Table] == nil {
		return nil // an obstacle to all of them, if there are any
	}
	next, err := w.generator(ctx)
	if err != nil {
		return err
	}
	w.IDColumns = w.catalog.idColumns(w.schema)
	return w.Renew(ctx, entries, asked, next, func(id any) (text string, taken bool, err error) {
		text = w.idOf(id)
		err = w.row(ctx, w.sql("id_taken", nil), params{"new": id, "text": []byte(text)}, &taken)
		return text, taken, err
	})
}

// generator returns a function that makes IDs, as an insert without one does.
func (w *restoration) generator(ctx context.Context) (func() (any, error), error) {
	var value, extra string
	if err := w.row(ctx, statements["id_default"], params{"table": w.schema.Table, "column": w.schema.ID}, &value, &extra); err != nil {
		return nil, err
	}
	switch {
	case strings.Contains(extra, "auto_increment"):
		var text string
		if err := w.row(ctx, w.sql("next_number", nil), params{"table": w.schema.Table}, &text); err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(text, 10, 64)
		return func() (any, error) {
			number++
			return number - 1, nil
		}, err
	case strings.Contains(value, "(") && !strings.HasPrefix(value, "'"):
		return func() (id any, err error) {
			err = w.row(ctx, filled("default_id", sqlfile.Names{"value": value}), nil, &id)
			return w.adopted.ID.scanned(id), err
		}, nil
	default:
		return nil, invalid.Databasef("the database does not generate the IDs of %q, so a session cannot get a new one", w.schema.Table)
	}
}

// idColumns are the columns that hold IDs of sessions.
func (c *catalog) idColumns(s sessioncleanup.Schema) archive.IDColumns {
	var keys []archive.Key
	for _, t := range c.tables {
		for _, k := range t.keys {
			keys = append(keys, archive.Key{Table: t.name, Columns: k.columns, Parent: k.table, To: k.to})
		}
	}
	return archive.IDColumnsOf(s.Table, s.ID, keys)
}
