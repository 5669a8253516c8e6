package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
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

// used are the sessions of a touch and how long ago each was used, in microseconds, without texts that cannot be an id. Of
// duplicates the latest counts.
func (m *mapping) used(t sessioncleanup.Touch) (ids []string, ago []int64) {
	places := make(map[string]int, len(t.IDs))
	ids, ago = make([]string, 0, len(t.IDs)), make([]int64, 0, len(t.IDs))
	for i, id := range t.IDs {
		var before int64
		if t.Ago != nil {
			before = max(t.Ago[i], 0).Microseconds()
		}
		if place, seen := places[id]; seen {
			ago[place] = min(ago[place], before)
		} else if m.isID(id) {
			places[id] = len(ids)
			ids, ago = append(ids, id), append(ago, before)
		}
	}
	return ids, ago
}

// orNull is nil for an empty text: no filter.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
