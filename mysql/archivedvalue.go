package mysql

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// A value in the archive is JSON that is read back exactly: see migrations/mysql/00002_archive.sql. The server writes it,
// in the transaction of the deletion; this package reads it, and binds it to the parameter of an insert.

// form is the statement that writes a value of a column.
func (c columnInfo) form() string {
	switch c.base {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "bit", "year":
		return "archived_number"
	case "float", "double":
		return "archived_real"
	case "decimal", "date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6":
		return "archived_plain"
	case "enum":
		return "archived_enum"
	}
	switch c.charset {
	case "", "ucs2": // which has halves of pairs that no other Unicode has
		return "archived_bytes"
	case "utf8mb4", "utf8mb3", "utf8", "ascii":
		return "archived_text"
	default:
		return "archived_exactly"
	}
}

// objectOf is the expression for some columns of a row as JSON.
func objectOf(alias string, columns []columnInfo) string {
	var parts []string
	for i, c := range columns {
		before := ""
		if i > 0 {
			before = ","
		}
		value := alias + "." + sqlfile.Column(c.name)
		parts = append(parts, filled("archived_part", sqlfile.Names{
			"name": hex.EncodeToString([]byte(before + sqlstore.JSON(c.name) + ":")), "value": value,
			"form": filled(c.form(), sqlfile.Names{"value": value, "charset": c.charset}),
		}))
	}
	if len(parts) == 0 {
		return "'{}'"
	}
	return filled("archived_object", sqlfile.Names{"parts": strings.Join(parts, ", ")})
}

// errorValue is what an ENUM has for a value that its type does not list. A server that is strict does not accept it.
type errorValue struct{}

// storedValue is the value of a column: nil, an int64, a uint64, a string, bytes or an errorValue.
func storedValue(data json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case nil, string:
		return v, nil
	case json.Number:
		if unsigned, err := strconv.ParseUint(v.String(), 10, 64); err == nil && unsigned > 1<<63-1 {
			return unsigned, nil
		}
		return v.Int64()
	case map[string]any:
		if text, ok := v["hex"].(string); ok {
			return hex.DecodeString(text)
		}
		if _, ok := v["error"]; ok {
			return errorValue{}, nil
		}
	}
	return nil, fmt.Errorf("the archive has %.100q, which is no value", data)
}
