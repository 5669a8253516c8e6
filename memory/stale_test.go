package memory

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

func TestStaleHeapGivesTheEarliestFirst(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 9))
	var h staleHeap
	entries := make([]*entry, 5000)
	for i := range entries {
		entries[i] = newEntry(fmt.Sprint(i))
	}
	in := map[*entry]bool{}
	for step := range 60_000 {
		e := entries[r.IntN(len(entries))]
		filling := step/10_000%2 == 0
		switch {
		case e.stale && (!filling || r.IntN(10) == 0): // indexed for another reason
			h.leave(e)
			delete(in, e)
		case !e.stale && (filling || r.IntN(10) == 0): // touched, at the same place as before or at another
			e.indexed.activity = moment(r.IntN(3) * r.IntN(500))
			e.activity = e.indexed.activity
			h.add(e)
			in[e] = true
		}
		if h.garbage > max(minGarbage, len(h.items)/2) {
			t.Fatalf("step %d: %d of %d items are garbage", step, h.garbage, len(h.items))
		}
		if step%97 == 0 {
			checkHeap(t, &h, in)
		}
	}
	for last := moment(-1); len(in) > 0; {
		e := h.first(absent)
		if e == nil || !in[e] || e.indexed.activity < last {
			t.Fatalf("behind %d comes %v", last, e)
		}
		last = e.indexed.activity
		h.leave(e)
		delete(in, e)
	}
	if e := h.first(absent); e != nil || len(h.items) > 0 || h.garbage != 0 || cap(h.items) > 8*minGarbage {
		t.Errorf("the empty heap gives %v and holds %d items, %d garbage, in memory for %d", e, len(h.items), h.garbage, cap(h.items))
	}
}

func checkHeap(t *testing.T, h *staleHeap, in map[*entry]bool) {
	t.Helper()
	held, least := map[*entry]bool{}, absent
	for i, it := range h.items {
		if i > 0 && it.key < h.items[(i-1)/2].key {
			t.Fatalf("place %d comes before the one above it", i)
		}
		if it.valid() {
			held[it.entry] = true
			least = min(least, it.key)
		}
	}
	if !maps.Equal(held, in) {
		t.Fatalf("%d entries are held, want %d", len(held), len(in))
	}
	if e := h.first(least); e != nil {
		t.Fatalf("before %d comes %d", least, e.indexed.activity)
	}
	if e := h.first(absent); len(in) > 0 && (e == nil || e.indexed.activity != least) {
		t.Fatalf("first is %v, want one at %d", e, least)
	}
}

func TestOwnersAreForgottenWithTheirLastSession(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	mine, hers := unused("1", true, 0), unused("2", true, 0)
	mine.OwnerID, hers.OwnerID = "me", "her"
	put(t, s, mine, hers)
	mine.OwnerID = "her"
	put(t, s, mine)
	expect(t, "owners after the session passed on", len(s.owners), 1)
	if _, err := s.Remove("1", "2"); err != nil {
		t.Fatal(err)
	}
	expect(t, "owners without sessions", len(s.owners), 0)
}
