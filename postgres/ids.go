package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var canonicalUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// canBe reports whether a text is the form in which a column of this type writes a value. Other texts are not found,
// rather than an error; and "007" is not session 7.
func canBe(c column, text string) bool {
	bits := map[string]int{"int2": 16, "int4": 32, "int8": 64}[c.base]
	switch {
	case bits > 0:
		n, err := strconv.ParseInt(text, 10, bits)
		return err == nil && strconv.FormatInt(n, 10) == text
	case c.base == "uuid":
		return canonicalUUID.MatchString(text)
	default:
		return utf8.ValidString(text) && !strings.ContainsRune(text, 0)
	}
}

func (m *mapping) isID(text string) bool { return canBe(m.columnOr(m.schema.ID, "text"), text) }

// isOwner reports whether a text can be an owner's. Without a column for owners none can.
func (m *mapping) isOwner(text string) bool {
	return m.schema.Owner != "" && canBe(m.columnOr(m.schema.Owner, "text"), text)
}

// onlyIDs leaves out texts that cannot be an id, and duplicates.
func (m *mapping) onlyIDs(texts []string) []string {
	seen := make(map[string]bool, len(texts))
	ids := make([]string, 0, len(texts))
	for _, text := range texts {
		if !seen[text] && m.isID(text) {
			seen[text] = true
			ids = append(ids, text)
		}
	}
	return ids
}

// orNull is nil for an empty text: no filter.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
