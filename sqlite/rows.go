package sqlite

import (
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds which rows of the table are sessions, which sessions are active, and what a deletion does.

// addRows adds the expressions for that; column qualifies the name of a column.
func (l *layout) addRows(n sqlfile.Names, column func(string) string) {
	s, a := l.schema, l.adopted
	n["active_value"], n["active_on"], n["active_off"] = n["active"], "1", "0"
	n["write_active"] = filled("write_switch", n)
	if s.State != nil {
		n["active"], n["active_on"], n["active_off"] = l.active(column), l.value(s.Active, s.State.Reactivated), l.value(s.Active, s.State.Deactivated)
		n["write_active"] = filled("write_state", n)
	}
	n["visible"] = l.visible(column)
	n["if_visible"], n["where_visible"] = "", ""
	if n["visible"] != "1" {
		n["if_visible"], n["where_visible"] = " AND "+n["visible"], " WHERE "+n["visible"]
	}
	n["remove"] = "DELETE FROM " + n["sessions"]
	if s.SoftDelete {
		n["remove"] = "UPDATE " + n["sessions"] + " SET " + sqlfile.Column(s.DeletedAt) + " = " + a.DeletedAt.write(":now")
	}
	n["measured_class"], n["noted_class"] = "NULL", "NULL"
	n["class"], n["class_column"], n["if_unclassed"], n["tags"] = "NULL", sqlfile.Column(classColumn), "", "sessioncleanup_tags"
	if a.Classed {
		n["class"] = column(classColumn)
		n["if_unclassed"] = " AND " + n["class"] + " IS NULL"
	}
	n["has_class"] = filled("has_class", n)
	for _, rule := range []string{"running", "ended", "protected"} {
		n[rule] = filled(rule, n)
	}
}

// active is 0 for an inactive session.
func (l *layout) active(column func(string) string) string {
	if l.schema.State == nil {
		return column(l.schema.Active)
	}
	return l.among(column(l.schema.Active), l.schema.Active, l.schema.State.Active)
}

// visible is the condition for a row to be a session.
func (l *layout) visible(column func(string) string) string {
	var all []string
	if l.schema.DeletedAt != "" {
		all = append(all, isUnknown(column(l.schema.DeletedAt)))
	}
	for _, only := range l.schema.Only {
		all = append(all, l.among(column(only.Column), only.Column, only.Values))
	}
	if len(all) == 0 {
		return "1"
	}
	return "(" + strings.Join(all, " AND ") + ")"
}

// conditions are the columns of what tells whether a row is a session.
func conditions(s sessioncleanup.Schema) []string {
	var all []string
	if s.DeletedAt != "" {
		all = append(all, s.DeletedAt)
	}
	for _, only := range s.Only {
		all = append(all, only.Column)
	}
	return all
}

func (l *layout) among(expression, name string, values []string) string {
	var all []string
	for _, value := range values {
		all = append(all, l.value(name, value))
	}
	return fmt.Sprintf("(%s IN (%s))", expression, strings.Join(all, ", "))
}

// value is a value of a column. Numbers are no texts where the column does not make them one.
func (l *layout) value(name, value string) string {
	if l.adopted.Numbers[name] {
		switch strings.ToLower(value) {
		case "true":
			return "1"
		case "false":
			return "0"
		}
		if wholeNumber.MatchString(value) {
			return value
		}
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}
