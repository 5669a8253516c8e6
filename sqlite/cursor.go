package sqlite

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// cursor says where in a pass a batch starts: behind this place in the order of the index or, where several sessions
// have the same place, behind the one with this key. Without a place it is the start of the pass.
type cursor struct {
	Pass  string `json:"p"`
	Class string `json:"c,omitempty"` // of the sessions, with rules by tag
	Place string `json:"a,omitempty"`
	Key   string `json:"k,omitempty"` // the rowid, or the id in a table without one

	Folded int `json:"n,omitempty"` // notes folded in so far, while that is not finished: no two batches start at the same place
}

// String is the cursor as BatchResult.Next has it.
func (c cursor) String() string { return sqlstore.JSON(c) }

// startOf reads where a batch starts. It returns the batch's pass and those after it.
func startOf(b sessioncleanup.Batch) (cursor, []pass, error) {
	left, ok := passes[b.Action]
	if !ok {
		return cursor{}, nil, invalid.Errorf("action of the batch is %q: want one of %q", b.Action, slices.Sorted(maps.Keys(passes)))
	}
	if b.After == "" {
		return cursor{Pass: left[0].name}, left, nil
	}
	var from cursor
	err := json.Unmarshal([]byte(b.After), &from)
	for ; err == nil && len(left) > 0; left = left[1:] {
		if left[0].name == from.Pass {
			return from, left, nil
		}
	}
	return cursor{}, nil, errNoCursor(b)
}

func errNoCursor(b sessioncleanup.Batch) error {
	return invalid.Errorf("batch starts after %q: want what an earlier batch of the same phase returned", b.After)
}

// key is the key of a cursor as a parameter, NULL for the start of a pass. It is false for one that no session has.
func (l *layout) key(c cursor) (any, bool) {
	if c.Place == "" {
		return nil, c.Key == ""
	}
	return l.keys().bind(c.Key)
}

// keys is how the keys of sessions are held.
func (l *layout) keys() identity {
	if l.adopted.RowID != "" {
		return identityNumber
	}
	return l.adopted.ID
}
