package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// object is a trigger or an index that Migrate creates.
type object struct {
	name    string
	table   string // of a trigger
	sql     string
	columns []string // of an index
}

// body is a trigger's, as the catalog has it.
func (o object) body() string {
	_, body, _ := strings.Cut(o.sql, "FOR EACH ROW\n")
	return body
}

const (
	prefix          = "sessioncleanup_"
	insertedTrigger = prefix + "session_inserted"
)

// longestName is the longest name of a trigger or an index, with room for that of an installation.
const longestName = 64 - 21

// named is a name of the library's own for something of the application's tables.
func named(parts ...string) string {
	name := prefix + strings.Join(parts, "_")
	if len(name) > longestName {
		name = hashed(name)
	}
	return name
}

func hashed(text string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text))
	return prefix + hex.EncodeToString(hash.Sum(nil))
}

// namer names things differently where their parts are the same once they are joined: a_b and c, a and b_c.
type namer map[string]bool

func (n namer) named(parts ...string) string {
	name := named(parts...)
	if n[name] {
		name = hashed(strings.Join(parts, "\x00"))
	}
	n[name] = true
	return name
}

// triggers are those that the settings want.
func (l *layout) triggers() []object {
	s := l.schema
	side := func(row string) func(string) string {
		return func(name string) string { return row + "." + sqlfile.Column(name) }
	}
	names := with(l.names, sqlfile.Names{
		"now_last_activity": l.adopted.Clocks[s.LastActivity], "now_deactivated_at": l.adopted.Clocks[s.DeactivatedAt],
		"auto_cleanup_default": autoCleanupDefault(l.policy),
		"new_active":           l.active(side("NEW")), "old_active": l.active(side("OLD")), "new_visible": l.visible(side("NEW")), "old_visible": l.visible(side("OLD")),
		"updated_at_column": sqlfile.Column(s.UpdatedAt),
	})
	names["old_last_activity"] = side("OLD")(s.LastActivity)
	if strings.HasPrefix(l.adopted.Clocks[s.LastActivity], "CURRENT_TIMESTAMP") {
		names["old_last_activity"] = filled("old_stamp", sqlfile.Names{"column": sqlfile.Column(s.LastActivity)})
	}
	names["is_past"] = filled("is_past", names)
	used := filled("appeared", names)
	if s.UpdatedAt != "" && len(s.Sources) == 0 {
		used += " OR " + filled("used_by_update", names)
	}
	names["used"] = used
	var all []object
	table := s.Table
	add := func(statement, name string, more sqlfile.Names) {
		more = with(names, more)
		more["name"] = sqlfile.Column(name)
		all = append(all, object{name: name, table: table, sql: filled(statement, more)})
	}
	add("session_inserted", insertedTrigger, nil)
	add("session_updated", prefix+"session_updated", nil)
	if len(s.TagColumns) > 0 {
		more := l.columnNames(side)
		add("column_inserted", columnInserted, more)
		add("column_updated", columnUpdated, more)
	}
	table = prefix + "tags"
	add("tagged", prefix+"tag_added", sqlfile.Names{"event": "INSERT"})
	add("tagged", prefix+"tag_changed", sqlfile.Names{"event": "UPDATE"})
	for event, rows := range map[string]string{"INSERT": "NEW.session_id", "UPDATE": "NEW.session_id), (OLD.session_id", "DELETE": "OLD.session_id"} {
		noted := "TRUE"
		if event == "DELETE" {
			noted = "@sessioncleanup_library IS NULL"
		}
		add("retagged", prefix+"retagged_by_"+strings.ToLower(event), sqlfile.Names{"event": event, "retagged": rows, "noted": noted})
	}
	named := namer{}.named
	for _, source := range s.Sources {
		table = source.Table
		more := sqlfile.Names{"source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session)}
		add("activity_inserted", named(source.Table, source.Session, "inserted"), more)
		add("activity_updated", named(source.Table, source.Session, "updated"), more)
	}
	return all
}

// indexes are those that runs and lists need, and the application has none for.
func (l *layout) indexes(c *catalog) []object {
	s := l.schema
	var all []object
	add := func(table, name string, columns ...string) {
		indexed := make([]string, len(columns))
		for i, column := range columns {
			if indexed[i] = sqlfile.Column(column); c.tables[table] != nil {
				indexed[i] = c.tables[table].indexedAs(column)
			}
		}
		all = append(all, object{name, "", filled("create_index", sqlfile.Names{
			"name": sqlfile.Column(name), "table": sqlfile.Column(table), "columns": strings.Join(indexed, ", "),
		}), columns})
	}
	add(s.Table, prefix+"idle", s.LastActivity) // for lists
	first := l.stretchColumns()
	if s.DeletedAt != "" {
		first = append(first, s.DeletedAt)
	}
	for _, due := range []struct{ name, column string }{{"due_idle", s.LastActivity}, {"due_expired", s.ExpiresAt}, {"due_gone", s.DeactivatedAt}} {
		add(s.Table, prefix+due.name, append(slices.Clip(first), due.column)...)
	}
	named := namer{}.named
	helper := func(table, column string) {
		name := named(table, column)
		if t := c.tables[table]; t != nil && (!t.indexed(column) || t.indexes[name] != nil) {
			add(table, name, column)
		}
	}
	for _, column := range []string{s.Owner, s.CreatedAt} {
		if column != "" {
			helper(s.Table, column)
		}
	}
	for _, source := range s.Sources {
		helper(source.Table, source.Session)
	}
	return all
}

// createObjects creates the tables of notes and of tags, triggers and indexes that are missing, and drops those that
// are not wanted any more.
func (s *Store) createObjects(ctx context.Context, c *conn, catalog *catalog, set settings) error {
	l := newLayout(set)
	for _, statement := range []string{"create_notes", "create_tags", "create_retagged"} {
		if err := s.define(ctx, c, filled(statement, sqlfile.Names{"key_type": set.adopted.KeyType})); err != nil {
			return err
		}
	}
	wanted := map[string]bool{}
	for _, o := range l.triggers() {
		wanted[o.name] = true
		have, there := catalog.triggers[o.name]
		if there && have.body == o.body() {
			continue
		}
		if there {
			if err := s.define(ctx, c, filled("drop_trigger", sqlfile.Names{"name": sqlfile.Column(o.name)})); err != nil {
				return err
			}
		}
		if err := s.define(ctx, c, o.sql); err != nil {
			return err
		}
	}
	if err := s.dropTriggers(ctx, c, catalog, wanted); err != nil {
		return err
	}
	return s.createIndexes(ctx, c, catalog, l)
}

// dropTriggers drops the library's triggers but for those that are wanted.
func (s *Store) dropTriggers(ctx context.Context, c *conn, catalog *catalog, wanted map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(catalog.triggers)) {
		if strings.HasPrefix(name, prefix) && !wanted[name] {
			if err := s.define(ctx, c, filled("drop_trigger", sqlfile.Names{"name": sqlfile.Column(name)})); err != nil {
				return err
			}
		}
	}
	return nil
}

// createIndexes creates indexes that are missing, or have other columns, and drops those that are not wanted any more.
func (s *Store) createIndexes(ctx context.Context, c *conn, catalog *catalog, l *layout) error {
	have, wanted := catalog.ownIndexes(), map[string]bool{}
	for _, o := range l.indexes(catalog) {
		wanted[o.name] = true
		table, there := have[o.name]
		if there && slices.Equal(catalog.tables[table].indexes[o.name], o.columns) {
			continue
		}
		if there {
			if err := s.dropIndex(ctx, c, "migrate", o.name, table); err != nil {
				return err
			}
		}
		if err := s.define(ctx, c, o.sql); err != nil {
			return err
		}
	}
	maps.DeleteFunc(have, func(name, _ string) bool { return wanted[name] })
	return s.dropIndexes(ctx, c, "migrate", have)
}

// dropIndexes drops indexes, which have their tables.
func (s *Store) dropIndexes(ctx context.Context, c *conn, operation string, tables map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if err := s.dropIndex(ctx, c, operation, name, tables[name]); err != nil {
			return err
		}
	}
	return nil
}

// dropIndex drops an index of the library's, unless a foreign key needs it.
func (s *Store) dropIndex(ctx context.Context, c *conn, operation, name, table string) error {
	err := s.define(ctx, c, filled("drop_index", sqlfile.Names{"name": sqlfile.Column(name), "table": sqlfile.Column(table)}))
	if errorNumber(err) == neededByKey {
		s.warn(ctx, operation, []string{fmt.Sprintf("the index %s of table %q stays: a foreign key needs it", name, table)})
		return nil
	}
	return err
}

// ownIndexes are the library's indexes on tables of the application, with those tables.
func (c *catalog) ownIndexes() map[string]string {
	found := map[string]string{}
	for _, t := range c.tables {
		for name := range t.indexes {
			if strings.HasPrefix(name, prefix) && !adopt.Own(t.name) {
				found[name] = t.name
			}
		}
	}
	return found
}

// lacking are the triggers and indexes that are missing, or not as this version creates them. Of the triggers, some are known to be gone.
func (c *catalog) lacking(l *layout, gone []string) (names []string) {
	for _, o := range l.triggers() {
		if have := c.triggers[o.name]; slices.Contains(gone, o.name) || have.body != "" && have.body != o.body() {
			names = append(names, "the trigger "+o.name)
		}
	}
	if l.adopted.View {
		for _, name := range viewNames {
			if c.tables[name] == nil {
				names = append(names, "the view "+name)
			}
		}
	}
	have := c.ownIndexes()
	for _, o := range l.indexes(c) {
		switch table := have[o.name]; {
		case table == "":
			names = append(names, "the index "+o.name)
		case !slices.Equal(c.tables[table].indexes[o.name], o.columns):
			names = append(names, "the index "+o.name+" on other columns")
		}
	}
	return names
}
