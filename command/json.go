package command

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printJSON prints a value for programs, and for people who look at it on a terminal.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(escaper{a.out})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(respelled(reflect.ValueOf(v)).Interface())
}

// escaper writes JSON with everything escaped that could control a terminal or reorder what it shows. Outside of strings,
// JSON is ASCII.
type escaper struct{ w io.Writer }

func (e escaper) Write(data []byte) (int, error) {
	var out strings.Builder
	for _, r := range string(data) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f || unicode.IsPrint(r) || r == '\u200d':
			out.WriteRune(r)
		case r > 0xffff:
			first, second := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(e.w, out.String()); err != nil {
		return 0, err
	}
	return len(data), nil
}

// A database may hold texts that are not UTF-8, which JSON cannot have. Their bytes are spelled: \xff. Verbs accept an ID
// that is spelled so.

// spelled spells the bytes that are not UTF-8.
func spelled(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, `\x%02x`, s[0])
		} else {
			out.WriteString(s[:size])
		}
		s = s[size:]
	}
	return out.String()
}

var spelledByte = regexp.MustCompile(`\\x[89a-f][0-9a-f]`)

// unspelled is the text that spelled spells so; false when nothing in it is spelled.
func unspelled(s string) (string, bool) {
	out := spelledByte.ReplaceAllStringFunc(s, func(b string) string {
		n, err := strconv.ParseUint(b[2:], 16, 8)
		if err != nil { // the expression matches two digits
			panic(err)
		}
		return string([]byte{byte(n)})
	})
	return out, out != s
}

// respelled is a copy of a value with all of its texts spelled.
func respelled(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf(spelled(v.String())).Convert(v.Type())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := respelled(v.Elem())
		if v.Kind() == reflect.Interface {
			return inner
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(respelled(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(respelled(v.Field(i)))
			}
		}
		return out
	default:
		return v
	}
}
