package memory

// staleHeap holds the entries that were touched since they were indexed, the one that stands under the earliest
// activity first. A touch only adds to it. The indexes are put right when something is read from them, and only up
// to the time that matters: since a touch moves activity forward, an entry that stands behind a cutoff is behind it
// in truth too. So a session that is in use all day is indexed anew once a day and not once a minute.
type staleHeap []staleItem

type staleItem struct {
	key   moment // the activity under which the entry is indexed
	entry *entry
}

// add puts an entry in, unless it is in already.
func (h *staleHeap) add(e *entry) {
	if e.stale > 0 {
		return
	}
	*h = append(*h, staleItem{e.indexed.activity, e})
	h.up(len(*h) - 1)
}

// remove takes an entry out, if it is in.
func (h *staleHeap) remove(e *entry) {
	if e.stale == 0 {
		return
	}
	i, last := e.stale-1, len(*h)-1
	moved := (*h)[last]
	(*h)[last] = staleItem{}
	*h = (*h)[:last]
	e.stale = 0
	if i < last {
		h.set(i, moved)
		h.up(i)
		h.down(moved.entry.stale - 1)
	}
	if cap(*h) > 1024 && len(*h) < cap(*h)/4 { // after a rush, give its memory back
		*h = append(make(staleHeap, 0, cap(*h)/2), *h...)
	}
}

// set puts an item in a place and tells its entry.
func (h staleHeap) set(i int, it staleItem) {
	h[i] = it
	it.entry.stale = i + 1
}

func (h staleHeap) up(i int) {
	it := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].key <= it.key {
			break
		}
		h.set(i, h[parent])
		i = parent
	}
	h.set(i, it)
}

func (h staleHeap) down(i int) {
	it := h[i]
	for {
		least := 2*i + 1
		if least >= len(h) {
			break
		}
		if right := least + 1; right < len(h) && h[right].key < h[least].key {
			least = right
		}
		if h[least].key >= it.key {
			break
		}
		h.set(i, h[least])
		i = least
	}
	h.set(i, it)
}
