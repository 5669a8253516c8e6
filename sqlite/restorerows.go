package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds how a restore puts single rows back.

// table is that of a row; nil when it is gone.
func (w *restoration) table(row sessioncleanup.ArchivedRow) *restoredTable {
	name := row.Table
	if row.Number == 1 {
		name = w.schema.Table // it may have been renamed
	}
	if t, known := w.tables[name]; known {
		return t
	}
	found := w.catalog.find(name)
	if found == nil || found.kind != "table" || found.virtual {
		w.tables[name] = nil
		return nil
	}
	t := &restoredTable{table: found}
	for _, k := range found.keys {
		check := orphanCheck{parent: k.table, sql: "SELECT 1"}
		if parent := w.catalog.find(k.table); parent != nil {
			var set []string
			for _, column := range k.columns {
				set = append(set, "c."+sqlfile.Column(column)+" IS NOT NULL")
			}
			check.sql = filled("orphaned", sqlfile.Names{
				"child": found.quoted(), "parent": parent.quoted(), "refers": link{parent, found, k}.refers(),
				"is_set": strings.Join(set, " AND "), "is_row": isRow("c.", found.keyColumnsOrRowID()),
			})
		}
		t.orphaned = append(t.orphaned, check)
	}
	w.tables[name] = t
	return t
}

// isRow is the condition for a row whose values in some columns are given, named as keyParam has it.
func isRow(alias string, columns []string) string {
	var all []string
	for i, column := range columns {
		all = append(all, alias+sqlfile.Column(column)+" IS :"+keyParam(i))
	}
	return strings.Join(all, " AND ")
}

func keyParam(i int) string { return fmt.Sprint("key", i) }

// insert inserts a row that was deleted.
func (w *restoration) insert(ctx context.Context, e sessioncleanup.Archived, row sessioncleanup.ArchivedRow) error {
	if row.Unlinked {
		if n := len(w.unlinked); n == 0 || w.unlinked[n-1].ID != e.ID {
			w.unlinked = append(w.unlinked, e)
		}
		return nil
	}
	if row.Table == tagsTable {
		return w.RestoreTag(ctx, e, row, w.writeTags)
	}
	t := w.table(row)
	if t == nil {
		w.TableGone(e, row.Table)
		return nil
	}
	values, err := w.Values(e, t.name, row.Row)
	if err != nil {
		return err
	}
	p := params{}
	var columns, places []string
	for _, name := range t.stored() {
		value, known := values[name]
		delete(values, name)
		if !known {
			continue // added since: it gets its default
		}
		place := fmt.Sprint("value", len(columns))
		columns, p[place] = append(columns, sqlfile.Column(name)), value
		places = append(places, ":"+place)
		if row.Number == 1 {
			if places[len(places)-1], err = w.used(ctx, t, name, place, p, row); err != nil {
				return err
			}
		}
	}
	w.ColumnsGone(e, row.Table, values, func(name string) bool {
		column := t.column(name)
		return column != nil && column.generated
	})
	result, err := w.ExecContext(ctx, filled("restore_row", sqlfile.Names{
		"table": sqlfile.Column(t.name), "columns": strings.Join(columns, ", "), "values": strings.Join(places, ", "),
	}), p.args()...)
	if w.Refused(e, row.Table, err) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		w.Obstacles.Add(sessioncleanup.ObstacleRefused, e, row.Table, "a trigger leaves the row out")
		return nil
	}
	if row.Number > 1 {
		w.Out.Rows++
	}
	return w.remember(t, e, row, result)
}

// remember keeps the key of a row that was inserted.
func (w *restoration) remember(t *restoredTable, e sessioncleanup.Archived, row sessioncleanup.ArchivedRow, result sql.Result) error {
	if len(t.orphaned) == 0 {
		return nil
	}
	key := params{}
	if t.rowid != "" {
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		key[keyParam(0)] = id
	} else {
		values, err := w.Values(e, t.name, row.Row)
		if err != nil {
			return err
		}
		for i, column := range t.keyColumns() {
			key[keyParam(i)] = values[column]
		}
	}
	w.written = append(w.written, restoredRow{e, sessioncleanup.ArchivedRow{Number: row.Number, Table: row.Table}, key})
	return nil
}

// used restores a session as used now, as Session.Restored does: it is the expression for a column's value.
func (w *restoration) used(ctx context.Context, t *restoredTable, column, place string, p params, row sessioncleanup.ArchivedRow) (string, error) {
	switch {
	case strings.EqualFold(column, w.schema.LastActivity):
		delete(p, place)
		p["last_activity"] = formatTime(w.Now)
		return w.names["write_last_activity"], nil
	case strings.EqualFold(column, w.schema.ExpiresAt):
		values, err := archive.Row(row.Row, storedValue)
		if err != nil {
			return "", err
		}
		active := params{"active": nil, "expires_at": p[place], "now": formatTime(w.Now)}
		for name, value := range values {
			if strings.EqualFold(name, w.schema.Active) {
				active["active"] = value
			}
		}
		var ends bool
		if err := w.row(ctx, w.sql("ends_restored", nil), active, &ends); err != nil {
			return "", err
		}
		if ends {
			p[place] = nil
		}
	}
	return ":" + place, nil
}

// findOrphan notes a row that was inserted and refers to one that is not there.
func (w *restoration) findOrphan(ctx context.Context, r restoredRow) error {
	for _, check := range w.table(r.row).orphaned {
		if w.Obstacles.In(check.parent) { // it may refer to what only could not be restored
			continue
		}
		var orphaned bool
		if err := w.row(ctx, check.sql, r.key, &orphaned); err != nil {
			return err
		}
		if orphaned {
			w.ParentGone(r.entry, r.row.Table, check.parent)
		}
	}
	return nil
}

// relink restores the reference of a row that is still there, and still refers to nothing.
func (w *restoration) relink(ctx context.Context, e sessioncleanup.Archived, row sessioncleanup.ArchivedRow) error {
	t := w.table(row)
	if !row.Unlinked || t == nil {
		return nil
	}
	key, set, err := w.Reference(e, t.name, row.Row)
	if err != nil {
		return err
	}
	p := params{}
	var columns, sets, unlinked []string
	for name, value := range key {
		if t.column(name) == nil {
			return nil
		}
		p[keyParam(len(columns))], columns = value, append(columns, name)
	}
	for name, value := range set {
		column := t.column(name)
		if column == nil {
			return nil
		}
		place := fmt.Sprint("set", len(sets))
		p[place] = value
		sets = append(sets, sqlfile.Column(name)+" = :"+place)
		unlinked = append(unlinked, fmt.Sprintf("(%s IS NULL OR %[1]s IS (%s))", sqlfile.Column(name), cmp.Or(column.value, "NULL")))
	}
	rowKey := t.keyOf(t.quoted())
	n, err := w.exec(ctx, filled("relink", sqlfile.Names{
		"table": t.quoted(), "set": strings.Join(sets, ", "), "row": "(" + strings.Join(rowKey, ", ") + ")", "key": strings.Join(rowKey, ", "),
		"is_row": isRow("", columns), "unlinked": strings.Join(unlinked, " AND "),
	}), p)
	if constraint(err) {
		return nil // it stays as it is, like one that is gone
	}
	w.Out.Relinked += int(n)
	return err
}
