package sessioncleanup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// MaxTagColumns is how many columns Schema.TagColumns names at most.
const MaxTagColumns = 5

// ColumnTag is the tag of a session that has a value, as text, in a column of Schema.TagColumns: the name of the column, a
// colon and the value, with A to Z in lower case. It is empty when the value is empty, too long, or has a character that tags
// cannot have: such a session has no tag of this column.
func ColumnTag(column, value string) string {
	tag := tagPrefix(column) + asciiLower(value)
	if value == "" || !isTag(tag) {
		return ""
	}
	return tag
}

// tagPrefix is how all tags of a column begin.
func tagPrefix(column string) string { return asciiLower(column) + ":" }

func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// TagPrefixes are the beginnings of the tags of TagColumns, in the order of the columns: "plan:" for the column plan.
func (s Schema) TagPrefixes() (all []string) {
	for _, column := range s.TagColumns {
		all = append(all, tagPrefix(column))
	}
	return all
}

// ColumnTagError says that a tag follows a column of Schema.TagColumns, so it cannot be set otherwise. It is an ErrInvalid.
type ColumnTagError struct{ Tag, Column string }

// Error names the tag and the column.
func (e *ColumnTagError) Error() string {
	return fmt.Sprintf("tag %q follows the column %q: change the column instead", e.Tag, e.Column)
}

// Is reports that it is an ErrInvalid.
func (*ColumnTagError) Is(target error) bool { return target == ErrInvalid }

// CheckTags reports the first tag that a change adds or removes although it follows a column, as a ColumnTagError.
func (s Schema) CheckTags(c TagChange) error {
	for _, column := range s.TagColumns {
		for _, tag := range slices.Concat(c.Add, c.Remove) {
			if strings.HasPrefix(tag, tagPrefix(column)) {
				return &ColumnTagError{Tag: tag, Column: column}
			}
		}
	}
	return nil
}

// validTagColumns checks TagColumns.
func (s Schema) validTagColumns() error {
	if len(s.TagColumns) > MaxTagColumns {
		return invalid.Errorf("schema.tag_columns has %d columns: want at most %d", len(s.TagColumns), MaxTagColumns)
	}
	for i, column := range s.TagColumns {
		prefix := tagPrefix(column)
		if err := validIdentifier("schema.tag_columns", column); err != nil {
			return err
		}
		if !isTag(prefix) || strings.Contains(asciiLower(column), ":") {
			return invalid.Errorf("schema.tag_columns has %q: want a column whose name can begin a tag: at most %d letters a to z, digits and - _ .", column, MaxTag-1)
		}
		if slices.Contains(s.TagPrefixes()[:i], prefix) {
			return invalid.Errorf("schema.tag_columns has %q twice: want each column once", column)
		}
	}
	return nil
}
