// Package jsonfile reads a file that a person wrote in JSON. It is stricter than encoding/json, which takes the last of two
// fields, and says what is wrong without Go's names of types.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Decode reads one JSON object, and nothing after it, into a struct. A byte order mark, from Windows, is ignored. An
// error names the field or the line.
func Decode(r io.Reader, into any) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch {
	case len(data) == 0:
		return errors.New("it is empty: want one JSON object")
	case data[0] != '{':
		return fmt.Errorf("it begins with %.20q: want one JSON object", data)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return explained(err, data)
	}
	if dec.InputOffset() != int64(len(data)) {
		return fmt.Errorf("there is more text after the object, %.20q: want one JSON object", bytes.TrimSpace(data[dec.InputOffset():]))
	}
	return unique(json.NewDecoder(bytes.NewReader(data)))
}

// explained is an error of encoding/json in words for people.
func explained(err error, data []byte) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d is not valid JSON: %w", lineOf(data, syntax.Offset), err)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("line %d: %s is a JSON %s: want %s", lineOf(data, wrong.Offset), wrong.Field, wrong.Value, wanted(wrong.Type))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early: want one JSON object")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: ")) // unknown field "x"
}

func lineOf(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

// wanted says how a type is written in JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "a number"
	}
}

// unique refuses an object that has a field twice, as encoding/json reads them: upper and lower case are the same.
func unique(dec *json.Decoder) error {
	type object struct {
		seen  map[string]bool // nil: a list
		value bool            // the next token is one, not a name
	}
	var open []*object
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 {
			in := open[len(open)-1]
			if name, is := token.(string); is && in.seen != nil && !in.value {
				if in.seen[strings.ToLower(name)] {
					return fmt.Errorf("the field %q is there twice: want it once", name)
				}
				in.seen[strings.ToLower(name)], in.value = true, true
				continue
			}
			in.value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{seen: map[string]bool{}})
		case json.Delim('['):
			open = append(open, &object{})
		}
	}
}
