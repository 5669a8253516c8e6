package mysql

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// identity is how a column holds the ids of sessions, or of owners. In Go an id is a string.
type identity string

const (
	identityText     identity = "text"
	identityNumber   identity = "number"
	identityUnsigned identity = "unsigned"
	identityBinary   identity = "binary" // in Go its bytes in hexadecimal, in lower case
	identityUUID     identity = "uuid"   // MariaDB's type
)

// longestID is the length of the longest text that is looked for, in bytes: no index holds a longer one.
const longestID = 3072

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// bind is an id as a parameter, of the type by which the column's index finds it. It is false for a string that no row can
// have: the server would take "1x" for 1.
func (i identity) bind(id string) (any, bool) {
	switch i {
	case identityNumber:
		n, err := strconv.ParseInt(id, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == id
	case identityUnsigned:
		n, err := strconv.ParseUint(id, 10, 64)
		return id, err == nil && strconv.FormatUint(n, 10) == id
	case identityBinary:
		b, err := hex.DecodeString(id)
		return b, err == nil && len(b) > 0 && hex.EncodeToString(b) == id
	case identityUUID:
		return id, uuidForm.MatchString(id)
	default:
		return id, len(id) <= longestID && utf8.ValidString(id)
	}
}

// list is many ids as a list of parameters, without those that no row can have.
func (i identity) list(ids []string) []any {
	list := make([]any, 0, len(ids))
	for _, id := range ids {
		if value, ok := i.bind(id); ok && id != "" {
			list = append(list, value)
		}
	}
	return list
}

// text is the expression that reads a column with ids as a text.
func (i identity) text(column string) string {
	switch i {
	case identityBinary:
		return "LOWER(HEX(" + column + "))"
	case identityText:
		return "CONVERT(" + column + " USING utf8mb4)"
	case identityNumber, identityUnsigned: // the sum has no zeros before it, which a column with ZEROFILL has
		return "CAST(" + column + " + 0 AS CHAR)"
	default:
		return "CAST(" + column + " AS CHAR)"
	}
}

// same is the condition for a column to have exactly the value of a parameter. The collation of a text may take others
// for equal.
func (i identity) same(column, parameter string) string {
	if i != identityText {
		return column + " = " + parameter
	}
	return "(" + column + " = " + parameter + " AND CAST(" + i.text(column) + " AS BINARY) = CAST(" + parameter + " AS BINARY))"
}

// order is the expression by which ids are sorted in lists: texts byte by byte.
func (i identity) order(column string) string {
	if i != identityText {
		return column
	}
	return "CAST(" + i.text(column) + " AS BINARY)"
}

// scanned is an id as the driver reads it, as a parameter.
func (i identity) scanned(value any) any {
	if b, ok := value.([]byte); ok && i != identityBinary {
		return string(b)
	}
	return value
}

// chosen is a list of ids as JSON, for the statement of that name.
func chosen(ids []any) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		if b, ok := id.([]byte); ok {
			texts[i] = hex.EncodeToString(b)
		} else {
			texts[i] = fmt.Sprint(id)
		}
	}
	return sqlstore.JSON(texts)
}

// listed is the type of an id in that list, and the expression for the id.
func (i identity) listed(keyType string) (columnType, expression string) {
	switch i {
	case identityBinary:
		return "VARCHAR(6144) CHARACTER SET ascii", "UNHEX(u.id)"
	case identityUUID:
		return "VARCHAR(36) CHARACTER SET ascii", "CAST(u.id AS UUID)"
	default:
		return keyType, "u.id"
	}
}
