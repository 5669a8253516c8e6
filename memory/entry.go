package memory

import "github.com/sessioncleanup/sessioncleanup"

// entry is a session with what the store knows of it. All that a touch reads and writes is in the entry itself, which
// fills one cache line, and the rest is behind a pointer: among a million sessions a touch is mostly waiting for
// memory, and so it waits twice, for the table of IDs and for the entry.
type entry struct {
	*details
	activity moment // the last activity; the one in details is behind once the session was touched
	touched  uint32 // the call of Touch that met it last
	stale    bool   // whether it was touched since it was indexed
	idLen    uint8  // of id, or longID
	id       [42]byte
}

// longID is the length of an ID that is too long for its entry.
const longID = 255

// details are the part of an entry that a touch does not need.
type details struct {
	stored  sessioncleanup.Session // as it was when it was indexed
	indexed keys                   // where it stands in the indexes
	owner   *indexes               // its owner's; nil when it is not indexed, or belongs to nobody
}

func newEntry(id string) *entry {
	e := &entry{details: &details{indexed: notIndexed}, idLen: longID}
	e.stored.ID = id
	if len(id) <= len(e.id) {
		e.idLen = uint8(copy(e.id[:], id))
	}
	return e
}

// is reports whether the entry has the ID.
func (e *entry) is(id string) bool {
	if e.idLen == longID {
		return e.stored.ID == id
	}
	return string(e.id[:e.idLen]) == id
}

// session is the session as it is now.
func (e *entry) session() sessioncleanup.Session {
	s := e.stored
	if e.stale {
		s.LastActivity = e.activity.time()
	}
	return s
}

// store gives an entry other values, all but its ID, and indexes it.
func (s *Store) store(e *entry, session sessioncleanup.Session) {
	s.stale.leave(e)
	e.stored = session
	e.activity = momentOf(session.LastActivity)
	s.index(e)
}

// touch moves an entry's activity forward. The indexes learn of it when they are read.
func (s *Store) touch(e *entry, now moment) {
	s.stale.add(e)
	e.activity = now
}
