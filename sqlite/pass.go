package sqlite

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// pass is one scan of an index for what is due.
type pass struct {
	name   string // in cursors, and of the index and the rule
	place  string // what the index is ordered by, before the id
	cutoff string // the parameter up to which that is due
	write  string // the statement that changes what is due
	then   *pass
}

var (
	expiredPass = &pass{name: "expired", place: "expires_at_at", cutoff: "expired", write: "deactivate_due"}
	idlePass    = &pass{name: "idle", place: "last_activity_at", cutoff: "inactive", write: "deactivate_due", then: expiredPass}
	gonePass    = &pass{name: "gone", place: "last_sign_at", cutoff: "delete", write: "delete_due"}
)

// cursor says where a batch starts.
type cursor struct {
	Pass string `json:"p"`

	// In the index: behind this place, or behind this session where several have the same.
	Stretch bool   `json:"s,omitempty"`
	Place   string `json:"a,omitempty"`
	ID      string `json:"i,omitempty"` // as idText writes it

	// Or in a window of what is due: in which one, and behind which session in it.
	From   string `json:"f,omitempty"` // the window holds what is due behind this place
	To     string `json:"t,omitempty"` // up to this one
	Last   bool   `json:"l,omitempty"` // up to the end
	Behind bool   `json:"b,omitempty"` // a key: this number, or this text
	Number int64  `json:"n,omitempty"`
	Text   string `json:"k,omitempty"`
}

// idText writes the value of an id column so that storedID reads exactly that, of whatever type it is. A column may hold
// several, and SQLite orders them by type.
func idText(id any) string {
	switch id := id.(type) {
	case int64:
		return "i" + strconv.FormatInt(id, 10)
	case float64:
		return "r" + strconv.FormatFloat(id, 'g', -1, 64)
	case string:
		return "t" + hex.EncodeToString([]byte(id))
	case []byte:
		return "b" + hex.EncodeToString(id)
	default:
		panic(fmt.Sprintf("SQLite gave an id of type %T", id)) // these are all of its types
	}
}

// storedID reads what idText wrote; nil, which no id is behind, for the start.
func storedID(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	var id any
	var err error
	switch kind, value := text[:1], text[1:]; kind {
	case "i":
		id, err = strconv.ParseInt(value, 10, 64)
	case "r":
		id, err = strconv.ParseFloat(value, 64)
	case "t", "b":
		var raw []byte
		if raw, err = hex.DecodeString(value); kind == "t" {
			id = string(raw)
		} else {
			id = raw
		}
	default:
		err = errors.New("no such type")
	}
	if err != nil {
		return nil, invalidf("batch starts after the session %q: want what an earlier batch gave", text)
	}
	return id, nil
}

// next is where the pass after this one starts; nil when there is none.
func (p *pass) next() *cursor {
	if p.then == nil {
		return nil
	}
	return &cursor{Pass: p.then.name}
}

// startOf reads where a batch starts, and in which pass that is.
func startOf(b sessioncleanup.Batch, first *pass) (cursor, *pass, error) {
	if b.After == "" {
		return cursor{Pass: first.name}, first, nil
	}
	var from cursor
	err := json.Unmarshal([]byte(b.After), &from)
	for at := first; at != nil && err == nil; at = at.then {
		if at.name == from.Pass {
			return from, at, nil
		}
	}
	return from, nil, invalidf("batch starts after %q: want what an earlier batch of the same phase gave", b.After)
}

// String is what Outcome.Next holds.
func (c *cursor) String() string {
	if c == nil {
		return ""
	}
	text, err := json.Marshal(c)
	if err != nil { // texts, numbers and switches always marshal
		panic(err)
	}
	return string(text)
}

// passSQL is a statement of a pass.
func (l *layout) passSQL(name string, at *pass) string {
	return l.once(name+" "+at.name, func() string {
		place := l.names[at.place]
		due := func(place string) string {
			return filled("due_"+at.name, with(l.names, sqlfile.Names{at.place: place}))
		}
		names := with(l.names, sqlfile.Names{
			"index": text["index_"+at.name], "place": place, "due": due(place), "still_due": due("+" + place),
			"write": filled(at.write, l.names),
		})
		names["behind"] = filled("behind", names)
		return filled(name, names)
	})
}
