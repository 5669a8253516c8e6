package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// indexes are those that the layout wants: first those that make the backfill, deletions and an owner's list fast, where
// the application has none, then those of what is due and of lists.
func (l *layout) indexes(c *catalog) []object {
	var all []object
	helper := func(table, column string) {
		if t := c.find(table); t == nil || !t.indexed(column) {
			name := fmt.Sprintf("sessioncleanup_%s_%s", table, column)
			all = append(all, object{"index", name, table, filled("index_of_column", sqlfile.Names{
				"name": sqlfile.Column(name), "table": sqlfile.Column(table), "column": sqlfile.Column(column),
			})})
		}
	}
	if l.schema.Owner != "" {
		helper(l.schema.Table, l.schema.Owner)
	}
	for _, source := range l.schema.Sources {
		helper(source.Table, source.Session)
	}
	bare := l.expressions("")
	names := []string{"idle", "expired", "gone", "ended", "protected"}
	if l.adopted.Classed {
		names = append(names, "class_idle", "class_expired", "class_gone", "classed")
	}
	for _, name := range names {
		all = append(all, object{"index", "sessioncleanup_" + name, l.schema.Table, filled("index_"+name, bare)})
	}
	return all
}

// touches is the table of notes.
func (l *layout) touches() object {
	return object{"table", touchesTable, touchesTable, filled("create_touches", sqlfile.Names{
		"key_type": l.adopted.KeyType, "key_collation": sqlfile.Column(l.adopted.KeyCollation),
	})}
}

// touchesTable has the notes of the triggers.
const touchesTable = "sessioncleanup_touches"

// triggers are those that the layout wants.
func (l *layout) triggers() []object {
	s := l.schema
	row := "NEW." + sqlfile.Column(s.LastActivity)
	n := with(l.names, sqlfile.Names{"now": statements["clock"]})
	n["new_is_unknown"] = isUnknown(row)
	n["updated_alone"] = "0"
	for _, row := range []string{"old", "new"} {
		column := func(name string) string { return strings.ToUpper(row) + "." + sqlfile.Column(name) }
		n[row+"_active"], n[row+"_visible"] = l.active(column), l.visible(column)
	}
	n["if_new_visible"] = ""
	n["old_id_text"] = l.adopted.ID.readText("OLD." + sqlfile.Column(s.ID))
	n["or_tagged"] = ""
	if l.adopted.Classed {
		n["or_tagged"] = " " + filled("or_tagged", sqlfile.Names{"new_id_text": l.adopted.ID.readText("NEW." + sqlfile.Column(s.ID))})
	}
	created := []string{"session_inserted", "session_changed", "session_used", "session_deleted"}
	if tests := conditions(s); len(tests) > 0 {
		for i, name := range tests {
			tests[i] = sqlfile.Column(name)
		}
		n["if_new_visible"], n["conditions"] = " AND "+n["new_visible"], strings.Join(tests, ", ")
		created = append(created, "session_appeared")
	}
	follows := l.observes()
	if follows {
		n["updated_alone"] = filled("updated_alone", n)
	}
	var all []object
	for _, name := range created {
		all = append(all, object{"trigger", "sessioncleanup_" + name, s.Table, filled("trigger_"+name, n)})
	}
	if l.adopted.Classed {
		all = append(all, l.tagTriggers()...)
	}
	all = append(all, l.columnTriggers()...)
	use := func(rows ...string) sqlfile.Names {
		return sqlfile.Names{"note_use": filled("note_use", with(n, sqlfile.Names{
			"touched": strings.Join(rows, ", "), "touched_rows": "SELECT " + strings.Join(rows, " AS session UNION SELECT ") + " AS session",
		}))}
	}
	if follows {
		all = append(all, object{"trigger", "sessioncleanup_session_updated", s.Table,
			filled("trigger_session_updated", with(n, use("NEW."+sqlfile.Column(s.ID))))})
	}
	for _, source := range s.Sources {
		session := sqlfile.Column(source.Session)
		for _, on := range []struct {
			suffix, event string
			touched       []string
		}{
			{"inserted", "INSERT", []string{"NEW." + session}},
			{"updated", "UPDATE", []string{"NEW." + session, "OLD." + session}},
		} {
			name := fmt.Sprintf("sessioncleanup_%s_%s_%s", source.Table, source.Session, on.suffix)
			all = append(all, object{"trigger", name, source.Table, filled("trigger_activity", with(use(on.touched...), sqlfile.Names{
				"name": sqlfile.Column(name), "source": sqlfile.Column(source.Table), "event": on.event,
			}))})
		}
	}
	return all
}

// views are those that the layout wants, if any. Where the sessions table has a column of the same name as one of
// the view's, the view shows the table's.
func (l *layout) views(c *catalog) []object {
	if !l.adopted.View {
		return nil
	}
	n := with(l.names, nil)
	var values []string
	for _, name := range []string{"active", "auto_cleanup", "last_activity_at", "expires_at_at", "kept_since"} {
		values = append(values, filled("view_value", sqlfile.Names{"value": l.names[name], "noted_column": name}))
		n[name] = valuesViewName + "." + name
	}
	n["expires_at"] = n["expires_at_at"]
	for _, rule := range []string{"running", "ended", "protected"} {
		n[rule] = filled(rule, n)
	}
	l.addRules(n, l.viewCutoff)
	raw := with(l.names, nil)
	l.addNotes(raw, "(SELECT reactivate_on_activity FROM sessioncleanup_settings)")
	n["noted"], n["values"] = raw["noted"], strings.Join(values, ",\n       ")
	var columns strings.Builder
	taken := map[string]bool{}
	if t := c.find(l.schema.Table); t != nil {
		for _, column := range t.columns {
			taken[strings.ToLower(column.name)] = true
		}
	}
	add := func(name, expression string) {
		if !taken[strings.ToLower(name)] {
			taken[strings.ToLower(name)] = true
			fmt.Fprintf(&columns, ",\n       %s AS %s", expression, sqlfile.Column(name))
		}
	}
	if owner := l.schema.Owner; owner != "" {
		add(strings.TrimSuffix(owner, "_id")+"_name", filled("view_owner_name", n))
	}
	for _, name := range []string{"hours_inactive", "days_old", "cleanup_status", "status"} {
		add(name, filled("view_"+name, n))
	}
	for _, source := range l.schema.Sources {
		same := slices.DeleteFunc(slices.Clone(l.schema.Sources), func(other sessioncleanup.Source) bool { return other.Table != source.Table })
		add("total_"+source.Table, activityCount(n, same))
	}
	n["view_columns"] = columns.String()
	return []object{{"view", valuesViewName, valuesViewName, filled("view_values", n)}, {"view", viewName, viewName, filled("view", n)}, {"view", archiveViewName, archiveViewName, statements["archive_view"]}}
}

// viewCutoff is a cutoff of a session by the stored policy and its rules. The view does not show which owners are to be warned.
func (l *layout) viewCutoff(cutoff string) string {
	const deactivates, deletes, warns = "count(r.inactive) = count(*)", `count(r."delete") = count(*)`, "count(r.warned) > 0"
	of, ok := map[string]struct{ column, rules, seconds string }{
		"inactive": {"inactive", deactivates, "max(r.inactive)"}, "expired": {"expired", deactivates, "0"}, "delete": {"gone", deletes, `max(r."delete")`},
		"warned": {"warned", warns, "max(r.warned)"}, "given_up": {"given_up", warns + " AND sessioncleanup_cutoffs.proceed", "max(r.warned)"},
	}[cutoff]
	switch {
	case !ok:
		return "NULL"
	case !l.adopted.Classed:
		return "sessioncleanup_cutoffs." + of.column
	}
	return l.sql("view_cutoff", sqlfile.Names{"cutoff": of.column, "by_rules": of.rules, "seconds": of.seconds})
}

// objects is everything that Migrate adds to the application's tables, but for columns.
func (l *layout) objects(c *catalog) []object {
	return slices.Concat(l.triggers(), l.views(c), l.indexes(c))
}

// lacking returns the wanted objects that the database does not have, or not as they are wanted.
func (c *catalog) lacking(wanted []object) []object {
	return slices.DeleteFunc(slices.Clone(wanted), func(o object) bool {
		have := c.object(o.name)
		return have != nil && have.sql == o.sql
	})
}

// leftovers are the library's objects on the application's tables that are not wanted, or not as they are. A view is
// the library's when Migrate made it.
func (c *catalog) leftovers(have adopted, wanted []object) []object {
	var left []object
	for _, o := range c.objects {
		added := o.kind == "trigger" || o.kind == "index" && !adopt.Own(o.table) || o.kind == "view" && have.View
		if added && adopt.Own(o.name) && !slices.ContainsFunc(wanted, func(w object) bool { return strings.EqualFold(w.name, o.name) && w.sql == o.sql }) {
			left = append(left, o)
		}
	}
	return left
}

// drop is the statement that drops an object.
func drop(o object) string {
	return filled("drop_object", sqlfile.Names{"kind": strings.ToUpper(o.kind), "name": sqlfile.Column(o.name)})
}
