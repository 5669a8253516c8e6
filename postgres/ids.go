package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var canonicalUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// canBe reports whether a text is how a column of this type writes a value. What cannot be there is not found, rather
// than an error; and "007" is not session 7.
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

func (l *layout) isID(text string) bool { return canBe(l.columnOr(l.host.ID, "text"), text) }

// isOwner reports whether a text can be an owner's. Without a column for owners none can.
func (l *layout) isOwner(text string) bool {
	return l.host.Owner != "" && canBe(l.columnOr(l.host.Owner, "text"), text)
}

// onlyIDs leaves out what cannot be an id, and what stands twice.
func (l *layout) onlyIDs(texts []string) []string {
	seen := make(map[string]bool, len(texts))
	ids := make([]string, 0, len(texts))
	for _, text := range texts {
		if !seen[text] && l.isID(text) {
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
