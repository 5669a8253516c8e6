package sqlite

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// identity is how a column holds the ids of sessions, or of owners. In Go an id is a string.
type identity string

const (
	identityText   identity = "text"
	identityNumber identity = "number"
	identityBlob   identity = "blob" // in Go its bytes in hexadecimal, in lower case
)

// identityOf recognizes it by the column's affinity, and where that says nothing by the type of one of its values.
func identityOf(declared, sample string) identity {
	switch affinity(declared) {
	case "INTEGER", "NUMERIC", "REAL":
		return identityNumber
	case "TEXT":
		return identityText
	}
	switch {
	case sample == "blob", sample == "" && declared != "":
		return identityBlob
	case sample == "integer", sample == "real":
		return identityNumber
	default:
		return identityText
	}
}

// affinity is SQLite's rule for the affinity of a column: https://sqlite.org/datatype3.html, section 3.1.
func affinity(declared string) string {
	declared = strings.ToUpper(declared)
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(declared, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		return "INTEGER"
	case has("CHAR", "CLOB", "TEXT"):
		return "TEXT"
	case declared == "", has("BLOB"):
		return "BLOB"
	case has("REAL", "FLOA", "DOUB"):
		return "REAL"
	default:
		return "NUMERIC"
	}
}

// bind is an id as a parameter, of the type by which the column's index finds it. It is false for a string that no
// row can have: SQLite would take " 1" for 1.
func (i identity) bind(id string) (any, bool) {
	switch i {
	case identityNumber:
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			return n, strconv.FormatInt(n, 10) == id
		}
		_, err := strconv.ParseFloat(strings.TrimSpace(id), 64)
		return id, err != nil && !errors.Is(err, strconv.ErrRange)
	case identityBlob:
		b, err := hex.DecodeString(id)
		return b, err == nil && hex.EncodeToString(b) == id
	default:
		return id, true
	}
}

// list is many ids for json_each, without those that no row can have.
func (i identity) list(ids []string) []any {
	list := make([]any, 0, len(ids))
	for _, id := range ids {
		value, ok := i.bind(id)
		if i == identityBlob {
			value = id
		}
		if ok {
			list = append(list, value)
		}
	}
	return list
}

// listed is the expression that turns a value of such a list back into an id.
func (i identity) listed(value string) string {
	if i == identityBlob {
		return "unhex(" + value + ")"
	}
	return value
}

// fromText is the expression that turns what readText made of an id back into it; NULL for a number that is written in
// another way.
func (i identity) fromText(column string) string {
	if i == identityNumber {
		return filled("number_of_text", sqlfile.Names{"value": column})
	}
	return i.listed(column)
}

// named is the condition for an id by whose text the row is found again: bind turns that into the same value. A session
// without one cannot be named, and is left alone.
func (i identity) named(column, declared string) string {
	kind := "typeof(" + column + ")"
	switch {
	case i == identityBlob:
		return kind + " = 'blob'"
	case i == identityText:
		return kind + " = 'text'"
	case affinity(declared) == "BLOB": // it keeps a text that reads like a number
		return "(" + kind + " = 'integer' OR " + kind + " = 'text' AND " + column + " NOT GLOB '[-+. 0-9]*')"
	default:
		return kind + " IN ('integer', 'text')"
	}
}

// readText is the expression that reads a column with ids as text.
func (i identity) readText(column string) string {
	if i == identityBlob {
		return "lower(hex(" + column + "))"
	}
	return readText(column)
}

// readName is the expression that reads a name, or as much of it as a Session has.
func readName(column string) string {
	return fmt.Sprintf("substr(%s, 1, %d)", readText(column), sessioncleanup.MaxName)
}

// readText is the expression that reads a column as text, empty for NULL.
func readText(column string) string { return "coalesce(CAST(" + column + " AS TEXT), '')" }
