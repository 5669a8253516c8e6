package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// objects are what Migrate hangs on the host's tables, in the order in which it makes them.
type objects struct {
	triggers []object
	view     object
	helpers  []object // indexes that make other things quick: the backfill, deleting, an owner's list
	indexes  []object // those of the batches
}

func (o objects) all() []object {
	return slices.Concat(o.triggers, []object{o.view}, o.helpers, o.indexes)
}

// objects gives what the layout wants of a database.
func (l *layout) objects(c *catalog) objects {
	bare := l.qualifiedBy("")
	s := l.schema
	var o objects
	for _, name := range []string{"idle", "expired", "gone", "protected"} {
		block := "index_due_" + name
		if name == "protected" {
			block = "index_protected"
		}
		o.indexes = append(o.indexes, object{"index", "sessioncleanup_" + name, s.Table, filled(block, bare)})
	}
	o.triggers = append(o.triggers, object{"trigger", "sessioncleanup_session_inserted", s.Table, filled("trigger_session_inserted", l.names)})
	helper := func(table, column string) {
		if t := c.find(table); t == nil || !t.indexed(column) {
			name := fmt.Sprintf("sessioncleanup_%s_%s", table, column)
			o.helpers = append(o.helpers, object{"index", name, table, filled("index_of_column", sqlfile.Names{
				"name": sqlfile.Column(name), "table": sqlfile.Column(table), "column": sqlfile.Column(column),
			})})
		}
	}
	if s.Owner != "" {
		helper(s.Table, s.Owner)
	}
	for _, source := range s.Sources {
		helper(source.Table, source.Session)
		for _, event := range []string{"inserted", "updated"} {
			o.triggers = append(o.triggers, l.sourceTrigger(source, event))
		}
	}
	o.view = object{"view", viewName, viewName, l.view(c)}
	return o
}

// sourceTrigger is the trigger that touches sessions when a row of an activity source is inserted, or updated.
func (l *layout) sourceTrigger(source sessioncleanup.Source, event string) object {
	name := fmt.Sprintf("sessioncleanup_%s_%s_%s", source.Table, source.Session, event)
	n := with(l.names, sqlfile.Names{
		"name": sqlfile.Column(name), "source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session),
	})
	n["touched"] = filled(map[string]string{"inserted": "inserted_session", "updated": "updated_sessions"}[event], n)
	n["touch_sessions"] = filled("touch_sessions", n)
	return object{"trigger", name, source.Table, filled("trigger_source_"+event, n)}
}

// view is the statement that makes the view. A column that the host's table has already is the host's.
func (l *layout) view(c *catalog) string {
	s, n := l.schema, with(l.names, nil)
	n["view_status"] = filled("view_status", n)
	var columns strings.Builder
	taken := map[string]bool{}
	if t := c.find(s.Table); t != nil {
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
	if s.Owner != "" {
		add(strings.TrimSuffix(s.Owner, "_id")+"_name", filled("view_owner_name", n))
	}
	add("hours_inactive", filled("view_hours_inactive", n))
	add("days_old", filled("view_days_old", n))
	add("cleanup_status", filled("view_cleanup_status", n))
	add("status", n["view_status"])
	for _, source := range s.Sources {
		of := slices.DeleteFunc(slices.Clone(s.Sources), func(other sessioncleanup.Source) bool { return other.Table != source.Table })
		add("total_"+source.Table, l.activityCount(n, of))
	}
	n["view_columns"] = columns.String()
	return filled("view", n)
}
