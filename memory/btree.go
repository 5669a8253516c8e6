package memory

import (
	"iter"
	"slices"
	"strings"
)

// key orders the items of a tree: a moment or a label.
type key[K any] interface{ compare(K) int }

// item is a place in a tree: the key that orders it, kept beside the entry so that a search rarely leaves the node.
type item[K key[K]] struct {
	key   K
	entry *entry
}

// at is a place for a search: that of the item with this key and ID, if there is one.
func at[K key[K]](key K, id string) item[K] {
	return item[K]{key, newEntry(id)}
}

// compare orders items by key, then by ID.
func (a item[K]) compare(b item[K]) int {
	if c := a.key.compare(b.key); c != 0 || a.entry == b.entry {
		return c
	}
	return strings.Compare(a.entry.stored.ID, b.entry.stored.ID)
}

// The number of items in a node other than the root. A fuller node is split in two halves and the item between them.
const (
	maxItems = 63
	minItems = maxItems / 2
)

// tree is a B-tree of items that knows how many there are before any place: inserting, deleting, finding a place and
// counting up to it take O(log n). The zero value is an empty tree. It must not change while it is walked.
//
// A node stands in its parent, with the size of its subtree, so that a search reads as few places in memory as it can
// and counting does not visit the subtrees that it counts.
type tree[K key[K]] struct {
	root node[K]
	size int
}

type node[K key[K]] struct {
	items    []item[K]
	children []tree[K] // one more than items; none in a leaf
}

// insert adds an item that is not there yet.
func (t *tree[K]) insert(it item[K]) {
	t.root.insert(it)
	t.size++
	if len(t.root.items) > maxItems {
		middle, right := t.split()
		t.root = node[K]{items: []item[K]{middle}, children: []tree[K]{*t, right}}
		t.size += 1 + right.size
	}
}

// delete removes an item and reports whether it was there.
func (t *tree[K]) delete(it item[K]) bool {
	if !t.root.delete(it) {
		return false
	}
	t.size--
	if len(t.root.items) == 0 {
		if t.root.leaf() {
			t.root = node[K]{}
		} else {
			*t = t.root.children[0]
		}
	}
	return true
}

// rank is the number of items with a smaller key.
func (t *tree[K]) rank(key K) int {
	rank := 0
	for n := &t.root; ; {
		i, _ := slices.BinarySearchFunc(n.items, key, func(it item[K], key K) int {
			if it.key.compare(key) < 0 {
				return -1
			}
			return 1
		})
		rank += i
		if n.leaf() {
			return rank
		}
		for c := range i {
			rank += n.children[c].size
		}
		n = &n.children[i].root
	}
}

// first is the first entry; nil in an empty tree.
func (t *tree[K]) first() *entry {
	if t.size == 0 {
		return nil
	}
	n := &t.root
	for !n.leaf() {
		n = &n.children[0].root
	}
	return n.items[0].entry
}

// ascend walks the items behind a place, or all, in their order.
func (t *tree[K]) ascend(after *item[K]) iter.Seq[item[K]] {
	return func(yield func(item[K]) bool) { t.root.ascend(after, yield) }
}

// descend walks the items before a place, or all, in reverse.
func (t *tree[K]) descend(before *item[K]) iter.Seq[item[K]] {
	return func(yield func(item[K]) bool) { t.root.descend(before, yield) }
}

func (n *node[K]) leaf() bool { return len(n.children) == 0 }

// find gives the index of the item, or that of the child it would be in.
func (n *node[K]) find(it item[K]) (int, bool) {
	low, high := 0, len(n.items)
	for low < high {
		middle := int(uint(low+high) / 2)
		switch c := n.items[middle].compare(it); {
		case c == 0:
			return middle, true
		case c < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// insert may leave the node with one item too many, for its caller to split.
func (n *node[K]) insert(it item[K]) {
	i, _ := n.find(it)
	if n.leaf() {
		n.items = slices.Insert(n.items, i, it)
		return
	}
	c := &n.children[i]
	c.root.insert(it)
	c.size++
	if len(c.root.items) > maxItems {
		middle, right := c.split()
		n.items = slices.Insert(n.items, i, middle)
		n.children = slices.Insert(n.children, i+1, right)
	}
}

// split keeps the first half of a tree in it and gives the item behind that, and a tree of the rest.
func (t *tree[K]) split() (middle item[K], right tree[K]) {
	n := &t.root
	half := len(n.items) / 2
	middle = n.items[half]
	right.root.items = slices.Clone(n.items[half+1:])
	right.size = len(right.root.items)
	n.items = slices.Delete(n.items, half, len(n.items))
	if !n.leaf() {
		right.root.children = slices.Clone(n.children[half+1:])
		n.children = slices.Delete(n.children, half+1, len(n.children))
		for i := range right.root.children {
			right.size += right.root.children[i].size
		}
	}
	t.size -= 1 + right.size
	return middle, right
}

// delete may leave the node with one item too few, for its caller to fill.
func (n *node[K]) delete(it item[K]) bool {
	i, found := n.find(it)
	switch {
	case n.leaf():
		if found {
			n.items = slices.Delete(n.items, i, i+1)
		}
		return found
	case found:
		n.items[i] = n.children[i].root.deleteLast()
	case !n.children[i].root.delete(it):
		return false
	}
	n.children[i].size--
	n.fill(i)
	return true
}

// deleteLast takes out the last item of a subtree.
func (n *node[K]) deleteLast() item[K] {
	if n.leaf() {
		last := len(n.items) - 1
		it := n.items[last]
		n.items = slices.Delete(n.items, last, last+1)
		return it
	}
	i := len(n.children) - 1
	it := n.children[i].root.deleteLast()
	n.children[i].size--
	n.fill(i)
	return it
}

// fill gives a child that has too few items one from a neighbour, or joins it with that neighbour.
func (n *node[K]) fill(i int) {
	items := func(i int) int { return len(n.children[i].root.items) }
	switch {
	case items(i) >= minItems:
	case i > 0 && items(i-1) > minItems:
		n.shiftRight(i - 1)
	case i < len(n.items) && items(i+1) > minItems:
		n.shiftLeft(i)
	case i < len(n.items):
		n.join(i)
	default:
		n.join(i - 1)
	}
}

// shiftRight moves an item from child i, over the item between them, to child i+1.
func (n *node[K]) shiftRight(i int) {
	left, right := &n.children[i], &n.children[i+1]
	from, to, moved := &left.root, &right.root, 1
	last := len(from.items) - 1
	to.items = slices.Insert(to.items, 0, n.items[i])
	n.items[i] = from.items[last]
	from.items = slices.Delete(from.items, last, last+1)
	if !from.leaf() {
		c := from.children[last+1]
		from.children = slices.Delete(from.children, last+1, last+2)
		to.children = slices.Insert(to.children, 0, c)
		moved += c.size
	}
	left.size -= moved
	right.size += moved
}

// shiftLeft moves an item from child i+1, over the item between them, to child i.
func (n *node[K]) shiftLeft(i int) {
	left, right := &n.children[i], &n.children[i+1]
	to, from, moved := &left.root, &right.root, 1
	to.items = append(to.items, n.items[i])
	n.items[i] = from.items[0]
	from.items = slices.Delete(from.items, 0, 1)
	if !from.leaf() {
		c := from.children[0]
		from.children = slices.Delete(from.children, 0, 1)
		to.children = append(to.children, c)
		moved += c.size
	}
	left.size += moved
	right.size -= moved
}

// join makes one child of the children i and i+1 and the item between them.
func (n *node[K]) join(i int) {
	left, right := &n.children[i], n.children[i+1]
	left.root.items = append(append(left.root.items, n.items[i]), right.root.items...)
	left.root.children = append(left.root.children, right.root.children...)
	left.size += right.size + 1
	n.items = slices.Delete(n.items, i, i+1)
	n.children = slices.Delete(n.children, i+1, i+2)
}

func (n *node[K]) ascend(after *item[K], yield func(item[K]) bool) bool {
	i := 0
	if after != nil {
		var found bool
		if i, found = n.find(*after); found {
			i++
			after = nil // the child between holds only what is behind it
		}
	}
	for ; ; i++ {
		if !n.leaf() && !n.children[i].root.ascend(after, yield) {
			return false
		}
		if i == len(n.items) {
			return true
		}
		if !yield(n.items[i]) {
			return false
		}
		after = nil
	}
}

func (n *node[K]) descend(before *item[K], yield func(item[K]) bool) bool {
	i := len(n.items)
	if before != nil {
		var found bool
		if i, found = n.find(*before); found {
			before = nil // the child between holds only what is before it
		}
	}
	for ; ; i-- {
		if !n.leaf() && !n.children[i].root.descend(before, yield) {
			return false
		}
		if i == 0 {
			return true
		}
		if !yield(n.items[i-1]) {
			return false
		}
		before = nil
	}
}
