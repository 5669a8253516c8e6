package memory

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// workload does random things to a store and asks it random questions. What it answers is compared with what reading
// its map from end to end gives.
type workload struct {
	t *testing.T
	r *rand.Rand
	s *Store
}

func TestIndexesAgreeWithScanAfterEveryChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &workload{t: t, r: rand.New(rand.NewPCG(seed, 7)), s: New(Config{})}
				for range 600 {
					w.put()
				}
				for range 3000 {
					w.change()
					if w.r.IntN(5) == 0 {
						w.ask()
					}
					if w.r.IntN(100) == 0 {
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

func (w *workload) session(id string) sessioncleanup.Session {
	s := sessioncleanup.Session{
		ID: id, OwnerID: w.owner(), Name: []string{"", "Alpha", "beta", "ALPHABET"}[w.r.IntN(4)], Code: strconv.Itoa(w.r.IntN(20)),
		Active: w.r.IntN(2) == 0, AutoCleanup: w.r.IntN(8) > 0, LastActivity: w.ago(),
	}
	if w.r.IntN(4) > 0 {
		s.CreatedAt = w.ago()
	}
	switch w.r.IntN(6) {
	case 0, 1:
		s.ExpiresAt = w.ago()
	case 2:
		s.ExpiresAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return s
}

func (w *workload) put() { put(w.t, w.s, w.session(w.id())) }

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
		_, _ = w.s.Update(ctx, target, sessioncleanup.Change{Active: new(w.r.IntN(2) == 0)})
	case 8:
		_, _ = w.s.Update(ctx, target, sessioncleanup.Change{AutoCleanup: new(w.r.IntN(2) == 0), ExpiresAt: new(w.ago())})
	case 9:
		_, _ = w.s.Delete(ctx, target, system)
	case 10:
		time.Sleep(time.Duration(w.r.IntN(48)) * time.Hour)
	case 11:
		b := sessioncleanup.Batch{Cause: system, Cutoffs: cutoffs(), Limit: 1 + w.r.IntN(5)}
		if w.r.IntN(2) == 0 {
			_, err = w.s.DeleteDue(ctx, b)
		} else {
			_, err = w.s.DeactivateDue(ctx, b)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask compares a random list, read page by page, and random figures.
func (w *workload) ask() {
	w.t.Helper()
	c := cutoffs()
	switch w.r.IntN(6) {
	case 0:
		c.Inactive = time.Time{}
	case 1:
		c.Delete = time.Time{}
	}
	q := sessioncleanup.Query{
		OwnerID: w.owner(), Cutoffs: c, Descending: w.r.IntN(2) == 0,
		Sort:   append(sessioncleanup.Sorts(), "")[w.r.IntN(4)],
		Status: append(sessioncleanup.Statuses(), "")[w.r.IntN(6)],
		Text:   []string{"", "", "alpha", "BET", "1"}[w.r.IntN(5)],
		Limit:  1 + w.r.IntN(100), CountUpTo: w.r.IntN(800),
	}
	var want []sessioncleanup.Session
	counts := sessioncleanup.Counts{}
	for e := range w.s.sessions.all() {
		s := e.session()
		if q.OwnerID != "" && s.OwnerID != q.OwnerID {
			continue
		}
		tally(&counts, c, s)
		text := strings.ToLower(s.Name + "\n" + s.Code + "\n" + s.ID)
		if (q.Status == "" || c.Status(s) == q.Status) && strings.Contains(text, strings.ToLower(q.Text)) {
			want = append(want, s)
		}
	}
	var got []sessioncleanup.Session
	total := min(len(want), q.CountUpTo)
	if want = sortedBy(want, q); len(want) > 0 && w.r.IntN(2) == 0 { // go on from where another list may have ended
		from := w.r.IntN(len(want))
		q.After, want = placeOf(q.Sort, &want[from]).position(q.Sort), want[from+1:]
	}
	for page := list(w.t, w.s, q); ; page = list(w.t, w.s, q) {
		got = append(got, page.Sessions...)
		expect(w.t, "total", page.Total, total)
		if len(page.Sessions) > q.Limit || page.Next != nil && len(page.Sessions) < q.Limit {
			w.t.Fatalf("page of %d sessions has next %v: limit is %d", len(page.Sessions), page.Next, q.Limit)
		}
		if q.After = page.Next; q.After == nil {
			break
		}
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("List(%+v) differs:\n got %v\nwant %v", q, idsOf(got), idsOf(want))
	}
	figures, err := w.s.Counts(w.t.Context(), sessioncleanup.CountsQuery{Cutoffs: c, OwnerID: q.OwnerID})
	if err != nil {
		w.t.Fatal(err)
	}
	expect(w.t, "counts", figures, counts)
}

func tally(counts *sessioncleanup.Counts, c sessioncleanup.Cutoffs, s sessioncleanup.Session) {
	counts.Total++
	counts.Active += count(s.Active)
	counts.Inactive += count(!s.Active)
	counts.Old += count(c.Old(s))
	counts.Protected += count(!s.AutoCleanup)
	counts.DueForDeactivation += count(c.DueForDeactivation(s))
	counts.DueForDeletion += count(c.DueForDeletion(s))
	counts.OldestOverdue = max(counts.OldestOverdue, c.Overdue(s))
}

// inspect brings all indexes up to date and checks that they hold exactly the sessions of the map.
func (w *workload) inspect() {
	w.t.Helper()
	for i, it := range w.s.stale.items {
		if i > 0 && it.key < w.s.stale.items[(i-1)/2].key {
			w.t.Fatalf("touched entry %d, %q, is out of place", i, it.entry.stored.ID)
		}
	}
	w.s.refresh(absent, math.MaxInt)
	expect(w.t, "items left behind after all is indexed", w.s.stale.garbage, 0)
	byOwner := map[*indexes]int{w.s.all: w.s.sessions.len()}
	for e := range w.s.sessions.all() {
		if session := e.session(); e.indexed != keysOf(&session) || e.stale {
			w.t.Fatalf("session %q is indexed under %+v, want %+v", session.ID, e.indexed, keysOf(&session))
		}
		if e.owner != w.s.owners[e.stored.OwnerID] {
			w.t.Fatalf("session %q of %q is in the indexes of another owner", e.stored.ID, e.stored.OwnerID)
		}
		if e.owner != nil {
			byOwner[e.owner]++
		}
	}
	expect(w.t, "owners with indexes", len(w.s.owners), len(byOwner)-1)
	for x, n := range byOwner {
		trees := []*tree[moment]{&x.activity, &x.created}
		expect(w.t, "sizes", []int{x.activity.size, x.created.size, x.name.size}, []int{n, n, n})
		due := 0
		for i := range x.due {
			trees = append(trees, &x.due[i])
			if i != activeExpiring {
				due += x.due[i].size
			}
		}
		expect(w.t, "sessions that are not protected", due, n-x.protected)
		for _, tr := range trees {
			if items := slices.Collect(tr.ascend(nil)); !slices.IsSortedFunc(items, item[moment].compare) || len(items) != tr.size {
				w.t.Fatalf("a tree of %d holds %d items, or is out of order", tr.size, len(items))
			}
		}
	}
}
