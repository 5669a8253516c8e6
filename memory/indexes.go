package memory

import (
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// entry is a session with what the indexes know of it.
type entry struct {
	sessioncleanup.Session
	indexed keys     // where it stands in the indexes
	owner   *indexes // its owner's; nil when it is not indexed, or belongs to nobody
	stale   int      // its place in Store.stale, from 1; 0 when it is not there
	touched uint64   // the call of Touch that met it last
}

// The trees from which it follows what is due. A session stands in those of its state, unless it is protected.
const (
	activeIdle      = iota // active sessions, by last activity
	activeExpiring         // active sessions that expire, by expiry
	inactiveIdle           // inactive sessions, by last activity, unless they expire after that
	inactiveExpired        // inactive sessions that expire after their last activity, by expiry
	dueTrees               // how many there are
)

// indexes order a set of sessions: all of them, or one owner's.
type indexes struct {
	owner    string // whose; empty for all
	activity tree[int64]
	created  tree[int64]
	name     tree[string]
	due      [dueTrees]tree[int64]

	active    int // sessions that are active
	protected int // sessions with AutoCleanup off
}

// keys say where an entry stands in indexes.
type keys struct {
	activity, created int64
	name              string
	due               [dueTrees]int64
	active, protected bool
}

// absent is the key of what does not stand in a tree.
const absent = math.MaxInt64

var notIndexed = keys{activity: absent, created: absent, due: [dueTrees]int64{absent, absent, absent, absent}}

// keysOf says where a session belongs.
func keysOf(s *sessioncleanup.Session) keys {
	k := notIndexed
	k.activity, k.created, k.name = nanos(s.LastActivity), nanos(s.CreatedAt), s.Name
	k.active, k.protected = s.Active, !s.AutoCleanup
	switch {
	case k.protected:
	case k.active:
		k.due[activeIdle] = k.activity
		if !s.ExpiresAt.IsZero() {
			k.due[activeExpiring] = nanos(s.ExpiresAt)
		}
	case s.ExpiresAt.After(s.LastActivity):
		k.due[inactiveExpired] = nanos(s.ExpiresAt)
	default:
		k.due[inactiveIdle] = k.activity
	}
	return k
}

// The first and the last moment that nanoseconds since 1970 can tell, in 1677 and 2262, with room on either side for
// the zero time, for absent, and for the moment behind the last.
const (
	firstNano = math.MinInt64 + 1
	lastNano  = math.MaxInt64 - 2
)

var firstTime, lastTime = time.Unix(0, firstNano), time.Unix(0, lastNano)

// nanos is a time as a key. The zero time comes first. Times before 1677 are all the same as keys, as are those
// after 2262; the sessions themselves keep them as they are.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return math.MinInt64
	case t.Before(firstTime):
		return firstNano
	case t.After(lastTime):
		return lastNano
	default:
		return t.UnixNano()
	}
}

// index brings an entry to where it belongs, in all indexes.
func (s *Store) index(e *entry) {
	s.stale.remove(e)
	to := keysOf(&e.Session)
	owner := s.ownedBy(e.OwnerID)
	if to == e.indexed && owner == e.owner {
		return
	}
	s.all.move(e, e.indexed, to)
	if owner == e.owner {
		owner.move(e, e.indexed, to)
	} else {
		s.leaveOwner(e)
		owner.move(e, notIndexed, to)
	}
	e.indexed, e.owner = to, owner
}

// unindex takes an entry out of all indexes.
func (s *Store) unindex(e *entry) {
	s.stale.remove(e)
	s.all.move(e, e.indexed, notIndexed)
	s.leaveOwner(e)
	e.indexed, e.owner = notIndexed, nil
}

// ownedBy gives an owner's indexes, to add to; nil for nobody.
func (s *Store) ownedBy(owner string) *indexes {
	if owner == "" {
		return nil
	}
	x := s.owners[owner]
	if x == nil {
		x = &indexes{owner: owner}
		s.owners[owner] = x
	}
	return x
}

// leaveOwner takes an entry out of its owner's indexes, and forgets those with their last session.
func (s *Store) leaveOwner(e *entry) {
	if e.owner == nil {
		return
	}
	e.owner.move(e, e.indexed, notIndexed)
	if e.owner.activity.size == 0 {
		delete(s.owners, e.owner.owner)
	}
}

// move changes the places of an entry. Moving in nil does nothing.
func (x *indexes) move(e *entry, from, to keys) {
	if x == nil {
		return
	}
	moveIn(&x.activity, e, from.activity, to.activity)
	moveIn(&x.created, e, from.created, to.created)
	for i := range x.due {
		moveIn(&x.due[i], e, from.due[i], to.due[i])
	}
	was, is := from.activity != absent, to.activity != absent
	if was != is || from.name != to.name {
		if was {
			x.name.delete(item[string]{from.name, e})
		}
		if is {
			x.name.insert(item[string]{to.name, e})
		}
	}
	x.active += count(to.active) - count(from.active)
	x.protected += count(to.protected) - count(from.protected)
}

func moveIn(t *tree[int64], e *entry, from, to int64) {
	if from == to {
		return
	}
	if from != absent {
		t.delete(item[int64]{from, e})
	}
	if to != absent {
		t.insert(item[int64]{to, e})
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
