package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// maxBody is the largest body in bytes.
const maxBody = 64 << 10

// field reads one field of a body. It reports, with wrong, a value that cannot be right.
type field func(raw json.RawMessage) error

// body reads a JSON object with the fields given, all optional, each once. No body at all is an empty object. Nothing
// is read twice and unknown fields are refused: encoding/json alone would take the last of two fields and any case.
func (c *call) body(fields map[string]field) error {
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &fault{problem: tooLarge}
	}
	if err != nil {
		return &fault{problem: invalid, detail: msgBodyRead}
	}
	if len(data) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || c.r.Header.Get("Content-Encoding") != "" {
		return &fault{problem: notJSON}
	}
	if !json.Valid(data) {
		return &fault{problem: invalid, detail: msgBodyJSON}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return &fault{problem: invalid, detail: msgBodyJSON}
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok { // the JSON is valid: keys are strings
			return &fault{problem: invalid, detail: msgBodyJSON}
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return &fault{problem: invalid, detail: msgBodyJSON}
		}
		read, known := fields[name]
		switch {
		case !known:
			return wrong(shown(name), msgUnknown)
		case seen[name]:
			return wrong(name, msgTwice)
		}
		seen[name] = true
		if err := read(raw); err != nil {
			return err
		}
	}
	return nil
}

func boolean(name string, to *bool) field {
	return func(raw json.RawMessage) error {
		switch string(raw) {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			return wrong(name, msgBoolean, raw)
		}
		return nil
	}
}

// threshold reads a number of units, or "never".
func threshold(name string, unit time.Duration, to *time.Duration) field {
	return func(raw json.RawMessage) error {
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
func moment(name string, to *time.Time) field {
	return func(raw json.RawMessage) error {
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

// required is a field that must be there; the result of the second function says that it was not.
func required(name string, read field) (field, func() error) {
	given := false
	return func(raw json.RawMessage) error {
			given = true
			return read(raw)
		}, func() error {
			if given {
				return nil
			}
			return wrong(name, msgMissing)
		}
}
