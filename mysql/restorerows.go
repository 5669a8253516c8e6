package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds how a restore puts single rows back.

// table is that of a row; nil when it is gone, or is none of the application's.
func (w *restoration) table(row archivedRow) *table {
	name := row.Table
	if row.Number == 1 {
		name = w.schema.Table // it may have been renamed
	}
	t := w.catalog.tables[name]
	if t == nil || t.kind != "BASE TABLE" && t.kind != systemVersioned || strings.HasPrefix(name, prefix) {
		return nil
	}
	return t
}

// insert inserts a row that was deleted. One that refers to a row that is not there waits.
func (w *restoration) insert(ctx context.Context, e sessioncleanup.Archived, row archivedRow) error {
	if row.Unlinked {
		return nil
	}
	if row.Table == tagsTable {
		return w.RestoreTag(ctx, e, row.ArchivedRow, w.writeTags)
	}
	t := w.table(row)
	if t == nil {
		w.TableGone(e, row.Table)
		return nil
	}
	values, err := w.Values(e, t.name, row.Row)
	if err == nil && row.Number == 1 {
		err = w.used(ctx, values)
	}
	if err != nil {
		return err
	}
	p := params{}
	var columns, places []string
	lenient := 0
	for _, column := range t.stored() {
		value, known := values[column.name]
		delete(values, column.name)
		if !known {
			continue // added since: it gets its default
		}
		if value == (errorValue{}) {
			value = 0
			lenient++
		}
		place := fmt.Sprint("value", len(columns))
		columns, p[place] = append(columns, column.name), value
		places = append(places, ":"+place)
	}
	w.ColumnsGone(e, row.Table, values, func(name string) bool { return t.column(name) != nil })
	delete(w.waiting, row.id)
	err = w.insertRow(ctx, filled("restore_row", sqlfile.Names{
		"table": sqlfile.Column(t.name), "columns": quoted(columns), "values": strings.Join(places, ", "),
	}), p, lenient)
	if errorNumber(err) == noParent && !w.unchecked {
		w.waiting[row.id] = err
		return nil
	}
	if w.Refused(e, row.Table, err) {
		return nil
	}
	if err == nil && row.Number > 1 {
		w.Out.Rows++
	}
	return err
}

// insertRow inserts a row, in which some values are errors of an ENUM: the server takes these only if it takes any wrong
// value, so that there must be no other.
func (w *restoration) insertRow(ctx context.Context, statement string, p params, lenient int) error {
	if lenient == 0 {
		_, err := w.execLarge(ctx, statement, p)
		return err
	}
	if _, err := w.ExecContext(ctx, statements["accept_errors"]); err != nil {
		return err
	}
	var warnings int
	_, err := w.execLarge(ctx, statement, p)
	if err == nil {
		err = w.row(ctx, statements["count_warnings"], nil, &warnings)
	}
	if _, failed := w.ExecContext(ctx, statements["refuse_errors"]); failed != nil {
		err = errors.Join(err, failed)
	}
	if err == nil && warnings != lenient {
		err = errChangedValue
	}
	return err
}

// errChangedValue is about a row of which the server would change values.
var errChangedValue = errors.New("a column cannot hold the value that was archived")

// used makes the values of a session those of one that is used now, as Session.Restored does.
func (w *restoration) used(ctx context.Context, values map[string]any) error {
	if _, known := values[w.schema.LastActivity]; known {
		values[w.schema.LastActivity] = w.Now
	}
	expires, _ := values[w.schema.ExpiresAt].(string)
	if expires == "" {
		return nil
	}
	active := values[w.schema.Active]
	if active == (errorValue{}) {
		active = ""
	}
	var ends bool
	err := w.row(ctx, filled("ends_restored", sqlfile.Names{"was_active": w.active(func(string) string { return ":active" })}),
		params{"active": active, "expires_at": expires, "now": w.Now}, &ends)
	if ends {
		values[w.schema.ExpiresAt] = w.noExpiry()
	}
	return err
}

// findOrphan notes a row that was inserted unchecked and refers to one that is not there. What it refers to stays until the
// transaction ends.
func (w *restoration) findOrphan(ctx context.Context, e sessioncleanup.Archived, row archivedRow) error {
	why := w.waiting[row.id]
	t := w.table(row)
	if why == nil || t == nil {
		return nil
	}
	if !strings.Contains(why.Error(), "."+sqlfile.Column(t.name)+", CONSTRAINT ") { // a row that a trigger adds would be the orphan
		w.Obstacles.Add(sessioncleanup.ObstacleRefused, e, row.Table, textOfObstacle(why))
		return nil
	}
	values, err := w.Values(e, t.name, row.Row)
	if err != nil {
		return err
	}
	for _, k := range t.keys {
		p := params{}
		var same []string
		for i, column := range k.columns {
			if values[column] != nil {
				place := fmt.Sprint("value", i)
				p[place] = values[column]
				same = append(same, filled("is_value", sqlfile.Names{"column": "p." + sqlfile.Column(k.to[i]), "value": place}))
			}
		}
		if len(same) < len(k.columns) || w.Obstacles.In(k.table) {
			continue // it refers to nothing, or may refer to what only could not be restored
		}
		var there int
		err := w.row(ctx, filled("refers_to", sqlfile.Names{"parent": sqlfile.Column(k.table), "is_row": strings.Join(same, " AND ")}), p, &there)
		if errors.Is(err, sql.ErrNoRows) {
			w.ParentGone(e, row.Table, k.table)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// relink restores the reference of a row that is still there, and still refers to nothing.
func (w *restoration) relink(ctx context.Context, e sessioncleanup.Archived, row archivedRow) error {
	t := w.table(row)
	if !row.Unlinked || t == nil {
		return nil
	}
	key, set, err := w.Reference(e, t.name, row.Row)
	if err != nil {
		return err
	}
	p := params{}
	var same, sets, unlinked []string
	for i, name := range slices.Sorted(maps.Keys(key)) {
		of := t.column(name)
		if of == nil {
			return nil
		}
		place, form := fmt.Sprint("key", i), "is_value"
		if p[place] = key[name]; key[name] == (errorValue{}) {
			p[place] = ""
		} else if _, text := key[name].(string); text && of.charset != "" {
			form = "is_text"
		}
		same = append(same, filled(form, sqlfile.Names{"column": column(name), "value": place}))
	}
	for i, name := range slices.Sorted(maps.Keys(set)) {
		if t.column(name) == nil {
			return nil
		}
		place := fmt.Sprint("set", i)
		p[place] = set[name]
		sets, unlinked = append(sets, column(name)+" = :"+place), append(unlinked, column(name)+" IS NULL")
	}
	keep := ""
	for _, c := range t.columns {
		if c.updating {
			keep += ", " + column(c.name) + " = " + column(c.name)
		}
	}
	n, err := w.exec(ctx, filled("relink", sqlfile.Names{
		"table": sqlfile.Column(t.name), "set": strings.Join(sets, ", "), "keep": keep, "is_row": strings.Join(same, " AND "), "unlinked": strings.Join(unlinked, " AND "),
	}), p)
	if kindOfObstacle(err) != "" {
		return nil // it stays as it is, like one that is gone
	}
	w.Out.Relinked += int(n)
	return err
}

// noParent is the number of the error for a row that refers to nothing.
const noParent = 1452

func obstacle(err error) (kind sessioncleanup.ObstacleKind, text string) {
	return kindOfObstacle(err), textOfObstacle(err)
}

// kindOfObstacle says what kind of thing keeps a row from being inserted; empty when the error is of another kind.
func kindOfObstacle(err error) sessioncleanup.ObstacleKind {
	if errors.Is(err, errChangedValue) {
		return sessioncleanup.ObstacleColumn
	}
	failed, ok := errors.AsType[*driversql.MySQLError](err)
	if !ok {
		return ""
	}
	switch failed.Number {
	case 1022, 1062, 1169, 1586, 1859:
		return sessioncleanup.ObstacleTaken
	case 1216, noParent:
		return sessioncleanup.ObstacleParent
	case 1048, 1263, 1264, 1265, 1292, 1364, 1366, 1406, 1416, 1525:
		return sessioncleanup.ObstacleColumn
	}
	switch {
	case string(failed.SQLState[:2]) == "22":
		return sessioncleanup.ObstacleColumn
	case refused(err):
		return sessioncleanup.ObstacleRefused
	}
	return ""
}

// textOfObstacle is what the server says, without its numbers.
func textOfObstacle(err error) string {
	if failed, ok := errors.AsType[*driversql.MySQLError](err); ok {
		return failed.Message
	}
	return err.Error()
}
