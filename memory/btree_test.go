package memory

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// sorted is what a tree must agree with.
type sorted []item[moment]

func (s sorted) find(it item[moment]) (int, bool) {
	return slices.BinarySearchFunc(s, it, item[moment].compare)
}

// check compares a tree with a sorted slice in every way there is to read it.
func check(t *testing.T, tr *tree[moment], want sorted, probe item[moment]) {
	t.Helper()
	if tr.size != len(want) {
		t.Fatalf("size is %d, want %d", tr.size, len(want))
	}
	if got := slices.Collect(tr.ascend(nil)); !slices.Equal(got, want) {
		t.Fatalf("ascend gives %d items that differ from the %d wanted", len(got), len(want))
	}
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	if got := slices.Collect(tr.descend(nil)); !slices.Equal(got, reversed) {
		t.Fatalf("descend gives %d items that differ from the %d wanted", len(got), len(want))
	}
	i, found := want.find(probe)
	behind := i
	if found {
		behind++
	}
	if got := slices.Collect(tr.ascend(&probe)); !slices.Equal(got, want[behind:]) {
		t.Fatalf("ascend from %v gives %d items, want %d", probe.key, len(got), len(want)-behind)
	}
	if got := slices.Collect(tr.descend(&probe)); !slices.Equal(got, reversed[len(want)-i:]) {
		t.Fatalf("descend from %v gives %d items, want %d", probe.key, len(got), i)
	}
	rank, _ := want.find(at(probe.key, ""))
	if got := tr.rank(probe.key); got != rank {
		t.Fatalf("rank of %d is %d, want %d", probe.key, got, rank)
	}
	var least *entry
	if len(want) > 0 {
		least = want[0].entry
	}
	if got := tr.first(); got != least {
		t.Fatalf("first is %v, want %v", got, least)
	}
	if tr.size > 0 {
		checkNode(t, tr, true)
	}
}

// checkNode checks the shape of a subtree and gives its depth.
func checkNode(t *testing.T, tr *tree[moment], root bool) int {
	t.Helper()
	n := &tr.root
	if len(n.items) > maxItems || !root && len(n.items) < minItems || len(n.items) == 0 {
		t.Fatalf("node has %d items", len(n.items))
	}
	depth, size := 1, len(n.items)
	if !n.leaf() && len(n.children) != len(n.items)+1 {
		t.Fatalf("node has %d children for %d items", len(n.children), len(n.items))
	}
	for i := range n.children {
		d := checkNode(t, &n.children[i], false) + 1
		if i > 0 && d != depth {
			t.Fatalf("depths of children differ: %d and %d", depth, d)
		}
		depth = d
		size += n.children[i].size
	}
	if size != tr.size {
		t.Fatalf("size of a subtree is kept as %d, it is %d", tr.size, size)
	}
	return depth
}

// apply inserts the item, or deletes it when it is there.
func apply(t *testing.T, tr *tree[moment], want sorted, it item[moment]) sorted {
	t.Helper()
	i, found := want.find(it)
	if !found {
		tr.insert(it)
		return slices.Insert(want, i, it)
	}
	if !tr.delete(it) {
		t.Fatalf("item %d/%s is there but is not deleted", it.key, it.entry.stored.ID)
	}
	if tr.delete(it) {
		t.Fatalf("item %d/%s is deleted twice", it.key, it.entry.stored.ID)
	}
	return slices.Delete(want, i, i+1)
}

func TestTreeAgreesWithSortedSlice(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, keys := range []int64{1, 50, 100_000} { // many equal keys, some, hardly any
		t.Run(strconv.FormatInt(keys, 10)+" keys", func(t *testing.T) {
			var tr tree[moment]
			var want sorted
			grow := true
			for step := range 40_000 {
				switch { // grow and shrink by turns, down to nothing
				case len(want) == 0:
					grow = true
				case len(want) > 6000:
					grow = false
				}
				if it := at(moment(r.Int64N(keys)), strconv.Itoa(r.IntN(1<<20))); grow || r.IntN(4) == 0 {
					want = apply(t, &tr, want, it)
				} else {
					want = apply(t, &tr, want, want[r.IntN(len(want))])
				}
				if step%1000 == 0 || len(want) < 3 && step%50 == 0 {
					check(t, &tr, want, at(moment(r.Int64N(keys)), strconv.Itoa(r.IntN(1<<20))))
				}
			}
			for len(want) > 0 {
				want = apply(t, &tr, want, want[0])
			}
			check(t, &tr, want, at(moment(0), ""))
		})
	}
}

func TestTreeWalkStopsWhereAsked(t *testing.T) {
	t.Parallel()
	var tr tree[moment]
	for i := range moment(1000) {
		tr.insert(at(i, "x"))
	}
	for _, most := range []int{0, 1, 63, 64, 500} {
		for name, walk := range map[string]func(func(item[moment]) bool){"ascend": tr.ascend(nil), "descend": tr.descend(nil)} {
			got := 0
			for range walk {
				if got == most {
					break
				}
				got++
			}
			if got != most {
				t.Errorf("%s: stopped after %d, want %d", name, got, most)
			}
		}
	}
}

// FuzzTree reads pairs of bytes as keys to insert, or to delete when they are there.
func FuzzTree(f *testing.F) {
	rising := make([]byte, 0, 1024)
	for i := range uint16(512) {
		rising = binary.BigEndian.AppendUint16(rising, i)
	}
	f.Add(rising)
	f.Add(append(slices.Clone(rising), rising...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var tr tree[moment]
		var want sorted
		probe := at(moment(0), "")
		for ; len(data) >= 2; data = data[2:] {
			n := binary.BigEndian.Uint16(data)
			probe = at(moment(n>>3), strconv.Itoa(int(n&7)))
			want = apply(t, &tr, want, probe)
		}
		check(t, &tr, want, probe)
	})
}
