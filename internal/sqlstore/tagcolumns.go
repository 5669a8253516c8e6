package sqlstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// The tags of Schema.TagColumns are rows of the table of tags like the others. Triggers keep them up to date, in the statement that
// writes the columns; Migrate tags the rows that were there before, and removes the tags of columns that have none any more. Runs
// refuse to work without the triggers, and before Migrate is done.

// TagColumns is how far Migrate is with that, as it is stored.
type TagColumns struct {
	TagColumns []string `json:"tag_columns,omitempty"` // sorted, all that there may be tags of
	Tagged     bool     `json:"tagged,omitempty"`      // these are Schema.TagColumns, and all their tags are there
}

// PlanTags decides whether there is anything to do for a schema, by whether its triggers are there.
func (c *TagColumns) PlanTags(s sessioncleanup.Schema, triggered bool) {
	wanted := slices.Sorted(slices.Values(s.TagColumns))
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.TagColumns, wanted))))
	c.Tagged = c.Tagged && triggered && len(all) > 0 && slices.Equal(all, c.TagColumns) && slices.Equal(all, wanted)
	c.TagColumns = all
}

// TagsUnfinished reports whether tags may be missing, or be left.
func (c *TagColumns) TagsUnfinished() bool { return !c.Tagged && len(c.TagColumns) > 0 }

// FinishTags notes that all tags are as they should be.
func (c *TagColumns) FinishTags(s sessioncleanup.Schema) {
	c.TagColumns, c.Tagged = slices.Sorted(slices.Values(s.TagColumns)), true
}

// GonePrefixes are those of tags of columns that have none any more.
func (c *TagColumns) GonePrefixes(s sessioncleanup.Schema) []string {
	kept := s.TagPrefixes()
	return slices.DeleteFunc(sessioncleanup.Schema{TagColumns: c.TagColumns}.TagPrefixes(), func(prefix string) bool { return slices.Contains(kept, prefix) })
}

// Untagged is the error of runs while tags of columns may be wrong; triggers are those that make them follow.
func Untagged(triggers ...string) error {
	return fmt.Errorf("%w: the tags of schema.tag_columns may not follow their columns, because the triggers %s are missing; run migrate",
		sessioncleanup.ErrNotInstalled, strings.Join(triggers, " and "))
}

// ColumnTags are the expressions for the tags of a row, which are empty where there is none. column qualifies a column of the row.
func ColumnTags(statements sqlfile.Statements, s sessioncleanup.Schema, column func(string) string) (all []string) {
	for i, prefix := range s.TagPrefixes() {
		all = append(all, statements.MustFill("column_tag", sqlfile.Names{
			"prefix": "'" + prefix + "'", "longest_value": fmt.Sprint(sessioncleanup.MaxTag - len(prefix)), "tag_column": column(s.TagColumns[i]),
		}))
	}
	return all
}

// WithPrefix is the condition for a tag to have one of some prefixes, which end with a colon. An index finds those.
func WithPrefix(statements sqlfile.Statements, prefixes []string) string {
	var all []string
	for _, prefix := range prefixes {
		all = append(all, statements.MustFill("has_prefix", sqlfile.Names{"prefix": "'" + prefix + "'", "after_prefix": "'" + strings.TrimSuffix(prefix, ":") + ";'"}))
	}
	return "(" + strings.Join(all, " OR ") + ")"
}
