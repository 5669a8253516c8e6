package storetest

import (
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "list" prove that pages put together are the list, while sessions come, change and go.
func pagingChecks() []check {
	return []check{
		{"list", "ends with the last full page", pagingEnds},
		{"list", "in pages loses and repeats nothing among equals", pagingTies},
		{"list", "in pages tells times apart that differ by less than a millisecond", pagingFineTimes},
		{"list", "in pages loses and repeats nothing while sessions come, change and go", pagingUnderChange},
	}
}

func pagingEnds(f *fixture) {
	sessions := many(1, 6, f.fresh)
	f.insert(sessions...)
	for _, size := range []int{6, 3, 2} {
		q := sessioncleanup.Query{Limit: size}
		for n := size; n < 6; n += size {
			page := f.page(q)
			if len(page.Sessions) != size || page.Next == nil {
				f.Fatalf("a page of %d before the last has %d sessions and next %v", size, len(page.Sessions), page.Next)
			}
			q.After = page.Next
		}
		if page := f.page(q); len(page.Sessions) != size || page.Next != nil {
			f.Errorf("the last page of %d has %d sessions and next %v, want none", size, len(page.Sessions), page.Next)
		}
	}
}

// pagingTies has sessions that differ in nothing but their IDs, which have one digit or two: their order is the
// store's to choose, as long as it is one, and descending its reverse.
func pagingTies(f *fixture) {
	sessions := many(1, 25, f.fresh)
	for i := range sessions {
		sessions[i].ID, sessions[i].Name = f.ID(i+1), "the same"
	}
	f.insert(sessions...)
	for _, sort := range sessioncleanup.Sorts() {
		for _, size := range []int{1, 4, everything} {
			up := idsOf(f.pages(sessioncleanup.Query{Sort: sort}, size, nil))
			f.expectIDs("pages sorted by "+string(sort), up, idsOf(sessions)...)
			down := idsOf(f.pages(sessioncleanup.Query{Sort: sort, Descending: true}, size, nil))
			slices.Reverse(down)
			if !slices.Equal(up, down) {
				f.Errorf("sorted by %s in pages of %d: ascending %v is not descending reversed %v", sort, size, up, down)
			}
		}
	}
}

// pagingFineTimes lets the store write times itself, as fine as it keeps them.
func pagingFineTimes(f *fixture) {
	sessions := many(1, 40, f.idle)
	f.insert(sessions...)
	for _, s := range sessions {
		f.touch(sessioncleanup.Touch{IDs: []string{s.ID}}, 1)
	}
	for _, descending := range []bool{false, true} {
		for _, size := range []int{1, 7} {
			got := f.pages(sessioncleanup.Query{Descending: descending}, size, nil)
			f.expectIDs("pages of sessions touched in a row", idsOf(got), idsOf(sessions)...)
		}
	}
}

// pagingUnderChange reads pages while other sessions are inserted on both sides of the reader, touched, renamed by
// nobody, and deleted. Sessions that stay as they are must come once each, in order.
func pagingUnderChange(f *fixture) {
	next := 0
	numbers := func(n int) (first, last int) { first, next = next, next+n; return first, next - 1 }
	spread := func(n int) sessioncleanup.Session {
		s := f.session(n, n%2 == 0, f.now.Add(-time.Duration(n*37%50)*time.Hour-2*day))
		s.Name, s.CreatedAt = names()[n%len(names())], s.LastActivity.Add(-day)
		return s
	}
	first, last := numbers(36)
	stay := &model{sessions: many(first, last, spread)}
	f.insert(stay.sessions...)
	for _, sort := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			first, last = numbers(24)
			passing := idsOf(many(first, last, spread))
			f.insert(many(first, last, spread)...)
			between := func() {
				if len(passing) < 2 {
					return
				}
				first, last := numbers(3)
				f.insert(many(first, last, spread)...)
				f.touch(sessioncleanup.Touch{IDs: passing[:1]}, 1)
				f.remove(passing[1])
				passing = passing[2:]
			}
			q := sessioncleanup.Query{Sort: sort, Descending: descending}
			got := f.pages(q, 5, between)
			got = slices.DeleteFunc(got, func(s sessioncleanup.Session) bool { return stay.at(s.ID) < 0 })
			if diff := differences(stay.list(q), got); diff != "" {
				f.Errorf("sessions that stayed, in the list sorted by %s, descending %v: %s", sort, descending, diff)
			}
		}
	}
}

// remove deletes one session.
func (f *fixture) remove(id string) {
	f.Helper()
	if _, err := f.Store.Delete(f.ctx, sessioncleanup.Target{ID: id}, cause("remove")); err != nil {
		f.Fatalf("Delete %s: %v", id, err)
	}
}

// touch touches sessions and requires so many to be written.
func (f *fixture) touch(t sessioncleanup.Touch, want int) {
	f.Helper()
	n, err := f.Store.Touch(f.ctx, t)
	if err != nil {
		f.Fatalf("Touch(%+v): %v", t, err)
	}
	if n != want {
		f.Errorf("Touch(%+v) wrote %d sessions, want %d", t, n, want)
	}
}
