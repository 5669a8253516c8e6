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
// the application has none, then those of what is due.
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
	for _, name := range []string{"idle", "expired", "gone", "protected"} {
		all = append(all, object{"index", "sessioncleanup_" + name, l.schema.Table, filled("index_"+name, bare)})
	}
	return all
}

// triggers are those that the layout wants.
func (l *layout) triggers() []object {
	now := statements["clock"]
	n := with(l.names, sqlfile.Names{"now": now, "write_now": l.adopted.LastActivity.write(now)})
	n["revives"] = filled("revives", n)
	all := []object{{"trigger", "sessioncleanup_session_inserted", l.schema.Table, filled("trigger_session_inserted", n)}}
	for _, source := range l.schema.Sources {
		session := sqlfile.Column(source.Session)
		for _, on := range []struct{ suffix, event, touched string }{
			{"inserted", "INSERT", "NEW." + session},
			{"updated", "UPDATE", "NEW." + session + ", OLD." + session},
		} {
			name := fmt.Sprintf("sessioncleanup_%s_%s_%s", source.Table, source.Session, on.suffix)
			all = append(all, object{"trigger", name, source.Table, filled("trigger_activity", with(n, sqlfile.Names{
				"name": sqlfile.Column(name), "source": sqlfile.Column(source.Table), "event": on.event, "touched": on.touched,
			}))})
		}
	}
	return all
}

// view is the view that the layout wants. Where the sessions table has a column of the same name as one of the view's,
// the view shows the table's.
func (l *layout) view(c *catalog) object {
	n := with(l.names, nil)
	l.addRules(n, "sessioncleanup_cutoffs.inactive", "sessioncleanup_cutoffs.expired", "sessioncleanup_cutoffs.gone")
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
	return object{"view", viewName, viewName, filled("view", n)}
}

// objects is everything that Migrate adds to the application's tables, but for columns.
func (l *layout) objects(c *catalog) []object {
	return slices.Concat(l.triggers(), []object{l.view(c)}, l.indexes(c))
}

// lacking returns the wanted objects that the database does not have, or not as they are wanted.
func (c *catalog) lacking(wanted []object) []object {
	return slices.DeleteFunc(slices.Clone(wanted), func(o object) bool {
		have := c.object(o.name)
		return have != nil && have.sql == o.sql
	})
}

// leftovers are the library's objects on the application's tables that are not wanted, or not as they are.
func (c *catalog) leftovers(wanted []object) []object {
	var left []object
	for _, o := range c.objects {
		added := o.kind == "trigger" || o.kind == "index" && !adopt.Own(o.table) || o.kind == "view"
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
