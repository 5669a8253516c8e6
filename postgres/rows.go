package postgres

import (
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds which rows of the table are sessions, which sessions are active, and what a deletion does.

// fillRows makes the placeholders for that.
func (m *mapping) fillRows(n sqlfile.Names) {
	s := m.schema
	n["visible"], n["old_visible"], n["new_visible"] = m.visible("s."), m.visible("OLD."), m.visible("NEW.")
	n["old_active"], n["new_active"] = m.active("OLD."), m.active("NEW.")
	n["says_active"] = m.saysActive("s.")
	n["is_active"], n["not_active"], n["is_auto"] = m.conditions("s.")
	n["bare_is_active"], n["bare_not_active"], n["bare_is_auto"] = m.conditions("")
	n["is_protected"], n["bare_is_protected"] = m.protected("s."), m.protected("")
	n["active_type"] = m.columnOr(s.Active, "bool").typ
	n["active_value"], n["inactive_value"], n["written_active"] = "true", "false", "p_active"
	if s.State != nil {
		n["active_value"], n["inactive_value"] = m.value(s.Active, s.State.Reactivated), m.value(s.Active, s.State.Deactivated)
		n["written_active"] = fmt.Sprintf("CASE WHEN %s = p_active THEN s.%s WHEN p_active THEN %s ELSE %s END",
			n["says_active"], sqlfile.Column(s.Active), n["active_value"], n["inactive_value"])
	}
	n["removes"], n["remove"] = fmt.Sprint(!s.SoftDelete), "DELETE FROM "+m.table.sql()+" s"
	if s.SoftDelete {
		in, _ := m.times(s.DeletedAt, "s.")
		n["remove"] = fmt.Sprintf("UPDATE %s s SET %s = pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp())%s", m.table.sql(), sqlfile.Column(s.DeletedAt), in)
	}
}

// active is what the column says, which may be NULL.
func (m *mapping) active(prefix string) string {
	if m.schema.State == nil {
		return prefix + sqlfile.Column(m.schema.Active)
	}
	return m.among(prefix, m.schema.Active, m.schema.State.Active)
}

// saysActive is what the column says: a NULL counts as true, so that what was never said to be inactive is not deleted.
func (m *mapping) saysActive(prefix string) string {
	if m.columnOr(m.schema.Active, "bool").notNull {
		return m.active(prefix)
	}
	return "(" + m.active(prefix) + " IS NOT FALSE)"
}

// visible is the condition for a row to be a session.
func (m *mapping) visible(prefix string) string {
	var all []string
	if m.schema.DeletedAt != "" {
		all = append(all, prefix+sqlfile.Column(m.schema.DeletedAt)+" IS NULL")
	}
	for _, only := range m.schema.Only {
		all = append(all, m.among(prefix, only.Column, only.Values))
	}
	if len(all) == 0 {
		return "true"
	}
	return "(" + strings.Join(all, " AND ") + ")"
}

// conditions are those of the partial indexes: for sessions that are active, for those that are not, and for those that may
// be cleaned up. In the application's columns, a NULL as auto_cleanup counts as false.
func (m *mapping) conditions(prefix string) (isActive, notActive, isAuto string) {
	isActive, notActive, isAuto = m.saysActive(prefix), "NOT "+m.active(prefix), prefix+sqlfile.Column(m.schema.AutoCleanup)
	if !m.columnOr(m.schema.Active, "bool").notNull {
		notActive = "(" + m.active(prefix) + " IS FALSE)"
	}
	if !m.columnOr(m.schema.AutoCleanup, "bool").notNull {
		isAuto = "(" + isAuto + " IS TRUE)"
	}
	if visible := m.visible(prefix); visible != "true" {
		isActive, notActive = "("+visible+" AND "+isActive+")", "("+visible+" AND "+notActive+")"
	}
	return isActive, notActive, isAuto
}

// protected is the condition for sessions to which nothing automatic happens.
func (m *mapping) protected(prefix string) string {
	_, _, isAuto := m.conditions(prefix)
	return "(" + m.visible(prefix) + " AND NOT " + isAuto + ")"
}

// among is the condition that a column has one of some values, in the column's type. Its names and operators have their
// schema: it is also evaluated under search paths of others.
func (m *mapping) among(prefix, name string, values []string) string {
	var all []string
	for _, value := range values {
		all = append(all, literal(value))
	}
	return fmt.Sprintf("(%s%s %s ANY (ARRAY[%s]::%s[]))", prefix, sqlfile.Column(name), m.operator("=", name), strings.Join(all, ", "), m.columnOr(name, "text").typ)
}

// value is a value of a column, in its type.
func (m *mapping) value(name, value string) string {
	return literal(value) + "::" + m.columnOr(name, "text").typ
}
