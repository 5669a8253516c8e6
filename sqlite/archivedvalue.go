package sqlite

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A value in the archive is JSON that is read back exactly, with its storage class: null, an integer and a text stand for
// themselves; a real, a blob and a text that is not UTF-8 are objects. See migrations/sqlite/00004_archive.sql.

// quotedNames are names as JSON.
func quotedNames(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quotedJSON(name)
	}
	return quoted
}

// jsonObject is an object with values by name, in their order; the names are JSON already.
func jsonObject(names []string, values []any) string {
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), archivedValue(values[i])...)
	}
	return string(append(out, '}'))
}

func archivedValue(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return `{"real":"` + strconv.FormatFloat(v, 'g', -1, 64) + `"}`
	case []byte:
		return `{"blob":"` + base64.StdEncoding.EncodeToString(v) + `"}`
	case string:
		if utf8.ValidString(v) {
			return quotedJSON(v)
		}
		return `{"text":"` + base64.StdEncoding.EncodeToString([]byte(v)) + `"}`
	default:
		panic(fmt.Sprintf("the driver returned a %T", value))
	}
}

func quotedJSON(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return `"` + text + `"`
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return strings.TrimSuffix(out.String(), "\n")
}

// storedValue is the value that archivedValue wrote.
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
		return v.Int64()
	case map[string]any:
		for kind, text := range v {
			text, _ := text.(string)
			switch kind {
			case "real":
				return strconv.ParseFloat(text, 64)
			case "blob":
				return base64.StdEncoding.DecodeString(text)
			case "text":
				decoded, err := base64.StdEncoding.DecodeString(text)
				return string(decoded), err
			}
		}
	}
	return nil, fmt.Errorf("the archive has %.100q, which is no value", data)
}
