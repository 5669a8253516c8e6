package postgres

import (
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// fill makes the names for the placeholders of the .sql files.
func (l *layout) fill() (sqlfile.Names, error) {
	id := l.columnOr(l.host.ID, "text")
	n := sqlfile.Names{
		"space": sqlfile.Column(l.space), "path": l.path, "sessions": l.table.sql(), "id": sqlfile.Column(l.host.ID), "id_type": id.typ,
		"active": sqlfile.Column(l.host.Active), "auto_cleanup": sqlfile.Column(l.host.AutoCleanup),
		"last_activity": sqlfile.Column(l.host.LastActivity), "expires_at": sqlfile.Column(l.host.ExpiresAt),
	}
	for _, table := range []string{"policy", "events", "leases", "touches", "settings", "backfill"} {
		n[table] = l.own(table)
	}
	for key, name := range map[string]string{"owner": l.host.Owner, "name": l.host.Name, "code": l.host.Code} {
		n[key+"_text"], n[key+"_col"], n[key+"_type"] = "NULL::text", "NULL::text", "text"
		if name != "" {
			n[key+"_col"] = "s." + sqlfile.Column(name)
			n[key+"_text"] = n[key+"_col"] + "::text"
			n[key+"_type"] = l.columnOr(name, "text").typ
		}
	}
	n["owner_name"] = l.ownerName()
	n["activity_count"] = l.activityCount()
	n["is_active"], n["not_active"], n["is_auto"] = l.conditions("s.")
	n["bare_is_active"], n["bare_not_active"], n["bare_is_auto"] = l.conditions("")
	n["last_activity_in"], n["last_activity_out"] = l.times(l.host.LastActivity)
	n["expires_at_in"], n["expires_at_out"] = l.times(l.host.ExpiresAt)
	_, n["created_at_out"] = l.times(l.host.CreatedAt)
	_, n["updated_at_out"] = l.times(l.host.UpdatedAt)
	n["last_activity_type"] = l.columnOr(l.host.LastActivity, "timestamptz").typ
	n["expires_at_type"] = l.columnOr(l.host.ExpiresAt, "timestamptz").typ
	n["last_sign"], n["bare_last_sign"] = l.lastSign("s."), l.lastSign("")
	n["last_sign_type"], n["last_sign_in"] = n["last_activity_type"], n["last_activity_in"]
	n["last_used"] = fmt.Sprintf("greatest(%s, (SELECT max(t.at) FROM %s t WHERE t.session_id = s.%s))",
		n["last_activity_out"], n["touches"], n["id"])
	for _, fragment := range []string{
		"cut", "untouched_since_delete", "due_idle", "due_expired", "due_for_deactivation", "due_for_deletion",
		"status", "session_columns", "sessions_due_for_deactivation",
	} {
		filled, err := statements.Fill(fragment, n)
		if err != nil {
			return nil, err
		}
		n[fragment] = filled
	}
	return n, nil
}

// columnOr is a column, or what Migrate will make of it.
func (l *layout) columnOr(name, typ string) column {
	if c, ok := l.table.columns[name]; ok {
		return c
	}
	return assumed(name, typ)
}

// assumed is a column that is yet to be made, with its type as the catalog will write it.
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

// conditions are those that the indexes are for. A NULL in the host's column counts as false.
func (l *layout) conditions(prefix string) (isActive, notActive, isAuto string) {
	active, auto := prefix+sqlfile.Column(l.host.Active), prefix+sqlfile.Column(l.host.AutoCleanup)
	isActive, notActive, isAuto = active, "NOT "+active, auto
	if !l.columnOr(l.host.Active, "bool").notNull {
		isActive, notActive = "("+active+" IS TRUE)", "("+active+" IS NOT TRUE)"
	}
	if !l.columnOr(l.host.AutoCleanup, "bool").notNull {
		isAuto = "(" + auto + " IS TRUE)"
	}
	return isActive, notActive, isAuto
}

// times gives what to put behind a timestamptz to compare it with the column, and the column as a timestamptz. The
// column itself stays bare, so that its index serves.
func (l *layout) times(name string) (in, out string) {
	if name == "" {
		return "", "NULL::timestamptz"
	}
	return l.timesOf(l.columnOr(name, "timestamptz"), "s.")
}

func (l *layout) timesOf(c column, prefix string) (in, out string) {
	zone := " AT TIME ZONE " + literal(l.zone)
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

// lastSign is the key that deletions go by: greatest leaves NULLs out. Of two types it takes that of last_activity.
func (l *layout) lastSign(prefix string) string {
	used, ends := l.columnOr(l.host.LastActivity, "timestamptz"), l.columnOr(l.host.ExpiresAt, "timestamptz")
	convert := ""
	if used.base != ends.base {
		convert = " AT TIME ZONE " + literal(l.zone)
	}
	return fmt.Sprintf("greatest(%s%s, %s%s%s)", prefix, sqlfile.Column(used.name), prefix, sqlfile.Column(ends.name), convert)
}

func (l *layout) ownerName() string {
	if l.owners == nil {
		return "NULL::text"
	}
	o := l.host.Owners
	return fmt.Sprintf("(SELECT o.%s::text FROM %s o WHERE %s LIMIT 1)", sqlfile.Column(o.Name), l.owners.sql(),
		equal(l.owners.columns[o.ID], "o.", l.columnOr(l.host.Owner, "text"), "s."))
}

func (l *layout) activityCount() string {
	counts := []string{"0::bigint"}
	for _, s := range l.sources {
		counts = append(counts, l.countOf(s))
	}
	return "(" + strings.Join(counts, " + ") + ")"
}

func (l *layout) countOf(s source) string {
	return fmt.Sprintf("(SELECT count(*) FROM %s c WHERE %s)", s.sql(),
		equal(s.columns[s.Session], "c.", l.columnOr(l.host.ID, "text"), "s."))
}

// equal compares two columns so that an index on the first serves, even when their types differ.
func equal(a column, aPrefix string, b column, bPrefix string) string {
	left, right := aPrefix+sqlfile.Column(a.name), bPrefix+sqlfile.Column(b.name)
	if a.base != b.base && (!strings.HasPrefix(a.base, "int") || !strings.HasPrefix(b.base, "int")) {
		right += "::" + a.typ
	}
	return left + " = " + right
}

// literal quotes a string for SQL. It is used for the time zone only, whose name was checked against the server's list.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
