package sessioncleanup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

const maxTagColumns = 5 // in Schema.TagColumns

// ColumnTag returns the tag of a session that has the value, as text, in a column of Schema.TagColumns: the name of the
// column, a colon and the value, with A to Z in lower case. It returns "" when the value is empty, too long, or has a
// character that tags cannot have: such a session has no tag for this column.
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

// TagPrefixes returns the prefixes of the tags of TagColumns, in the order of the columns: "plan:" for the column plan.
func (s Schema) TagPrefixes() (all []string) {
	for _, column := range s.TagColumns {
		all = append(all, tagPrefix(column))
	}
	return all
}

// ColumnTagError is the ErrInvalid for a change of a tag that follows a column of Schema.TagColumns. Only a write to
// that column changes the tag.
type ColumnTagError struct{ Tag, Column string }

// Error names the tag and the column.
func (e *ColumnTagError) Error() string {
	return fmt.Sprintf("tag %q follows the column %q: change the column instead", e.Tag, e.Column)
}

// Is reports that it is an ErrInvalid.
func (*ColumnTagError) Is(target error) bool { return target == ErrInvalid }

// CheckTags returns a ColumnTagError for the first tag in the change that follows a column.
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
	if len(s.TagColumns) > maxTagColumns {
		return invalid.Errorf("schema.tag_columns has %d columns: want at most %d", len(s.TagColumns), maxTagColumns)
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
