// Package archive has what backends share about the archive: what is not SQL.
package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// Tombstone is what is kept of the ID of an owner who is erased.
func Tombstone(owner string) []byte {
	sum := sha256.Sum256([]byte(owner))
	return sum[:]
}

// Tombstones are those of some owners, in hexadecimal digits, with the IDs of the owners.
func Tombstones(owners []string) map[string]string {
	all := map[string]string{}
	for _, owner := range owners {
		all[hex.EncodeToString(Tombstone(owner))] = owner
	}
	return all
}

// Distinct are IDs of entries, sorted, each once.
func Distinct(ids []int64) []int64 { return slices.Compact(slices.Sorted(slices.Values(ids))) }

// Requested are the entries of a restore, the oldest first, from those that were found, the newest first: an error unless all that are
// asked for are among them, and none is held.
func Requested(found []sessioncleanup.Archived, asked []int64) ([]sessioncleanup.Archived, error) {
	if len(found) < len(Distinct(asked)) {
		return nil, sessioncleanup.ErrNotArchived
	}
	if slices.ContainsFunc(found, func(e sessioncleanup.Archived) bool { return e.Held }) {
		return nil, sessioncleanup.ErrHeld
	}
	slices.Reverse(found)
	return found, nil
}

// Hold sets Held of the entries of a request, and returns the sessions of those that it changes.
func Hold(found []sessioncleanup.Archived, held bool) (changed []sessioncleanup.SessionRef) {
	for i := range found {
		if found[i].Held != held {
			found[i].Held, changed = held, append(changed, found[i].Ref())
		}
	}
	return changed
}

// Purged are the sessions of entries that may be removed: ErrHeld when one may not.
func Purged(found []sessioncleanup.Archived, alsoHeld bool) (refs []sessioncleanup.SessionRef, err error) {
	for _, a := range found {
		if a.Held && !alsoHeld {
			return nil, sessioncleanup.ErrHeld
		}
		refs = append(refs, a.Ref())
	}
	return refs, nil
}

// Obstacles are what keeps entries from being restored.
type Obstacles struct {
	Found  []sessioncleanup.Obstacle
	tables map[string]bool // in lower case
}

// Add notes an obstacle once, as long as there are not too many.
func (o *Obstacles) Add(kind sessioncleanup.ObstacleKind, e sessioncleanup.Archived, table, text string) {
	if o.tables == nil {
		o.tables = map[string]bool{}
	}
	o.tables[strings.ToLower(table)] = true
	found := sessioncleanup.Obstacle{Entry: e.ID, SessionID: e.SessionID, Kind: kind, Table: table, Text: text}
	if len(o.Found) < sessioncleanup.MaxObstacles && !slices.Contains(o.Found, found) {
		o.Found = append(o.Found, found)
	}
}

// In reports whether there are any with rows of a table: rows that refer to these may only lack what could not be restored.
func (o *Obstacles) In(table string) bool { return o.tables[strings.ToLower(table)] }
