package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestStaleHeapKeepsTheEarliestFirst(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 9))
	var h staleHeap
	entries := make([]*entry, 3000)
	for i := range entries {
		entries[i] = &entry{indexed: keys{activity: moment(r.IntN(500))}}
		entries[i].ID = fmt.Sprint(i)
	}
	in := map[*entry]bool{}
	for step := range 60_000 {
		e := entries[r.IntN(len(entries))]
		if filling := step/10_000%2 == 0; filling || r.IntN(10) == 0 {
			h.add(e)
			in[e] = true
		} else {
			h.remove(e)
			delete(in, e)
		}
		if step%97 > 0 {
			continue
		}
		if len(h) != len(in) {
			t.Fatalf("step %d: %d entries, want %d", step, len(h), len(in))
		}
		for i, it := range h {
			if !in[it.entry] || it.entry.stale != i+1 || it.key != it.entry.indexed.activity {
				t.Fatalf("step %d: place %d holds entry %q, which says %d", step, i, it.entry.ID, it.entry.stale)
			}
			if i > 0 && it.key < h[(i-1)/2].key {
				t.Fatalf("step %d: place %d comes before the one above it", step, i)
			}
		}
	}
	for len(h) > 0 {
		h.remove(h[0].entry)
	}
	if cap(h) > 1024 {
		t.Errorf("the empty heap holds memory for %d entries", cap(h))
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
