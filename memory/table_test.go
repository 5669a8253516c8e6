package memory

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestTableAgreesWithMap(t *testing.T) {
	t.Parallel()
	for _, ids := range []int{20, 3000, 200_000} {
		t.Run(fmt.Sprint(ids, " ids"), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(5, uint64(ids)))
			tb, want := newTable(), map[string]*entry{}
			for step := range 200_000 {
				id := fmt.Sprint(r.IntN(ids))
				if id[0] == '1' { // one of many that do not fit into their entries, and differ at their ends
					id = strings.Repeat("long ", 10) + id
				}
				if got := tb.get(id); got != want[id] {
					t.Fatalf("step %d: %q gives %p, want %p", step, id, got, want[id])
				}
				shrink := step/50_000%2 == 1 // by turns, mostly take out
				switch e := want[id]; {
				case e == nil && (!shrink || r.IntN(4) == 0):
					e = newEntry(id)
					tb.put(e)
					want[id] = e
				case e != nil && (shrink || r.IntN(4) == 0):
					tb.delete(e)
					delete(want, id)
				}
			}
			checkTable(t, tb, want)
			for id, e := range want {
				tb.delete(e)
				delete(want, id)
			}
			checkTable(t, tb, want)
		})
	}
}

func checkTable(t *testing.T, tb *table, want map[string]*entry) {
	t.Helper()
	if tb.len() != len(want) {
		t.Errorf("%d entries, want %d", tb.len(), len(want))
	}
	seen := 0
	for e := range tb.all() {
		if want[e.stored.ID] != e {
			t.Errorf("entry %q is there, but should not be", e.stored.ID)
		}
		seen++
	}
	if seen != len(want) {
		t.Errorf("%d entries are walked, want %d", seen, len(want))
	}
	for i := range tb.parts {
		if p := &tb.parts[i]; len(p.slots) > minSlots && p.count < len(p.slots)/16 || p.count > len(p.slots)/4*3 {
			t.Errorf("part %d has %d entries in %d slots", i, p.count, len(p.slots))
		}
	}
}

// Entries whose hashes are equal must be told apart by their IDs, and be found when those before them go.
func TestTableTellsEqualHashesApart(t *testing.T) {
	t.Parallel()
	tb := newTable()
	p := &tb.parts[0]
	p.resize(minSlots)
	var entries []*entry
	for i, hash := range []uint64{7, 7, 6, 7, 0} { // around the end of the slots
		e := newEntry(fmt.Sprint(i))
		p.slots[p.find(e.stored.ID, hash)] = slot{hash, e}
		entries = append(entries, e)
	}
	hashes := map[string]uint64{"0": 7, "1": 7, "2": 6, "3": 7, "4": 0}
	for len(entries) > 0 {
		for _, e := range entries {
			if got := p.slots[p.find(e.stored.ID, hashes[e.stored.ID])].entry; got != e {
				t.Fatalf("with %d entries left, %q gives %v", len(entries), e.stored.ID, got)
			}
		}
		p.free(p.find(entries[0].stored.ID, hashes[entries[0].stored.ID]))
		entries = entries[1:]
	}
}

func TestTableSpreadsIDsOverItsParts(t *testing.T) {
	t.Parallel()
	tb := &table{seed: maphash.MakeSeed()}
	for i := range 25_600 {
		e := newEntry(fmt.Sprint(i))
		tb.put(e)
	}
	for i := range tb.parts {
		if n := tb.parts[i].count; n < 20 || n > 300 {
			t.Errorf("part %d has %d of 25,600 entries, want about 100", i, n)
		}
	}
}

func TestLabelsAreOrderedAsTheirNames(t *testing.T) {
	t.Parallel()
	names := []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00", "abcdefgh", "abcdefgh\x00", "abcdefghi", "b", "é", "\xff"}
	for i, a := range names {
		for j, b := range names {
			got := labelOf(a).compare(labelOf(b))
			if want := count(i > j) - count(i < j); got != want {
				t.Errorf("%q compared with %q gives %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestEntryFitsIntoOneCacheLine(t *testing.T) {
	t.Parallel()
	if size := reflect.TypeFor[entry]().Size(); size > 64 {
		t.Errorf("an entry has %d bytes, want at most 64: a touch would wait for memory once more", size)
	}
}
