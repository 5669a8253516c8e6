package postgres

import (
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// ownTables are the tables of the library's own, without their prefix.
func ownTables() []string {
	return []string{"policy", "events", "leases", "touches", "backfill", "settings", "migrations"}
}

// fragments are the statements that are parts of others.
func fragments() []string {
	return []string{"idle", "expired", "gone", "status", "matches", "session_columns", "cut", "filter", "stale"}
}

// fill makes the names for the placeholders of the .sql files.
func (m *mapping) fill() {
	n := sqlfile.Names{
		"space": sqlfile.Column(m.space), "path": m.path, "sessions": m.table.sql(),
		"active": sqlfile.Column(m.schema.Active), "auto_cleanup": sqlfile.Column(m.schema.AutoCleanup),
		"last_activity": sqlfile.Column(m.schema.LastActivity), "expires_at": sqlfile.Column(m.schema.ExpiresAt),
		"id": sqlfile.Column(m.schema.ID), "id_type": m.columnOr(m.schema.ID, "text").typ,
		"owner_name": m.ownerName(), "activity_count": m.activityCount(),
	}
	for _, table := range ownTables() {
		n[table] = m.own(table)
	}
	for key, name := range map[string]string{"owner": m.schema.Owner, "name": m.schema.Name, "code": m.schema.Code} {
		n[key+"_text"], n[key+"_col"], n[key+"_type"] = "NULL::text", "NULL::text", "text"
		if name != "" {
			n[key+"_col"] = "s." + sqlfile.Column(name)
			n[key+"_text"] = n[key+"_col"] + "::text"
			n[key+"_type"] = m.columnOr(name, "text").typ
		}
	}
	n["is_active"], n["not_active"], n["is_auto"] = m.conditions("s.")
	n["bare_is_active"], n["bare_not_active"], n["bare_is_auto"] = m.conditions("")
	n["last_activity_in"], n["last_activity_out"] = m.times(m.schema.LastActivity)
	n["expires_at_in"], n["expires_at_out"] = m.times(m.schema.ExpiresAt)
	_, n["created_at_out"] = m.times(m.schema.CreatedAt)
	_, n["updated_at_out"] = m.times(m.schema.UpdatedAt)
	n["last_activity_type"] = m.columnOr(m.schema.LastActivity, "timestamptz").typ
	n["expires_at_type"] = m.columnOr(m.schema.ExpiresAt, "timestamptz").typ
	n["kept_since"], n["bare_kept_since"] = m.keptSince("s."), m.keptSince("")
	n["kept_since_type"], n["kept_since_in"] = n["last_activity_type"], n["last_activity_in"]
	n["last_used"] = fmt.Sprintf("greatest(%s, (SELECT max(t.at) FROM %s t WHERE t.session_id = s.%s))",
		n["last_activity_out"], n["touches"], n["id"])
	m.names = n
	filled := sqlfile.Names{}
	for _, fragment := range fragments() {
		filled[fragment] = m.statement(fragment)
	}
	for name, sql := range filled {
		n[name] = sql
	}
}

// columnOr is a column, or what Migrate will make of it.
func (m *mapping) columnOr(name, typ string) column {
	if c, ok := m.table.columns[name]; ok {
		return c
	}
	return assumed(name, typ)
}

// assumed is a column that does not exist yet, with its type as the catalog will write it.
func assumed(name, base string) column {
	typ := base
	switch base {
	case "timestamptz":
		typ = "timestamp with time zone"
	case "bool":
		typ = "boolean"
	}
	return column{name: name, typ: typ, base: base, notNull: true}
}

// conditions are those of the partial indexes. A NULL in the application's column counts as false.
func (m *mapping) conditions(prefix string) (isActive, notActive, isAuto string) {
	active, auto := prefix+sqlfile.Column(m.schema.Active), prefix+sqlfile.Column(m.schema.AutoCleanup)
	isActive, notActive, isAuto = active, "NOT "+active, auto
	if !m.columnOr(m.schema.Active, "bool").notNull {
		isActive, notActive = "("+active+" IS TRUE)", "("+active+" IS NOT TRUE)"
	}
	if !m.columnOr(m.schema.AutoCleanup, "bool").notNull {
		isAuto = "(" + auto + " IS TRUE)"
	}
	return isActive, notActive, isAuto
}

// times returns what to append to a timestamptz to compare it with the column, and the column as a timestamptz. In a
// comparison the column itself stays bare, so that its index serves.
func (m *mapping) times(name string) (in, out string) {
	if name == "" {
		return "", "NULL::timestamptz"
	}
	return m.timesOf(m.columnOr(name, "timestamptz"), "s.")
}

func (m *mapping) timesOf(c column, prefix string) (in, out string) {
	zone := " AT TIME ZONE " + literal(m.zone)
	bare := prefix + sqlfile.Column(c.name)
	switch c.base {
	case "timestamp":
		return zone, "(" + bare + zone + ")"
	case "date":
		return zone, "(" + bare + "::timestamp" + zone + ")"
	default:
		return "", bare
	}
}

// keptSince is Session.KeptSince: greatest ignores NULLs. When the two columns differ in type, it has that of
// last_activity.
func (m *mapping) keptSince(prefix string) string {
	used, ends := m.columnOr(m.schema.LastActivity, "timestamptz"), m.columnOr(m.schema.ExpiresAt, "timestamptz")
	convert := ""
	if used.base != ends.base {
		convert = " AT TIME ZONE " + literal(m.zone)
	}
	return fmt.Sprintf("greatest(%s%s, %s%s%s)", prefix, sqlfile.Column(used.name), prefix, sqlfile.Column(ends.name), convert)
}

func (m *mapping) ownerName() string {
	if m.owners == nil {
		return "NULL::text"
	}
	o := m.schema.Owners
	return fmt.Sprintf("(SELECT o.%s::text FROM %s o WHERE %s LIMIT 1)", sqlfile.Column(o.Name), m.owners.sql(),
		equal(m.owners.columns[o.ID], "o.", m.columnOr(m.schema.Owner, "text"), "s."))
}

func (m *mapping) activityCount() string {
	counts := []string{"0::bigint"}
	for _, s := range m.sources {
		counts = append(counts, m.countOf(s))
	}
	return "(" + strings.Join(counts, " + ") + ")"
}

func (m *mapping) countOf(s source) string {
	return fmt.Sprintf("(SELECT count(*) FROM %s c WHERE %s)", s.sql(),
		equal(s.columns[s.Session], "c.", m.columnOr(m.schema.ID, "text"), "s."))
}

// equal compares two columns so that an index on the first serves, even when their types differ.
func equal(a column, aPrefix string, b column, bPrefix string) string {
	left, right := aPrefix+sqlfile.Column(a.name), bPrefix+sqlfile.Column(b.name)
	if a.base != b.base && (!strings.HasPrefix(a.base, "int") || !strings.HasPrefix(b.base, "int")) {
		right += "::" + a.typ
	}
	return left + " = " + right
}

// literal quotes a string for SQL: names that were checked against the server's catalog, and JSON made here.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
