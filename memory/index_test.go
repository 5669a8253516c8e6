package memory

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// A sorted slice is the model of an index.
func TestIndexAgreesWithSortedSlice(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x := index{}
	var model []sessioncleanup.Position
	anywhere := func() sessioncleanup.Position {
		return sessioncleanup.Position{Key: strconv.Itoa(r.IntN(300)), ID: strconv.Itoa(r.IntN(50))}
	}
	check := func(from *sessioncleanup.Position) {
		t.Helper()
		before, after := model, model
		if from != nil {
			at, found := slices.BinarySearchFunc(model, *from, compare)
			before, after = model[:at], model[at+number(found):]
		}
		backward := slices.Clone(before)
		slices.Reverse(backward)
		if !slices.Equal(slices.Collect(x.ascend(from)), after) || !slices.Equal(slices.Collect(x.descend(from)), backward) {
			t.Fatalf("walking from %v does not find what the model has", from)
		}
	}
	for _, growing := range []bool{true, false, true, false} {
		for range 8000 {
			p := anywhere()
			at, found := slices.BinarySearchFunc(model, p, compare)
			switch {
			case !found && (growing || r.IntN(4) == 0):
				x.insert(p)
				model = slices.Insert(model, at, p)
			case found && (!growing || r.IntN(4) == 0):
				x.remove(p)
				model = slices.Delete(model, at, at+1)
			}
			if r.IntN(500) == 0 {
				check(new(anywhere()))
			}
		}
		check(nil)
		if growing && len(x.chunks) < 5 {
			t.Errorf("%d positions are in %d chunks, want more", len(model), len(x.chunks))
		}
	}
	for len(model) > 0 {
		at := r.IntN(len(model))
		x.remove(model[at])
		model = slices.Delete(model, at, at+1)
	}
	check(nil)
	if len(x.chunks) != 0 {
		t.Errorf("an empty index has %d chunks", len(x.chunks))
	}
}
