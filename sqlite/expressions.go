package sqlite

import (
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// with adds names to others.
func with(names, more sqlfile.Names) sqlfile.Names {
	all := maps.Clone(names)
	maps.Copy(all, more)
	return all
}

// expressions returns the names of columns, and the expressions that read and write them. Columns are qualified by a
// table; without one they are bare, as an index needs them.
func (l *layout) expressions(table string) sqlfile.Names {
	s, a := l.schema, l.adopted
	column := func(name string) string {
		switch {
		case name == "":
			return "NULL"
		case table == "":
			return sqlfile.Column(name)
		default:
			return sqlfile.Column(table) + "." + sqlfile.Column(name)
		}
	}
	timeIn := func(name string) string {
		if name == "" {
			return "NULL"
		}
		return readTime(formText, column(name))
	}
	n := sqlfile.Names{
		"sessions": sqlfile.Column(s.Table),

		"id_text":    a.ID.readText(column(s.ID)),
		"listed_id":  a.ID.listed("value"),
		"owner_text": a.Owner.readText(column(s.Owner)),
		"owner_name": "''",
		"name_text":  readName(column(s.Name)),
		"code_text":  readName(column(s.Code)),

		"created_at_time":        timeIn(s.CreatedAt),
		"updated_at_time":        timeIn(s.UpdatedAt),
		"last_activity_read":     readTime(a.LastActivity, column(s.LastActivity)),
		"last_activity_stands":   standsForSomething(column(s.LastActivity)),
		"last_activity_infinite": isInfinite(column(s.LastActivity)),
		"expires_at_read":        readTime(a.ExpiresAt, column(s.ExpiresAt)),
		"expires_at_stands":      standsForSomething(column(s.ExpiresAt)),
		"expires_at_infinite":    isInfinite(column(s.ExpiresAt)),
		"deactivated_at_read":    readTime(a.DeactivatedAt, column(s.DeactivatedAt)),
	}
	for name, c := range map[string]string{
		"id": s.ID, "owner": s.Owner, "active": s.Active, "auto_cleanup": s.AutoCleanup, "created_at": s.CreatedAt, "updated_at": s.UpdatedAt,
		"last_activity": s.LastActivity, "expires_at": s.ExpiresAt, "deactivated_at": s.DeactivatedAt,
	} {
		n[name], n[name+"_column"] = column(c), sqlfile.Column(c)
	}
	l.addRows(n, column)
	if a.DeactivatedAt == formText && (a.MadeTable || slices.Contains(a.AddedColumns, "deactivated_at")) {
		n["deactivated_at_read"] = filled("read_own", sqlfile.Names{"value": n["deactivated_at"]})
	}
	for name, value := range map[string]string{"last_activity": ":last_activity", "used": "sessioncleanup_used.at", "used_now": ":now", "folded_at": "folded_at"} {
		n["write_"+name] = a.LastActivity.write(value)
	}
	n["write_expires_at"] = a.ExpiresAt.write(":expires_at")
	for name, value := range map[string]string{"deactivated_at": ":deactivated_at", "now": ":now", "folded_deactivated_at": "folded_deactivated_at"} {
		n["write_"+name] = a.DeactivatedAt.write(value)
	}
	n["key"], n["key_as_text"], n["key_in_index"], n["listed_key"] = n["id"], a.ID.readText("key"), ", "+n["id"], n["listed_id"]
	if a.RowID != "" {
		n["key"], n["key_as_text"], n["key_in_index"], n["listed_key"] = column(a.RowID), readText("key"), "", "value"
	}
	if s.Owners != nil {
		n["owner_name"] = filled("owner_name", with(n, sqlfile.Names{
			"owners": sqlfile.Column(s.Owners.Table), "owners_id": sqlfile.Column(s.Owners.ID),
			"owners_name": readName(sqlfile.Column(s.Owners.Table) + "." + sqlfile.Column(s.Owners.Name)),
		}))
	}
	n["named"] = a.ID.named(n["id"], a.KeyType)
	n["activity_count"] = activityCount(n, s.Sources)
	for _, expression := range []string{"last_activity_at", "last_activity_known", "expires_at_at", "deactivated_at_time", "kept_since", "place_created", "place_name", "has_expires_at", "true_class", "asked_class"} {
		n[expression] = filled(expression, n)
	}
	return n
}

// addNotes adds the expressions about notes. With reactivate, activity makes sessions active that a run deactivated.
func (l *layout) addNotes(n sqlfile.Names, reactivate string) {
	n["reactivate"], n["notes_chosen"] = reactivate, "1"
	for _, expression := range []string{"by_run", "note_revives", "unnoted", "noted", "warning_of", "tags_of", "session_columns"} {
		if n[expression] = filled(expression, n); expression == "note_revives" && reactivate == "0" {
			n[expression] = "0"
		}
	}
}

// notedNames are the names for the sessions that have a note: the columns of the statement noted.
func notedNames() sqlfile.Names {
	n := sqlfile.Names{"if_visible": "", "tags": "sessioncleanup_tags"} // the others are left out
	for _, column := range []string{
		"id", "owner", "id_text", "owner_text", "name_text", "code_text", "active", "auto_cleanup", "created_at_time",
		"last_activity_at", "expires_at_at", "kept_since", "class",
	} {
		n[column] = "sessioncleanup_noted." + column
	}
	n["expires_at"] = n["expires_at_at"]
	for _, rule := range []string{"running", "ended", "protected"} {
		n[rule] = filled(rule, n)
	}
	for _, place := range []string{"place_created", "place_name"} {
		n[place] = filled(place, n)
	}
	return n
}

// asParameter is a cutoff that is given to the statement.
func asParameter(cutoff string) string { return ":" + cutoff }

// addRules adds the rules of sql/rules.sql, which measure sessions against the expressions for some cutoffs.
func (l *layout) addRules(n sqlfile.Names, cutoff func(name string) string) {
	n["inactive_cutoff"], n["expiry_cutoff"], n["delete_cutoff"] = cutoff("inactive"), cutoff("expired"), cutoff("delete")
	n["recent_cutoff"], n["in_use_cutoff"] = ":recent", ":inactive" // whatever the tags: see Cutoffs.Recent
	n["warn_cutoff"], n["warned_cutoff"], n["given_up_cutoff"] = cutoff("warn"), cutoff("warned"), cutoff("given_up")
	n["tracked"], n["never_idle"] = "1", filled("never_idle", n)
	if l.adopted.untracked(l.schema) {
		n["recent_cutoff"], n["in_use_cutoff"] = "NULL", "NULL"
		n["inactive_cutoff"], n["tracked"], n["never_idle"] = "NULL", filled("has_expiry", n), "1"
	}
	for _, rule := range []string{
		"has_expires_at", "warned_enough", "has_notice", "due_idle", "due_expired", "due_gone", "due_to_warn", "due_undated", "due_ahead", "due_inactive_ahead", "never_due",
		"status_active", "status_to_deactivate", "status_inactive", "status_to_delete", "status_protected",
		"status_to_warn", "status_waiting",
		"with_id", "with_owner", "with_text", "with_tags",
	} {
		n[rule] = filled(rule, n)
	}
}

// activityCount is the expression that counts a session's rows in some activity tables.
func activityCount(n sqlfile.Names, sources []sessioncleanup.Source) string {
	counts := []string{}
	for _, source := range sources {
		counts = append(counts, filled("activity_count", with(n, sqlfile.Names{
			"source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session),
		})))
	}
	if len(counts) == 0 {
		return "0"
	}
	return strings.Join(counts, " + ")
}
