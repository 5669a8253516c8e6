package mysql

import (
	"context"
	"slices"
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
	w.newIDs, w.idColumns = archive.NewIDs{}, w.catalog.idColumns(w.schema)
	for _, e := range entries {
		if !slices.Contains(asked, e.ID) {
			continue
		}
		rows, err := w.rowsBehind(ctx, e.ID, 0, 1)
		if err != nil || len(rows) == 0 {
			return err
		}
		values, err := storedRow(rows[0].Row)
		if err != nil {
			return err
		}
		id := archive.NewID{Session: e.SessionID, Old: values[w.schema.ID]}
		if id.New, err = w.free(ctx, next); err != nil {
			return err
		}
		id.Text = w.idOf(id.New)
		w.newIDs[e.ID] = id
		w.out.Rename(e.ID, id.Text)
	}
	return nil
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
		return nil, invalid.Errorf("the database does not generate the IDs of %q, so a session cannot get a new one", w.schema.Table)
	}
}

// free is the next ID that no session has, nor had when it was archived.
func (w *restoration) free(ctx context.Context, next func() (any, error)) (id any, err error) {
	for range 1000 {
		if id, err = next(); err != nil {
			return nil, err
		}
		var taken bool
		if err := w.row(ctx, w.sql("id_taken", nil), params{"new": id, "text": []byte(w.idOf(id))}, &taken); err != nil {
			return nil, err
		}
		if !taken && !w.newIDs.Taken(w.idOf(id)) {
			return id, nil
		}
	}
	return nil, invalid.Errorf("the database generates no free ID for %q, such as %q", w.schema.Table, w.idOf(id))
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
