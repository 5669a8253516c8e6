package archive

import (
	"cmp"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Renewal is how a restore gets new IDs for sessions.
type Renewal struct {
	Table string // of the sessions, for messages
	// Next makes an ID, as an insert without one does.
	Next func() (id any, err error)
	// Taken returns the ID as a text, and whether a session has it, or had it when it was archived.
	Taken func(id any) (text string, taken bool, err error)
	// Old is the ID that the session of an entry had; false when the entry has no rows.
	Old func(entry int64) (id any, found bool, err error)
}

// triedIDs is how many IDs are made for one session until one is free.
const triedIDs = 1000

// Renew returns new IDs for the entries whose numbers are asked for.
func (r Renewal) Renew(entries []sessioncleanup.Archived, asked []int64) (NewIDs, error) {
	all := NewIDs{}
	for _, e := range entries {
		if !slices.Contains(asked, e.ID) {
			continue
		}
		old, found, err := r.Old(e.ID)
		if err != nil || !found {
			return all, err
		}
		id := NewID{Session: e.SessionID, Old: old}
		if id.New, id.Text, err = r.free(all); err != nil {
			return all, err
		}
		all[e.ID] = id
	}
	return all, nil
}

// free makes an ID that no session has, had, or gets now.
func (r Renewal) free(given NewIDs) (id any, text string, err error) {
	for range triedIDs {
		if id, err = r.Next(); err != nil {
			return nil, "", err
		}
		var taken bool
		if text, taken, err = r.Taken(id); err != nil {
			return nil, "", err
		}
		if !taken && !given.Taken(text) {
			return id, text, nil
		}
	}
	return nil, "", invalid.Errorf("the database generates only IDs for %q that are in use, such as %q", r.Table, text)
}

// Refs are the sessions of some entries under the IDs that they get, and the numbers of the entries.
func (n NewIDs) Refs(entries []sessioncleanup.Archived) (ids []int64, refs []sessioncleanup.SessionRef) {
	for _, e := range entries {
		ref := e.Ref()
		ref.ID = cmp.Or(n[e.ID].Text, ref.ID)
		ids, refs = append(ids, e.ID), append(refs, ref)
	}
	return ids, refs
}
