package memory

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// item is a place in a tree: the key that orders it, kept beside the entry so that a search rarely leaves the node.
type item[K cmp.Ordered] struct {
	key   K
	entry *entry
}

// at is a place for a search: right before the item with this key and ID, if there is one.
func at[K cmp.Ordered](key K, id string) item[K] {
	e := new(entry)
	e.ID = id
	return item[K]{key, e}
}

func (a item[K]) compare(b item[K]) int {
	if c := cmp.Compare(a.key, b.key); c != 0 || a.entry == b.entry {
		return c
	}
	return strings.Compare(a.entry.ID, b.entry.ID)
}

// The number of items in a node other than the root. A full node is split in two halves and the item between them.
const (
	maxItems = 63
	minItems = maxItems / 2
)

// tree is a B-tree of items ordered by key, then by ID, that knows how many there are before any place: inserting,
// deleting, finding a place and counting up to it take O(log n). The zero value is an empty tree. It must not change
// while it is walked.
type tree[K cmp.Ordered] struct {
	root *node[K]
	size int
}

type node[K cmp.Ordered] struct {
	items    []item[K]
	children []child[K] // one more than items; none in a leaf
}

// child is a subtree with its size, which stands with its parent so that counting need not visit it.
type child[K cmp.Ordered] struct {
	*node[K]
	size int
}

// insert adds an item that is not there yet.
func (t *tree[K]) insert(it item[K]) {
	if t.root == nil {
		t.root = &node[K]{}
	}
	t.root.insert(it)
	t.size++
	if len(t.root.items) > maxItems {
		left := t.root
		middle, right := left.split()
		t.root = &node[K]{
			items:    []item[K]{middle},
			children: []child[K]{{left, left.count()}, {right, right.count()}},
		}
	}
}

// delete removes an item and reports whether it was there.
func (t *tree[K]) delete(it item[K]) bool {
	if t.root == nil || !t.root.delete(it) {
		return false
	}
	t.size--
	if len(t.root.items) == 0 {
		if t.root.leaf() {
			t.root = nil
		} else {
			t.root = t.root.children[0].node
		}
	}
	return true
}

// rank is the number of items with a smaller key.
func (t *tree[K]) rank(key K) int {
	rank := 0
	for n := t.root; n != nil; {
		i, _ := slices.BinarySearchFunc(n.items, key, func(it item[K], key K) int {
			if it.key < key {
				return -1
			}
			return 1
		})
		rank += i
		if n.leaf() {
			break
		}
		for _, c := range n.children[:i] {
			rank += c.size
		}
		n = n.children[i].node
	}
	return rank
}

// min is the first entry; nil in an empty tree.
func (t *tree[K]) min() *entry {
	for it := range t.ascend(nil) {
		return it.entry
	}
	return nil
}

// ascend walks the items behind a place, or all, in their order.
func (t *tree[K]) ascend(after *item[K]) iter.Seq[item[K]] {
	return func(yield func(item[K]) bool) {
		if t.root != nil {
			t.root.ascend(after, yield)
		}
	}
}

// descend walks the items before a place, or all, in reverse.
func (t *tree[K]) descend(before *item[K]) iter.Seq[item[K]] {
	return func(yield func(item[K]) bool) {
		if t.root != nil {
			t.root.descend(before, yield)
		}
	}
}

func (n *node[K]) leaf() bool { return len(n.children) == 0 }

// find gives the index of the item, or that of the child it would be in.
func (n *node[K]) find(it item[K]) (int, bool) {
	return slices.BinarySearchFunc(n.items, it, item[K].compare)
}

func (n *node[K]) count() int {
	size := len(n.items)
	for _, c := range n.children {
		size += c.size
	}
	return size
}

// insert may leave the node with one item too many, for its caller to split.
func (n *node[K]) insert(it item[K]) {
	i, _ := n.find(it)
	if n.leaf() {
		n.items = slices.Insert(n.items, i, it)
		return
	}
	c := &n.children[i]
	c.insert(it)
	c.size++
	if len(c.items) > maxItems {
		middle, right := c.split()
		size := right.count()
		c.size -= size + 1
		n.items = slices.Insert(n.items, i, middle)
		n.children = slices.Insert(n.children, i+1, child[K]{right, size})
	}
}

// split keeps the first half of the node in it and gives the item behind that, and a node with the rest.
func (n *node[K]) split() (item[K], *node[K]) {
	half := len(n.items) / 2
	middle := n.items[half]
	right := &node[K]{items: slices.Clone(n.items[half+1:])}
	n.items = slices.Delete(n.items, half, len(n.items))
	if !n.leaf() {
		right.children = slices.Clone(n.children[half+1:])
		n.children = slices.Delete(n.children, half+1, len(n.children))
	}
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
		n.items[i] = n.children[i].deleteLast()
	case !n.children[i].delete(it):
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
	it := n.children[i].deleteLast()
	n.children[i].size--
	n.fill(i)
	return it
}

// fill gives a child that has too few items one from a neighbour, or joins it with that neighbour.
func (n *node[K]) fill(i int) {
	switch {
	case len(n.children[i].items) >= minItems:
	case i > 0 && len(n.children[i-1].items) > minItems:
		n.shiftRight(i - 1)
	case i < len(n.items) && len(n.children[i+1].items) > minItems:
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
	last := len(left.items) - 1
	moved := 1
	right.items = slices.Insert(right.items, 0, n.items[i])
	n.items[i] = left.items[last]
	left.items = slices.Delete(left.items, last, last+1)
	if !left.leaf() {
		c := left.children[last+1]
		left.children = slices.Delete(left.children, last+1, last+2)
		right.children = slices.Insert(right.children, 0, c)
		moved += c.size
	}
	left.size -= moved
	right.size += moved
}

// shiftLeft moves an item from child i+1, over the item between them, to child i.
func (n *node[K]) shiftLeft(i int) {
	left, right := &n.children[i], &n.children[i+1]
	moved := 1
	left.items = append(left.items, n.items[i])
	n.items[i] = right.items[0]
	right.items = slices.Delete(right.items, 0, 1)
	if !right.leaf() {
		c := right.children[0]
		right.children = slices.Delete(right.children, 0, 1)
		left.children = append(left.children, c)
		moved += c.size
	}
	left.size += moved
	right.size -= moved
}

// join makes one child of the children i and i+1 and the item between them.
func (n *node[K]) join(i int) {
	left, right := &n.children[i], n.children[i+1]
	left.items = append(append(left.items, n.items[i]), right.items...)
	left.children = append(left.children, right.children...)
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
		if !n.leaf() && !n.children[i].ascend(after, yield) {
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
		if !n.leaf() && !n.children[i].descend(before, yield) {
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
