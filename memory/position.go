package memory

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// place is where a session stands in a list: its key in the list's order, a time or a name, and its ID.
type place struct {
	time moment
	name string
	id   string
}

func placeOf(sort sessioncleanup.Sort, s *sessioncleanup.Session) place {
	switch sort {
	case sessioncleanup.SortName:
		return place{name: s.Name, id: s.ID}
	case sessioncleanup.SortCreated:
		return place{time: momentOf(s.CreatedAt), id: s.ID}
	default:
		return place{time: momentOf(s.LastActivity), id: s.ID}
	}
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.time, o.time), strings.Compare(p.name, o.name), strings.Compare(p.id, o.id))
}

// position is the place as a Page has it.
func (p place) position(sort sessioncleanup.Sort) *sessioncleanup.Position {
	key := p.name
	if sort != sessioncleanup.SortName {
		key = p.time.time().Format(time.RFC3339Nano)
	}
	return &sessioncleanup.Position{Key: key, ID: p.id}
}

func parsePosition(sort sessioncleanup.Sort, p sessioncleanup.Position) (place, error) {
	if sort == sessioncleanup.SortName {
		return place{name: p.Key, id: p.ID}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, p.Key)
	if err != nil {
		return place{}, invalidf("position of the list has the key %.100q: want a time as an earlier page gave it", p.Key)
	}
	return place{time: momentOf(t), id: p.ID}, nil
}

// walk gives the entries behind a place, or all, in the order of a list.
func (x *indexes) walk(sort sessioncleanup.Sort, descending bool, after *place) iter.Seq[*entry] {
	switch sort {
	case sessioncleanup.SortName:
		var from *item[label]
		if after != nil {
			from = new(at(labelOf(after.name), after.id))
		}
		return walk(&x.name, descending, from)
	case sessioncleanup.SortCreated:
		return walk(&x.created, descending, after.moment())
	default:
		return walk(&x.activity, descending, after.moment())
	}
}

// moment is a place in a tree of times; nil for none.
func (p *place) moment() *item[moment] {
	if p == nil {
		return nil
	}
	return new(at(p.time, p.id))
}

func walk[K key[K]](t *tree[K], descending bool, after *item[K]) iter.Seq[*entry] {
	items := t.ascend(after)
	if descending {
		items = t.descend(after)
	}
	return func(yield func(*entry) bool) {
		for it := range items {
			if !yield(it.entry) {
				return
			}
		}
	}
}
