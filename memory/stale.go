package memory

// staleHeap holds the entries that were touched since they were indexed, the one that stands under the earliest
// activity first. A touch only adds to it. The indexes are put right when something is read from them, and only up
// to the time that matters: since a touch moves activity forward, an entry that stands behind a cutoff is behind it
// in truth too. So a session that is in use all day is indexed anew once a day and not once a minute.
//
// An entry that is indexed for another reason leaves its item behind. Such items are passed over when they come
// first, and swept out when they are the larger part.
type staleHeap struct {
	items   []staleItem
	garbage int // items left behind, at least
}

type staleItem struct {
	key   moment // the activity under which the entry is indexed
	entry *entry
}

// valid reports whether the item still says something: its entry was touched, and stands where the item says.
func (it staleItem) valid() bool { return it.entry.stale && it.entry.indexed.activity == it.key }

// add puts in an entry that is about to be touched, unless it is in already.
func (h *staleHeap) add(e *entry) {
	if e.stale {
		return
	}
	e.stale = true
	h.items = append(h.items, staleItem{e.activity, e})
	h.up(len(h.items) - 1)
}

// leave notes that an entry is indexed, or gone.
func (h *staleHeap) leave(e *entry) {
	if !e.stale {
		return
	}
	e.stale = false
	if h.garbage++; h.garbage > minGarbage && h.garbage > len(h.items)/2 {
		h.sweep()
	}
}

// minGarbage is too little to sweep out.
const minGarbage = 1000

// first gives the entry that stands under the earliest activity, if that is before a time; else nil.
func (h *staleHeap) first(before moment) *entry {
	for len(h.items) > 0 && h.items[0].key < before {
		if h.items[0].valid() {
			return h.items[0].entry
		}
		h.pop()
		h.garbage--
	}
	return nil
}

// pop takes out the first item.
func (h *staleHeap) pop() {
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items[last] = staleItem{}
	h.items = h.items[:last]
	if last > 0 {
		h.down(0)
	}
	if cap(h.items) > 8*minGarbage && last < cap(h.items)/4 { // after a rush, give its memory back
		h.items = append(make([]staleItem, 0, cap(h.items)/2), h.items...)
	}
}

// sweep leaves one valid item of each entry.
func (h *staleHeap) sweep() {
	var kept []staleItem
	for _, it := range h.items {
		if it.valid() {
			it.entry.stale = false // so that a second item of the entry is not valid
			kept = append(kept, it)
		}
	}
	for _, it := range kept {
		it.entry.stale = true
	}
	h.items, h.garbage = kept, 0
	for i := len(kept)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *staleHeap) up(i int) {
	it := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h.items[parent].key <= it.key {
			break
		}
		h.items[i] = h.items[parent]
		i = parent
	}
	h.items[i] = it
}

func (h *staleHeap) down(i int) {
	it := h.items[i]
	for {
		least := 2*i + 1
		if least >= len(h.items) {
			break
		}
		if right := least + 1; right < len(h.items) && h.items[right].key < h.items[least].key {
			least = right
		}
		if h.items[least].key >= it.key {
			break
		}
		h.items[i] = h.items[least]
		i = least
	}
	h.items[i] = it
}
