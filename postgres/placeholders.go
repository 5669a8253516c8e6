package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// ownTables are the tables of the library's own, without their prefix.
func ownTables() []string {
	return []string{"policy", "events", "archive", "archive_rows", "tombstones", "seals", "leases", "positions", "notices", "tags", "rule_tags", "retagged", "values", "touches", "backfill", "settings", "migrations"}
}

// ownRelations are they with their schema, quoted.
func (m *mapping) ownRelations() (all []string) {
	for _, table := range ownTables() {
		all = append(all, m.own(table))
	}
	return all
}

// ownViews are the views that Migrate makes.
func ownViews() []string { return []string{"sessions_cleanup_view", "sessions_archive_view"} }

// fragments are the statements that are parts of others.
func fragments() []string {
	return []string{"idle", "expired", "undated", "ahead_active", "ahead_classed", "ahead_inactive", "matches", "event_name", "session_columns", "filter", "trigger_wrong", "reached_now", "branches_later", "replicated", "numbers_used", "stale", "archive_settings", "archived_each", "sealed_texts", "sealed_digest"}
}

// fill makes the names for the placeholders of the .sql files.
func (m *mapping) fill() {
	n := sqlfile.Names{
		"space": sqlfile.Column(m.space), "space_literal": literal(m.space), "path": m.path, "safe": m.safe, "path_literal": literal("pg_catalog, " + m.path + ", pg_temp"), "safe_literal": literal(m.safe),
		"path_names": literalArray(m.pathNames), "loose": fmt.Sprint(m.loose()),
		"sessions": m.table.sql(), "sessions_literal": literal(m.table.sql()), "touches_literal": literal(m.own("touches")), "tags_literal": literal(m.own("tags")), "class": sqlfile.Column(classColumn), "class_literal": literal(classColumn), "events_literal": literal(m.own("events")), "archive_literal": literal(m.own("archive")), "archive_rows_literal": literal(m.own("archive_rows")), "retagged_literal": literal(m.own("retagged")),
		"active": sqlfile.Column(m.schema.Active), "auto_cleanup": sqlfile.Column(m.schema.AutoCleanup),
		"id": sqlfile.Column(m.schema.ID), "id_literal": literal(m.schema.ID), "id_type": m.columnOr(m.schema.ID, "text").typ,
		"owner_name": firstOf(m.ownerName()), "activity_count": m.activityCount(),
	}
	for _, table := range ownTables() {
		n[table] = m.own(table)
	}
	for key, name := range map[string]string{"owner": m.schema.Owner, "name": m.schema.Name, "code": m.schema.Code} {
		n[key+"_text"], n[key+"_col"], n[key+"_type"] = "NULL::text", "NULL::text", "pg_catalog.text"
		if name != "" {
			n[key+"_col"] = "s." + sqlfile.Column(name)
			n[key+"_text"] = n[key+"_col"] + "::text"
			if key != "owner" {
				n[key+"_text"] = firstOf(n[key+"_text"])
			}
			n[key+"_type"] = m.columnOr(name, "text").typ
		}
	}
	n["own_tables"] = literalArray(m.ownRelations())
	n["owner_as"] = sqlfile.Column(cmp.Or(m.schema.Owner, "owner_id"))
	n["whole_name"] = "NULL::text"
	if m.schema.Name != "" {
		n["whole_name"] = n["name_col"] + "::text"
	}
	n["id_eq"], n["owner_eq"], n["id_after"] = m.operator("=", m.schema.ID), m.operator("=", m.schema.Owner), m.operator(">", m.schema.ID)
	m.fillRows(n)
	n["unread"] = fmt.Sprint(len(m.unread()) > 0)
	n["tracked"], n["untracked"], n["observes"] = fmt.Sprint(!m.untracked), fmt.Sprint(m.untracked), fmt.Sprint(m.observes())
	for key, name := range map[string]string{
		"last_activity": m.schema.LastActivity, "expires_at": m.schema.ExpiresAt, "deactivated_at": m.schema.DeactivatedAt,
	} {
		n[key] = sqlfile.Column(name)
		n[key+"_type"] = m.columnOr(name, "timestamptz").typ
		n[key+"_in"], _ = m.times(name, "s.")
	}
	for key, name := range map[string]string{"active": m.schema.Active, "last_activity": m.schema.LastActivity, "expires_at": m.schema.ExpiresAt} {
		n[key+"_literal"] = literal(name)
	}
	n["updated_at"], n["observed_at_out"] = n["last_activity"], "NULL::timestamptz"
	if m.observes() {
		n["updated_at"], n["observed_at_out"] = sqlfile.Column(m.schema.UpdatedAt), m.usedBy(m.schema.UpdatedAt)
	}
	n["source_values"] = m.sourceValues()
	n["last_activity_early"], n["last_activity_forever"] = m.early(), fixed(m.columnOr(m.schema.LastActivity, "timestamptz"), forever)
	n["never_ends"] = neverEnds
	n["last_activity_out"], n["created_at_out"] = m.lastActivity(), m.madeAt(m.schema.CreatedAt)
	n["updated_by_out"], n["created_by_out"] = m.usedBy(m.schema.UpdatedAt), m.usedBy(m.schema.CreatedAt)
	n["updated_at_out"], n["expires_at_out"], n["deactivated_at_out"] = m.madeAt(m.schema.UpdatedAt), m.expiresAt(), m.deactivatedAt()
	n["kept_since"], n["bare_kept_since"] = m.keptSince("s."), m.keptSince("")
	n["kept_since_out"], n["expired_exactly"] = m.exactly()
	n["kept_since_type"], n["kept_since_in"] = n["last_activity_type"], n["last_activity_in"]
	n["last_used"] = fmt.Sprintf("greatest(%s, (SELECT max(t.at) FROM %s t WHERE t.session_id OPERATOR(pg_catalog.=) s.%s))",
		n["last_activity_out"], n["touches"], n["id"])
	m.names = n
	n["theirs"], n["ours"] = m.statement("theirs"), m.statement("ours")
	n["by_run"], n["ahead"], n["noted"] = m.statement("by_run"), m.statement("ahead"), m.statement("noted")
	n["has_text"], n["has_tags"] = m.statement("has_text"), m.statement("has_tags")
	for _, cutoff := range []string{"delete", "warn"} {
		n["past_"+cutoff] = m.statement("past", sqlfile.Names{"cutoff": "v_cut." + cutoff})
	}
	for _, fragment := range []string{"period", "warned_enough", "gone", "waiting", "to_warn", "warning_of", "tags_of", "status", "selected"} { // some contain earlier ones
		n[fragment] = m.statement(fragment)
	}
	filled := sqlfile.Names{}
	for _, fragment := range fragments() {
		filled[fragment] = m.statement(fragment)
	}
	for name, sql := range filled {
		n[name] = sql
	}
	m.fillRules()
}

// sourceValues are the activity tables, with the column that holds the session and its type, as rows.
func (m *mapping) sourceValues() string {
	rows := []string{"(NULL, NULL, NULL)"}
	for _, s := range m.sources {
		rows = append(rows, fmt.Sprintf("(%s, %s, %s)", literal(s.sql()), literal(s.Session), literal(s.columns[s.Session].typ)))
	}
	return strings.Join(rows, ", ")
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
	return column{name: name, typ: "pg_catalog." + base, base: base, space: "pg_catalog", notNull: true}
}

// operator is one that compares values of a column, with its schema.
func (m *mapping) operator(op, name string) string {
	return "OPERATOR(" + sqlfile.Column(m.columnOr(name, "text").space) + "." + op + ")"
}

// findSafe sets the search path of what the library itself does: the server's schema and, where the types of a mapped
// column have operators elsewhere, as that of an extension does, that one.
func (m *mapping) findSafe() {
	spaces := []string{"pg_catalog"}
	for _, name := range []string{m.schema.ID, m.schema.Owner, m.schema.Name, m.schema.Code} {
		if space := sqlfile.Column(m.columnOr(name, "text").space); !slices.Contains(spaces, space) && space != `"pg_catalog"` {
			spaces = append(spaces, space)
		}
	}
	m.safe = strings.Join(append(spaces, "pg_temp"), ", ")
}

// loose reports whether an activity table has no foreign key that keeps its sessions from being taken for idle before
// what was inserted is committed.
func (m *mapping) loose() bool {
	return slices.ContainsFunc(m.sources, func(s source) bool { return !s.referenced })
}

func literalArray(texts []string) string {
	var quoted []string
	for _, text := range texts {
		quoted = append(quoted, literal(text))
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]::text[]"
}

func (m *mapping) ownerName() string {
	if m.owners == nil || !m.reads(*m.owners) {
		return "NULL::text"
	}
	o := m.schema.Owners
	return fmt.Sprintf("(SELECT o.%s::text FROM %s o WHERE %s LIMIT 1)", sqlfile.Column(o.Name), m.owners.sql(),
		equal(m.owners.columns[o.ID], "o.", m.columnOr(m.schema.Owner, "text"), "s."))
}

// firstOf is the expression for the first MaxName characters of a text. In a database of the encoding SQL_ASCII the server
// counts bytes; what is in it is most often UTF-8.
func firstOf(text string) string {
	const characters = `^(?:(?:[\x01-\xbf]|[\xc0-\xff][\x80-\xbf]{0,3}){0,250}){0,4}` // a quantifier goes up to 255
	return fmt.Sprintf("(CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN substring(left(%[1]s, %[2]d) FROM %[3]s) ELSE left(%[1]s, %[4]d) END)",
		text, 4*sessioncleanup.MaxName, literal(characters), sessioncleanup.MaxName)
}

func (m *mapping) activityCount() string {
	counts := []string{"0::bigint"}
	for _, s := range m.sources {
		if m.covered(s) {
			continue
		}
		counts = append(counts, m.countOf(s))
	}
	return "(" + strings.Join(counts, " + ") + ")"
}

func (m *mapping) countOf(s source) string {
	if !m.reads(s.relation) {
		return "0::bigint"
	}
	return fmt.Sprintf("(SELECT count(*) FROM %s c WHERE %s)", s.sql(),
		equal(s.columns[s.Session], "c.", m.columnOr(m.schema.ID, "text"), "s."))
}

// equal compares two columns so that an index on the first serves, even when their types differ.
func equal(a column, aPrefix string, b column, bPrefix string) string {
	left, right := aPrefix+sqlfile.Column(a.name), bPrefix+sqlfile.Column(b.name)
	if a.base != b.base && (!strings.HasPrefix(a.base, "int") || !strings.HasPrefix(b.base, "int")) {
		right += "::" + a.typ
	}
	if a.base == "citext" { // its operators are where its extension is
		return left + " = " + right
	}
	return left + " OPERATOR(pg_catalog.=) " + right
}

// literal is a text in SQL, whatever standard_conforming_strings is: the body of a function is read with the setting of
// whoever calls it.
func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
