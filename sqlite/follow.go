package sqlite

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// follow is a schema with the names that its tables and the columns of the lifecycle have now. SQLite keeps the library's
// triggers up to date when something is renamed, so they tell.
func (c *catalog) follow(s sessioncleanup.Schema) sessioncleanup.Schema {
	if o := c.object("sessioncleanup_session_changed"); o != nil && o.kind == "trigger" {
		s.Table = c.spelled(o.table)
		columns := []*string{&s.Active, &s.LastActivity, &s.ExpiresAt, &s.AutoCleanup, &s.DeactivatedAt}
		rename(o.sql, columns)
	}
	if o := c.object("sessioncleanup_session_appeared"); o != nil && o.kind == "trigger" {
		s.Only = slices.Clone(s.Only)
		var columns []*string
		if s.DeletedAt != "" {
			columns = append(columns, &s.DeletedAt)
		}
		for i := range s.Only {
			columns = append(columns, &s.Only[i].Column)
		}
		rename(o.sql, columns)
	}
	sources := make([]sessioncleanup.Source, 0, len(s.Sources))
	for _, source := range s.Sources {
		if o := c.object("sessioncleanup_" + source.Table + "_" + source.Session + "_inserted"); o != nil && o.kind == "trigger" {
			source.Table = c.spelled(o.table)
		}
		sources = append(sources, source)
	}
	if len(sources) > 0 {
		s.Sources = sources
	}
	return s
}

// rename changes the names of columns to those that a trigger on updates lists.
func rename(sql string, columns []*string) {
	if found := updatedColumns.FindStringSubmatch(sql); found != nil {
		if names := quotedName.FindAllString(found[1], -1); len(names) == len(columns) {
			for i, name := range names {
				*columns[i] = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
			}
		}
	}
}

// sources are the activity tables of a schema that was proposed, without those that are gone and with those made since.
func (c *catalog) sources(s sessioncleanup.Schema) []sessioncleanup.Source {
	left := slices.DeleteFunc(slices.Clone(s.Sources), func(source sessioncleanup.Source) bool { return c.find(source.Table) == nil })
	return append(left, c.describe().Unfollowed(s)...)
}

// spelled is a table's name as the table itself has it.
func (c *catalog) spelled(name string) string {
	if t := c.find(name); t != nil {
		return t.name
	}
	return name
}

var (
	updatedColumns = regexp.MustCompile(`(?s)AFTER UPDATE OF (.+?) ON "`)
	quotedName     = regexp.MustCompile(`"(?:[^"]|"")*"`)
)
