package memory

import "github.com/sessioncleanup/sessioncleanup"

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
	activity tree[moment]
	created  tree[moment]
	name     tree[label]
	due      [dueTrees]tree[moment]

	active    int // sessions that are active
	protected int // sessions with AutoCleanup off
}

// keys say where an entry stands in indexes.
type keys struct {
	activity, created moment
	name              string
	due               [dueTrees]moment
	active, protected bool
}

var notIndexed = keys{activity: absent, created: absent, due: [dueTrees]moment{absent, absent, absent, absent}}

// keysOf says where a session belongs.
func keysOf(s *sessioncleanup.Session) keys {
	k := notIndexed
	k.activity, k.created, k.name = momentOf(s.LastActivity), momentOf(s.CreatedAt), s.Name
	k.active, k.protected = s.Active, !s.AutoCleanup
	switch {
	case k.protected:
	case k.active:
		k.due[activeIdle] = k.activity
		if !s.ExpiresAt.IsZero() {
			k.due[activeExpiring] = momentOf(s.ExpiresAt)
		}
	case s.ExpiresAt.After(s.LastActivity):
		k.due[inactiveExpired] = momentOf(s.ExpiresAt)
	default:
		k.due[inactiveIdle] = k.activity
	}
	return k
}

// index brings an entry to where it belongs, in all indexes.
func (s *Store) index(e *entry) {
	if e.stale {
		e.stored.LastActivity = e.activity.time()
		s.stale.leave(e)
	}
	to := keysOf(&e.stored)
	owner := s.ownedBy(e.stored.OwnerID)
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
	s.stale.leave(e)
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
			x.name.delete(item[label]{labelOf(from.name), e})
		}
		if is {
			x.name.insert(item[label]{labelOf(to.name), e})
		}
	}
	x.active += count(to.active) - count(from.active)
	x.protected += count(to.protected) - count(from.protected)
}

func moveIn(t *tree[moment], e *entry, from, to moment) {
	if from == to {
		return
	}
	if from != absent {
		t.delete(item[moment]{from, e})
	}
	if to != absent {
		t.insert(item[moment]{to, e})
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
