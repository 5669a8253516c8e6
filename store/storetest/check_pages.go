package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the group "list" prove that pages put together are the list, while sessions come, change and go.
func pageChecks() []check {
	return []check{
		{"list", "ends with the last full page", pageEnds},
		{"list", "in pages loses and repeats nothing among equals", pageTies},
		{"list", "in pages tells times apart that the store itself wrote in a row", pageFineTimes},
		{"list", "in pages tells times apart that differ by less than a millisecond", pageFinestTimes},
		{"list", "after a position that no page returned is a page or an ErrInvalid", pageForged},
		{"list", "in pages loses and repeats nothing while sessions come, change and go", pageUnderChange},
	}
}

func pageEnds(f *fixture) {
	f.insert(many(1, 6, f.fresh)...)
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

// pageForged asks for pages after positions that clients may send; the keys of times have the right form.
func pageForged(f *fixture) {
	f.insert(many(1, 3, f.fresh)...)
	texts := []string{"", "x", "-1", "1e9", "'; --", "\x00", "a\x00b", "\xff", "99999999999999999999", strings.Repeat("x", 5000), f.id(1)}
	times := []string{"", "0001-01-01T00:00:00.000000000Z", "9999-12-31T23:59:59.999999999Z", "2024-02-29T12:00:00.000000001Z"}
	for _, sort := range sessioncleanup.Sorts() {
		keys := times
		if sort == sessioncleanup.SortName {
			keys = texts
		}
		for _, key := range keys {
			for _, id := range texts {
				q := sessioncleanup.Query{Sort: sort, Limit: 2, After: &sessioncleanup.Position{Key: key, ID: id}}
				if _, err := f.Store.List(f.ctx, q); err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) {
					f.Errorf("a list by %s after %q: %v, want a page or an ErrInvalid", sort, *q.After, err)
				}
			}
		}
	}
}

// pageTies has sessions that differ only in their IDs, which have one digit or two: the store chooses their order, as
// long as it is always the same, and descending its reverse.
func pageTies(f *fixture) {
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
			if diff := inOrder(up, down); diff != "" {
				f.Errorf("sorted by %s in pages of %d, descending and reversed, compared with ascending: %s", sort, size, diff)
			}
		}
	}
}

// pageFineTimes lets the store write the times itself, as finely as it keeps them.
func pageFineTimes(f *fixture) {
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

// pageFinestTimes has times as close together as the engine keeps them apart.
func pageFinestTimes(f *fixture) {
	if f.Resolution == tick {
		f.Skipf("Harness.Resolution is %v: no times are closer to each other", f.Resolution)
	}
	sessions := many(1, 12, func(n int) sessioncleanup.Session {
		return f.session(n, n%2 == 0, f.now.Add(-day-time.Duration(n*5%12)*f.Resolution))
	})
	m := f.hold(sessions...)
	f.expectSessions("with times that differ by "+f.Resolution.String(), sessions...)
	for _, descending := range []bool{false, true} {
		q := sessioncleanup.Query{Descending: descending}
		if diff := differences(m.list(q), f.pages(q, 1, nil)); diff != "" {
			f.Errorf("pages of sessions whose times differ by %v, descending %v: %s", f.Resolution, descending, diff)
		}
	}
}

// pageUnderChange reads pages while other sessions are inserted on both sides of the reader, touched and deleted.
// Sessions that stay as they are must be read once each, in order.
func pageUnderChange(f *fixture) {
	next := 0
	spread := func(count int) []sessioncleanup.Session {
		first := next
		next += count
		return many(first, next-1, func(n int) sessioncleanup.Session {
			s := f.session(n, n%2 == 0, f.now.Add(-time.Duration(n*37%50)*time.Hour-2*day))
			s.Name, s.CreatedAt = names()[n%len(names())], s.LastActivity.Add(-day)
			return s
		})
	}
	stay := &model{sessions: spread(36)}
	f.insert(stay.sessions...)
	for _, sort := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			passing := spread(24)
			f.insert(passing...)
			between := func() {
				if len(passing) < 2 {
					return
				}
				f.insert(spread(3)...)
				f.touch(sessioncleanup.Touch{IDs: []string{passing[0].ID}}, 1)
				f.remove(passing[1].ID)
				passing = passing[2:]
			}
			q := sessioncleanup.Query{Sort: sort, Descending: descending}
			got := slices.DeleteFunc(f.pages(q, 5, between), func(s sessioncleanup.Session) bool { return stay.at(s.ID) < 0 })
			if diff := differences(stay.list(q), got); diff != "" {
				f.Errorf("sessions that stayed, in the list sorted by %s, descending %v: %s", sort, descending, diff)
			}
		}
	}
}
