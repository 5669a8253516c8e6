package memory

import (
	"hash/maphash"
	"iter"
)

// table finds entries by ID. It takes the place of a map because touching a session is mostly waiting for memory, and
// of the places that a lookup in a map reads one after the other this one needs about half.
//
// IDs are spread over parts by their hash; a part is a power of two of slots in which an entry stands at its hash or
// in the next free slot behind that. A part grows alone, so that no insertion waits for all of the table.
type table struct {
	seed  maphash.Seed
	parts [256]part
}

type part struct {
	slots []slot
	count int
}

type slot struct {
	hash  uint64
	entry *entry // nil in a free slot
}

// minSlots is the size of the smallest part that holds something.
const minSlots = 8

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

// part gives the part of an ID and its hash. The part follows from the hash's first bits, the slot from its last.
func (t *table) part(id string) (*part, uint64) {
	hash := maphash.String(t.seed, id)
	return &t.parts[hash>>56], hash
}

// get gives the entry of an ID, or nil.
func (t *table) get(id string) *entry {
	p, hash := t.part(id)
	if p.count == 0 {
		return nil
	}
	return p.slots[p.find(id, hash)].entry
}

// put adds an entry whose ID is not there yet.
func (t *table) put(e *entry) {
	p, hash := t.part(e.stored.ID)
	if p.count >= len(p.slots)/4*3 {
		p.resize(max(2*len(p.slots), minSlots))
	}
	p.slots[p.find(e.stored.ID, hash)] = slot{hash, e}
	p.count++
}

// delete takes out an entry that is there.
func (t *table) delete(e *entry) {
	p, hash := t.part(e.stored.ID)
	p.free(p.find(e.stored.ID, hash))
	p.count--
	if len(p.slots) > minSlots && p.count < len(p.slots)/8 {
		p.resize(len(p.slots) / 2)
	}
}

// len is the number of entries.
func (t *table) len() int {
	n := 0
	for i := range t.parts {
		n += t.parts[i].count
	}
	return n
}

// all walks the entries in no order.
func (t *table) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for i := range t.parts {
			for _, s := range t.parts[i].slots {
				if s.entry != nil && !yield(s.entry) {
					return
				}
			}
		}
	}
}

// find gives the slot of an ID, or the free one where it belongs.
func (p *part) find(id string, hash uint64) int {
	last := uint64(len(p.slots) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		if s := &p.slots[i]; s.entry == nil || s.hash == hash && s.entry.is(id) {
			return int(i)
		}
	}
}

// free empties a slot and moves up those behind it that would not be found over a free one.
func (p *part) free(i int) {
	last := len(p.slots) - 1
	for next := (i + 1) & last; p.slots[next].entry != nil; next = (next + 1) & last {
		home := int(p.slots[next].hash) & last
		if (next-home)&last >= (next-i)&last {
			p.slots[i] = p.slots[next]
			i = next
		}
	}
	p.slots[i] = slot{}
}

func (p *part) resize(n int) {
	old := p.slots
	p.slots = make([]slot, n)
	for _, s := range old {
		if s.entry == nil {
			continue
		}
		i := int(s.hash) & (n - 1)
		for p.slots[i].entry != nil {
			i = (i + 1) & (n - 1)
		}
		p.slots[i] = s
	}
}
