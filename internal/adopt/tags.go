package adopt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	// TagSample is how many rows are read to find out which values a column has.
	TagSample = 10_000
	// TagValues is how many values a column has at most that groups sessions.
	TagValues = 12
)

// tagNames are those of columns whose values group sessions, alone or as the last words of a name.
var tagNames = []string{"plan", "tier", "type", "kind", "category", "level", "segment", "edition", "subscription", "package"}

// TagCandidates are the columns of the sessions whose values may be tags, by their names and types. The caller finds out
// which values they have.
func (d Database) TagCandidates(s sessioncleanup.Schema) (columns []string) {
	t := d.find(s.Table)
	if t == nil || t.Other != "" {
		return nil
	}
	used := slices.Concat(taken(&s), s.TagColumns)
	for _, c := range t.Columns {
		if c.Kind&Text == 0 && len(c.Values) == 0 || d.unique(t, c.Name) || slices.ContainsFunc(used, func(name string) bool { return d.same(name, c.Name) }) {
			continue
		}
		if slices.ContainsFunc(tagNames, func(name string) bool { return similar(c.Name, name) || endsWith(c.Name, name) }) {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

// endsWith reports whether a word is the last one of a name such as session_type or sessionType.
func endsWith(name, word string) bool {
	return strings.HasSuffix(name, "_"+word) || strings.HasSuffix(name, strings.ToUpper(word[:1])+word[1:])
}

// TagHints say which columns of the sessions could be Schema.TagColumns. sample returns the different values of a column in the
// first TagSample rows, TagValues+1 of them at most.
func (d Database) TagHints(s sessioncleanup.Schema, sample func(column string) ([]string, error)) (hints []string, err error) {
	for _, column := range d.TagCandidates(s) {
		values, err := sample(column)
		if err != nil {
			return nil, err
		}
		if hint := TagHint(column, values); hint != "" {
			hints = append(hints, hint)
		}
	}
	return hints, nil
}

// TagHint says that the sessions could be tagged by a column that has these values; empty where that makes no groups of them.
// NULL is no value.
func TagHint(column string, values []string) string {
	slices.Sort(values)
	var tags []string
	for _, value := range values {
		if tag := sessioncleanup.ColumnTag(column, value); tag != "" {
			tags = append(tags, tag)
		}
	}
	if tags = slices.Compact(tags); len(tags) < 2 || len(tags) < len(values) || len(values) > TagValues {
		return ""
	}
	return fmt.Sprintf("column %s has few values: to have rules for the tags %s, add \"tag_columns\": [%q] to the schema", column, strings.Join(tags, ", "), column)
}
