package mysql

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Runs find what is due along indexes that begin with the columns that say whether a row is a session, may be cleaned up and is
// active, and with its class. Sessions with the same values there form a stretch: those of it that are due are one
// range of the index, whatever else the table holds. Finding the stretches takes one step in the index for each.

// stateColumn is one of the columns that stretches begin with.
type stateColumn struct {
	Name   string `json:"name"`
	Number bool   `json:"number,omitempty"` // compared as a number
}

// stretch is the set of sessions with the same values in the leading columns of the runs' indexes.
type stretch struct {
	values []any // of the adopted States
	class  sql.NullInt64
	tags   []string // of the class
	active sql.NullBool
	zero   bool // the time of the deletion is the zero date, not NULL
}

// key identifies a stretch in a cursor. Keys are sorted like that.
func (s stretch) key() string {
	class := any(nil)
	if s.class.Valid {
		class = s.class.Int64
	}
	return sqlstore.JSON(append(slices.Clone(s.values), class, s.zero))
}

func (s stretch) runs() bool  { return !s.active.Valid || s.active.Bool }
func (s stretch) ended() bool { return !s.active.Valid || !s.active.Bool }
func (stretch) any() bool     { return true }

// stretches are those of sessions that may be cleaned up.
func (c *conn) stretches(ctx context.Context) ([]stretch, error) {
	var all []stretch
	states := c.adopted.States
	read, conditions, active := "", []string{"TRUE"}, "NULL"
	for _, state := range states {
		if value := column(state.Name); state.Number {
			read += "CAST(" + value + " + 0 AS CHAR), "
		} else {
			read += "CONVERT(" + value + " USING utf8mb4), "
		}
	}
	if c.hasState(c.schema.AutoCleanup) {
		conditions = append(conditions, c.names["auto_cleanup"])
	}
	if c.hasState(c.schema.Active) {
		active = c.names["active"]
	}
	for _, only := range c.schema.Only {
		if c.hasState(only.Column) {
			conditions = append(conditions, isOneOf(only, column))
		}
	}
	err := c.query(ctx, c.sql("stretches", sqlfile.Names{
		"states": quoted(c.stretchColumns()), "states_read": read, "is_active": active, "conditions": strings.Join(conditions, " AND "),
	}), nil, func(rows *sql.Rows) error {
		var s stretch
		texts := make([]sql.NullString, len(states))
		var dest []any
		for i := range texts {
			dest = append(dest, &texts[i])
		}
		if err := rows.Scan(append(dest, &s.class, &s.active)...); err != nil {
			return err
		}
		for i, text := range texts {
			value, err := states[i].value(text)
			if err != nil {
				return err
			}
			s.values = append(s.values, value)
		}
		all = append(all, s)
		if c.schema.DeletedAt != "" {
			s.zero = true
			all = append(all, s)
		}
		return nil
	})
	if err == nil && slices.ContainsFunc(all, func(s stretch) bool { return s.class.Valid }) {
		classes, err := c.classes(ctx)
		if err != nil {
			return nil, err
		}
		for i, s := range all {
			all[i].tags = classes[s.class.Int64]
		}
	}
	slices.SortFunc(all, func(a, b stretch) int { return cmp.Compare(a.key(), b.key()) })
	return all, err
}

// value is a value of the column as a parameter.
func (s stateColumn) value(text sql.NullString) (any, error) {
	switch {
	case !text.Valid:
		return nil, nil
	case !s.Number:
		return text.String, nil
	}
	if n, err := strconv.ParseInt(text.String, 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseUint(text.String, 10, 64)
}

func (l *layout) hasState(name string) bool {
	return slices.ContainsFunc(l.adopted.States, func(s stateColumn) bool { return s.Name == name })
}

// stretchColumns are the columns by which sessions are in a stretch, as indexes begin with them.
func (l *layout) stretchColumns() []string {
	var all []string
	for _, s := range l.adopted.States {
		all = append(all, s.Name)
	}
	return append(all, classColumn)
}

// in is the condition for a row to be in a stretch. Its parameters have the name of the stretch in them.
func (l *layout) in(s stretch, name string, p params) string {
	conditions := make([]string, 0, len(s.values)+2)
	for i, state := range l.adopted.States {
		of := fmt.Sprintf("state%d_%s", i, name)
		p[of] = s.values[i]
		conditions = append(conditions, column(state.Name)+" <=> :"+of)
	}
	of := "class_" + name
	if p[of] = nil; s.class.Valid {
		p[of] = s.class.Int64
	}
	conditions = append(conditions, column(classColumn)+" <=> :"+of)
	switch {
	case l.schema.DeletedAt == "":
	case s.zero:
		conditions = append(conditions, column(l.schema.DeletedAt)+" = '0000-00-00 00:00:00'")
	default:
		conditions = append(conditions, column(l.schema.DeletedAt)+" IS NULL")
	}
	return strings.Join(conditions, " AND ")
}

// states are the columns of a table that stretches begin with: those whose values an index can hold.
func (t *table) states(s sessioncleanup.Schema) (all []stateColumn) {
	var names []string
	for _, only := range s.Only {
		names = append(names, only.Column)
	}
	for _, name := range append(names, s.AutoCleanup, s.Active) {
		c := t.column(name)
		if slices.ContainsFunc(all, func(s stateColumn) bool { return s.Name == name }) {
			continue
		}
		switch {
		case c == nil, c.kind()&(adopt.Number|adopt.Boolean) != 0 || c.base == "enum":
			all = append(all, stateColumn{name, true})
		case c.charset != "" && c.longest() <= longestState:
			all = append(all, stateColumn{name, false})
		}
	}
	return all
}

// longestState is the length of the longest values, in characters, by which sessions are in stretches.
const longestState = 64

// longest is the length of the longest value of a CHAR or VARCHAR, in characters; of other types it is large.
func (c *columnInfo) longest() int {
	_, rest, _ := strings.Cut(c.declared, "(")
	length, _, _ := strings.Cut(rest, ")")
	if n, err := strconv.Atoi(length); err == nil && (c.base == "char" || c.base == "varchar") {
		return n
	}
	return 1 << 30
}

// stretchesAtMost is how many stretches a statement looks for, each in its range. With more of them it reads all sessions.
const stretchesAtMost = 300

// dueBy is one way in which sessions have a status: by a rule.
type dueBy struct {
	rule string
	ranges
}

// duesOf are the ways to have a status, of which no session is due in two; none for those that no index finds.
var duesOf = map[sessioncleanup.Status][]dueBy{
	sessioncleanup.StatusToDeactivate: {{"due_idle", idleRanges}, {"due_expired", expiredRanges}},
	sessioncleanup.StatusToDelete:     {{"status_to_delete", goneRanges}},
	sessioncleanup.SelectWaiting:      {{"status_waiting", goneRanges}},
	sessioncleanup.SelectToWarn:       {{"status_to_warn", toWarnRanges}},
}

// dueRanges is the condition on the table's own columns that an index serves, for all sessions that are due in some way.
func (l *layout) dueRanges(all []stretch, due dueBy, cut func(stretch) sessioncleanup.Cutoffs, p params) string {
	var found []string
	for i, s := range all {
		moment := cutoffParams(cut(s))[due.moment]
		if moment == nil || !due.those(s) {
			continue
		}
		name := fmt.Sprint("_", due.rule, "_", i)
		p[due.moment+name] = moment
		found = append(found, l.in(s, name, p)+" AND "+due.compared(l, name))
	}
	switch {
	case len(found) == 0:
		return "FALSE"
	case len(found) > stretchesAtMost:
		return "TRUE"
	}
	return "(" + strings.Join(found, " OR ") + ")"
}

// validStretchKey reports whether a text may be a key.
func validStretchKey(key string) bool {
	var values []any
	d := json.NewDecoder(bytes.NewReader([]byte(key)))
	return key == "" || d.Decode(&values) == nil
}
