package memory

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// chunkSize is the number of positions above which a chunk is split. It balances the cost of finding a chunk against
// that of inserting into it.
const chunkSize = 512

// index is a set of positions in order: a sorted list, cut into sorted chunks so that inserting and deleting move only a
// few positions. The zero value is empty. It must not change while it is walked.
type index struct {
	chunks [][]sessioncleanup.Position // none is empty
}

func compare(a, b sessioncleanup.Position) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
}

// find returns where the position is, or where it would be inserted.
func (x *index) find(p sessioncleanup.Position) (chunk, at int, found bool) {
	chunk, _ = slices.BinarySearchFunc(x.chunks, p, func(c []sessioncleanup.Position, p sessioncleanup.Position) int {
		return compare(c[len(c)-1], p)
	})
	if chunk == len(x.chunks) {
		return chunk, 0, false
	}
	at, found = slices.BinarySearchFunc(x.chunks[chunk], p, compare)
	return chunk, at, found
}

// insert adds a position that is not there yet.
func (x *index) insert(p sessioncleanup.Position) {
	i, at, _ := x.find(p)
	switch {
	case i < len(x.chunks):
	case i == 0:
		x.chunks = append(x.chunks, nil)
	default: // behind all others
		i--
		at = len(x.chunks[i])
	}
	c := slices.Insert(x.chunks[i], at, p)
	x.chunks[i] = c
	if half := len(c) / 2; len(c) > chunkSize {
		x.chunks = slices.Insert(x.chunks, i+1, slices.Clone(c[half:]))
		x.chunks[i] = slices.Delete(c, half, len(c))
	}
}

// remove removes a position that is there.
func (x *index) remove(p sessioncleanup.Position) {
	i, at, found := x.find(p)
	if !found {
		panic("memory: index lacks " + p.ID)
	}
	x.chunks[i] = slices.Delete(x.chunks[i], at, at+1)
	if len(x.chunks[i]) == 0 {
		x.chunks = slices.Delete(x.chunks, i, i+1)
	}
}

// ascend walks the positions after one, or all.
func (x *index) ascend(after *sessioncleanup.Position) iter.Seq[sessioncleanup.Position] {
	return func(yield func(sessioncleanup.Position) bool) {
		var i, at int
		if after != nil {
			var found bool
			if i, at, found = x.find(*after); found {
				at++
			}
		}
		for ; i < len(x.chunks); i++ {
			for _, p := range x.chunks[i][at:] {
				if !yield(p) {
					return
				}
			}
			at = 0
		}
	}
}

// descend walks the positions before one, or all, in reverse.
func (x *index) descend(before *sessioncleanup.Position) iter.Seq[sessioncleanup.Position] {
	return func(yield func(sessioncleanup.Position) bool) {
		i, at := len(x.chunks), 0
		if before != nil {
			i, at, _ = x.find(*before)
		}
		for ; i >= 0; i-- {
			if i < len(x.chunks) {
				for _, p := range slices.Backward(x.chunks[i][:at]) {
					if !yield(p) {
						return
					}
				}
			}
			if i > 0 {
				at = len(x.chunks[i-1])
			}
		}
	}
}
