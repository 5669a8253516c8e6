package memory

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessioncleanup/sessioncleanup"
)

// workload changes a store randomly and asks it random questions. Query.Answer is the model of its lists.
type workload struct {
	t *testing.T
	r *rand.Rand
	s *Store
}

func TestIndexesAgreeWithModelAfterEveryChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &workload{t: t, r: rand.New(rand.NewPCG(seed, 7)), s: New(Config{})}
				for range 600 {
					w.put()
				}
				for range 500 {
					w.change()
					switch w.r.IntN(10) {
					case 0, 1:
						w.ask()
					case 2:
						w.inspect()
					}
				}
			})
		})
	}
}

func (w *workload) id() string { return strconv.Itoa(w.r.IntN(1000)) }

func (w *workload) owner() string { return []string{"", "ann", "bob", "cat"}[w.r.IntN(4)] }

// ago is a time up to 60 days back, often one that other sessions have too, sometimes in the future.
func (w *workload) ago() time.Time {
	return time.Now().UTC().Add(-time.Duration(w.r.IntN(60*24)-24) * time.Hour)
}

func (w *workload) put() {
	s := sessioncleanup.Session{
		ID: w.id(), OwnerID: w.owner(), Name: []string{"", "Alpha", "beta", "ALPHABET"}[w.r.IntN(4)], Code: strconv.Itoa(w.r.IntN(20)),
		Active: w.r.IntN(2) == 0, AutoCleanup: w.r.IntN(8) > 0, LastActivity: w.ago(),
	}
	if w.r.IntN(4) > 0 {
		s.CreatedAt = w.ago()
	}
	if !s.Active && w.r.IntN(4) > 0 {
		s.DeactivatedAt = w.ago()
	}
	switch w.r.IntN(6) {
	case 0, 1:
		s.ExpiresAt = w.ago()
	case 2:
		s.ExpiresAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	put(w.t, w.s, s)
}

func (w *workload) change() {
	ctx := w.t.Context()
	target := sessioncleanup.Target{ID: w.id()}
	var err error
	switch w.r.IntN(12) {
	case 0, 1, 2:
		w.put()
	case 3:
		_, err = w.s.Remove(w.id(), w.id())
	case 4, 5:
		change := sessioncleanup.Touch{IDs: []string{w.id(), w.id(), w.id()}, OwnerID: w.owner(), Interval: time.Minute}
		if w.r.IntN(4) == 0 {
			change.Reactivate = &system
		}
		_, err = w.s.Touch(ctx, change)
	case 6:
		_ = w.s.AddActivity(w.id(), 1) // there or not
	case 7:
		_, _ = w.s.Update(ctx, target, sessioncleanup.Change{Active: sessioncleanup.SwitchOf(w.r.IntN(2) == 0)})
	case 8:
		_, _ = w.s.Update(ctx, target, sessioncleanup.Change{AutoCleanup: sessioncleanup.SwitchOf(w.r.IntN(2) == 0), ExpiresAt: new(w.ago())})
	case 9:
		_, _ = w.s.Delete(ctx, target, system)
	case 10:
		time.Sleep(time.Duration(w.r.IntN(48)) * time.Hour)
	case 11:
		_, err = w.s.Sweep(ctx, batch(append(phases, sessioncleanup.ActionDated)[w.r.IntN(3)], 1+w.r.IntN(5)))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask compares a random list, read page by page, with the model's.
func (w *workload) ask() {
	w.t.Helper()
	policy := sessioncleanup.Policy{}
	switch w.r.IntN(6) {
	case 0:
		policy.InactiveAfter = sessioncleanup.Never
	case 1:
		policy.DeleteAfter = sessioncleanup.Never
	}
	q := sessioncleanup.Query{
		Filter:     sessioncleanup.Filter{OwnerID: w.owner(), Text: []string{"", "", "alpha", "BET", "1"}[w.r.IntN(5)]},
		Thresholds: policy.Thresholds(), Descending: w.r.IntN(2) == 0,
		Sort:   append(sessioncleanup.Sorts(), "")[w.r.IntN(4)],
		Status: append(sessioncleanup.Statuses(), "")[w.r.IntN(6)],
		Limit:  w.r.IntN(100), CountUpTo: w.r.IntN(2) * w.r.IntN(800),
	}
	if w.r.IntN(8) == 0 {
		q.ID = w.id()
	}
	if w.r.IntN(2) == 0 { // go on from where another list may have ended
		q.After = new(q.Position(sessioncleanup.Session{ID: w.id(), LastActivity: w.ago(), CreatedAt: w.ago(), Name: "beta"}))
	}
	sessions := slices.Collect(maps.Values(w.s.sessions))
	for more := true; more; more = q.After != nil {
		want, got := q.Answer(sessions, time.Now()), list(w.t, w.s, q)
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			w.t.Fatalf("List(%+v) (-want +got):\n%s", q, diff)
		}
		q.After = got.Next
	}
	w.count(q)
}

// count compares figures with lists of every status.
func (w *workload) count(q sessioncleanup.Query) {
	w.t.Helper()
	counts, err := w.s.Counts(w.t.Context(), sessioncleanup.CountsQuery{Filter: q.Filter, Thresholds: q.Thresholds})
	if err != nil {
		w.t.Fatal(err)
	}
	listed := map[sessioncleanup.Status]int{}
	for _, status := range sessioncleanup.Statuses() {
		listed[status] = list(w.t, w.s, sessioncleanup.Query{Filter: q.Filter, Thresholds: q.Thresholds, Status: status, CountUpTo: all}).Total
	}
	expect(w.t, "total", counts.Total, counts.Active+counts.Inactive)
	expect(w.t, "counts", map[sessioncleanup.Status]int{
		sessioncleanup.StatusProtected:    counts.Protected,
		sessioncleanup.StatusToDeactivate: counts.DueForDeactivation,
		sessioncleanup.StatusToDelete:     counts.DueForDeletion,
		sessioncleanup.StatusActive:       listed[sessioncleanup.StatusActive],
		sessioncleanup.StatusInactive: counts.Total - counts.Protected - counts.DueForDeactivation - counts.DueForDeletion -
			listed[sessioncleanup.StatusActive],
	}, listed)
}

// inspect checks that the indexes hold exactly the sessions of the map.
func (w *workload) inspect() {
	w.t.Helper()
	var want [orders][]sessioncleanup.Position
	for _, session := range w.s.sessions {
		for order, p := range positions(session) {
			if p.ID != "" {
				want[order] = append(want[order], p)
			}
		}
	}
	for order := range want {
		slices.SortFunc(want[order], compare)
		if got := slices.Collect(w.s.indexes[order].ascend(nil)); !slices.Equal(got, want[order]) {
			w.t.Fatalf("index %d has %d positions, want %d in order", order, len(got), len(want[order]))
		}
	}
}
