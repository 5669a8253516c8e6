package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
)

// maxBody is the largest body in bytes.
const maxBody = 64 << 10

// field reads the value of one field of a body; a value that cannot be right is an error made by wrong.
type field func(name string, raw json.RawMessage) error

// body reads a JSON object with the fields given, each at most once, those named in required exactly once. No body at all
// is an empty object. It is stricter than encoding/json, which takes the last of two fields and ignores case.
func (c *call) body(fields map[string]field, required ...string) error {
	data, err := c.readJSON()
	if err != nil {
		return err
	}
	seen, err := readObject(data, fields)
	if err != nil {
		return err
	}
	for _, name := range required {
		if !seen[name] {
			return wrong(name, msgMissing)
		}
	}
	return nil
}

// readJSON reads the body, which is empty or JSON.
func (c *call) readJSON() ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &fault{problem: tooLarge}
	}
	if err != nil {
		return nil, &fault{problem: invalidRequest, detail: msgBodyRead}
	}
	if len(data) == 0 {
		return nil, nil
	}
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || c.r.Header.Get("Content-Encoding") != "" {
		return nil, &fault{problem: notJSON}
	}
	if !json.Valid(data) {
		return nil, &fault{problem: invalidRequest, detail: msgBodyJSON}
	}
	return data, nil
}

// readObject reads the fields of valid JSON, or of nothing, and returns the names of those that are present.
func readObject(data []byte, fields map[string]field) (map[string]bool, error) {
	seen := map[string]bool{}
	if len(data) == 0 {
		return seen, nil
	}
	noObject := &fault{problem: invalidRequest, detail: msgBodyJSON}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, noObject
	}
	for dec.More() {
		token, err := dec.Token()
		var raw json.RawMessage
		if err == nil {
			err = dec.Decode(&raw)
		}
		if err != nil {
			return nil, noObject
		}
		name, _ := token.(string) // the JSON is valid: keys are strings
		read, known := fields[name]
		switch {
		case !known:
			return nil, unknown(name, slices.Sorted(maps.Keys(fields)))
		case seen[name]:
			return nil, wrong(name, msgTwice)
		}
		seen[name] = true
		if err := read(name, raw); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func boolean(to *bool) field {
	return func(name string, raw json.RawMessage) error {
		if *to = string(raw) == "true"; !*to && string(raw) != "false" {
			return wrong(name, msgBoolean, raw)
		}
		return nil
	}
}

// count reads a whole number from 1.
func count(to *int) field {
	return func(name string, raw json.RawMessage) error {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 1 {
			return wrong(name, msgCount, raw)
		}
		*to = n
		return nil
	}
}

// fraction reads a number above 0 and up to 1.
func fraction(to *float64) field {
	return func(name string, raw json.RawMessage) error {
		n, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || !(n > 0 && n <= 1) {
			return wrong(name, msgFraction, raw)
		}
		*to = n
		return nil
	}
}

// fractionOrNone is fraction, with 0 for none, which is a negative number in a policy.
func fractionOrNone(to *float64) field {
	return func(name string, raw json.RawMessage) error {
		if string(raw) == "0" {
			*to = -1
			return nil
		}
		return fraction(to)(name, raw)
	}
}

// rules reads rules by tag.
func rules(to *string) field {
	return func(name string, raw json.RawMessage) error {
		if err := json.Unmarshal(raw, to); err != nil {
			return wrong(name, msgQuotes, raw)
		}
		if *to == "" {
			*to = sessioncleanup.NoRules
		}
		if _, err := sessioncleanup.ParseRules(*to); err != nil {
			return wrong(name, msgRules, err)
		}
		return nil
	}
}

// threshold reads a number of units, or "never".
func threshold(unit time.Duration, to *time.Duration) field {
	return func(name string, raw json.RawMessage) error {
		value := string(raw)
		if value == `"never"` {
			value = "never"
		}
		d, err := sessioncleanup.ParseThreshold(name, value, unit)
		if err != nil {
			return wrong(name, msgThreshold, raw)
		}
		*to = d
		return nil
	}
}

// moment reads a time, or null for none.
func moment(to *time.Time) field {
	return func(name string, raw json.RawMessage) error {
		*to = time.Time{}
		if string(raw) == "null" {
			return nil
		}
		var value string
		at, err := time.Time{}, json.Unmarshal(raw, &value)
		if err == nil {
			at, err = time.Parse(time.RFC3339, value)
		}
		if err != nil || at.IsZero() { // a zero time would remove what it was meant to set
			return wrong(name, msgTime, raw)
		}
		*to = at
		return nil
	}
}

// unquoted is a value for a message that puts it in quotes.
func unquoted(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return string(raw)
	}
	return value
}

// words reads a text, which may be empty.
func words(to *string) field {
	return func(name string, raw json.RawMessage) error {
		if !readText(raw, to) {
			return wrong(name, msgText, unquoted(raw), maxText)
		}
		return nil
	}
}

// ownerID reads the ID of an owner. It may not be empty: as a filter, that would mean everybody.
func ownerID(to *string) field {
	return func(name string, raw json.RawMessage) error {
		if !readText(raw, to) || *to == "" {
			return wrong(name, msgOwner, raw, maxText)
		}
		return nil
	}
}

func readText(raw json.RawMessage, to *string) (ok bool) {
	return json.Unmarshal(raw, to) == nil && string(raw) != "null" && readable(*to) && utf8.Valid(raw)
}
