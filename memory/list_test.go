package memory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// manyUnused are n sessions, each last used a minute after the one before, the last one day ago; IDs sort likewise.
func manyUnused(n int) []sessioncleanup.Session {
	sessions := make([]sessioncleanup.Session, n)
	for i := range sessions {
		sessions[i] = unused(fmt.Sprintf("%06d", i), true, day+time.Duration(n-i)*time.Minute)
		sessions[i].CreatedAt = sessions[i].LastActivity
	}
	return sessions
}

func TestLongScanFindsWhatLiesBehindItsFirstStep(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, manyUnused(3*scanStep)...)
	for _, by := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			q := sessioncleanup.Query{Text: "0500", Sort: by, Descending: descending, Limit: 60, CountUpTo: 1000}
			page := list(t, s, q)
			want := []string{"000500", "005000", "005001", "005002", "005003", "005004", "005005", "005006", "005007", "005008", "005009"}
			if descending {
				for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
					want[i], want[j] = want[j], want[i]
				}
			}
			expect(t, fmt.Sprint(by, " descending ", descending), idsOf(page.Sessions), want)
			expect(t, "total", page.Total, len(want))
		}
	}
}

// A scan that lets the lock go sees a session twice when it is used in between: where it was, and where it is then.
func TestSessionUsedDuringLongScanStandsOnThePageOnce(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, manyUnused(scanStep+10)...)
	l, err := newListing(s, sessioncleanup.Query{Text: "00", Limit: all})
	if err != nil {
		t.Fatal(err)
	}
	var page sessioncleanup.Page
	after, more := l.step(nil, func(e *entry) bool { return l.add(&page, e) })
	if !more {
		t.Fatal("the scan ended with its first step")
	}
	touch(t, s, sessioncleanup.Touch{IDs: []string{"000003"}})
	l.resumed = true
	if err := l.scan(t.Context(), after, func(e *entry) bool { return l.add(&page, e) }); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, session := range page.Sessions {
		seen[session.ID]++
	}
	expect(t, "times the used session is seen", seen["000003"], 1)
	expect(t, "sessions seen", len(seen), scanStep+10)
}

func TestLongScanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, manyUnused(3*scanStep)...)
	l, err := newListing(s, sessioncleanup.Query{Text: "0", Limit: all})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	looked := 0
	err = l.scan(ctx, nil, func(*entry) bool {
		looked++
		cancel()
		return true
	})
	if !errors.Is(err, context.Canceled) || looked > scanStep {
		t.Errorf("after %d sessions the error is %v, want context.Canceled after one step", looked, err)
	}
}

func TestDueListsInEveryOrderAgreeForFewAndForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		sessions := manyUnused(fewDue + 5)
		for i := range sessions { // by name in reverse
			sessions[i].Name = fmt.Sprintf("%06d", len(sessions)-i)
		}
		put(t, s, sessions...)
		for _, by := range sessioncleanup.Sorts() {
			q := sessioncleanup.Query{Status: sessioncleanup.StatusToDeactivate, Cutoffs: cutoffs(), Sort: by, Limit: 3, CountUpTo: all}
			many := list(t, s, q)
			expect(t, "many due", many.Total, fewDue+4) // the last one was used a day ago, and the touch interval counts
			q.Cutoffs.Inactive = sessions[10].LastActivity
			few := list(t, s, q)
			expect(t, "few due", few.Total, 10)
			want := [2][]string{{"000000", "000001", "000002"}, {"000000", "000001", "000002"}}
			if by == sessioncleanup.SortName {
				want = [2][]string{{"010003", "010002", "010001"}, {"000009", "000008", "000007"}}
			}
			expect(t, string(by), [2][]string{idsOf(many.Sessions), idsOf(few.Sessions)}, want)
		}
	})
}

func TestTimesThatKeysCannotTellApartAreListedByID(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for i, year := range []int{9999, 0, 2262, 1969, 1500, 3000, 1} {
		session := unused(fmt.Sprint(i), true, 0)
		if year > 0 {
			session.CreatedAt = time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		}
		put(t, s, session)
	}
	var got []string
	q := sessioncleanup.Query{Sort: sessioncleanup.SortCreated, Limit: 1}
	for more := true; more; more = q.After != nil {
		page := list(t, s, q)
		got = append(got, idsOf(page.Sessions)...)
		q.After = page.Next
	}
	expect(t, "order", got, []string{"1", "4", "6", "3", "0", "2", "5"})
}

func TestListRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for _, q := range []sessioncleanup.Query{
		{Sort: "size"}, {Status: "asleep"}, {After: &sessioncleanup.Position{Key: "yesterday", ID: "1"}},
		{ID: "1", Sort: "size"},
	} {
		if _, err := s.List(t.Context(), q); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("List(%+v): error is %v, want ErrInvalid", q, err)
		}
	}
}

func TestTextMatchesASCIILettersInEitherCaseAndNoOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s, text string
		want    bool
	}{
		{"Jazz Club", "zz cL", true}, {"Jazz", "jazzy", false}, {"", "a", false}, {"aaab", "AAB", true},
		{"É", "É", true}, {"É", "é", false}, {"[", "{", false}, {"@", "`", false}, {"Z", "z", true}, {"z", "Z", true},
	} {
		if got := contains(c.s, lower(c.text)); got != c.want {
			t.Errorf("%q contains %q: %v, want %v", c.s, c.text, got, c.want)
		}
	}
}

func TestListOfOneHonoursEveryFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		session := unused("1", true, 2*day)
		session.OwnerID, session.Name = "ann", "Alpha"
		put(t, s, session)
		here := &sessioncleanup.Position{Key: session.LastActivity.Format(time.RFC3339Nano), ID: "1"}
		for _, c := range []struct {
			q    sessioncleanup.Query
			want [2]int // sessions, total
		}{
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5}, [2]int{1, 1}},
			{sessioncleanup.Query{Limit: 1}, [2]int{1, 0}},
			{sessioncleanup.Query{CountUpTo: 5}, [2]int{0, 1}},
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5, After: here}, [2]int{0, 1}},
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5, OwnerID: "bob"}, [2]int{0, 0}},
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5, Text: "beta"}, [2]int{0, 0}},
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5, OwnerID: "ann", Text: "ALPHA", Status: sessioncleanup.StatusToDeactivate}, [2]int{1, 1}},
			{sessioncleanup.Query{Limit: 1, CountUpTo: 5, Status: sessioncleanup.StatusActive}, [2]int{0, 0}},
		} {
			c.q.ID, c.q.Cutoffs = "1", cutoffs()
			page := list(t, s, c.q)
			expect(t, fmt.Sprintf("%+v", c.q), [2]int{len(page.Sessions), page.Total}, c.want)
		}
	})
}

func TestListOfTheLongestUnusedIndexesOnlyWhatItMeets(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	put(t, s, manyUnused(100)...)
	for i := range 50 {
		touch(t, s, sessioncleanup.Touch{IDs: []string{fmt.Sprintf("%06d", 2*i)}})
	}
	page := list(t, s, sessioncleanup.Query{Limit: 4})
	expect(t, "first page", idsOf(page.Sessions), []string{"000001", "000003", "000005", "000007"})
	page = list(t, s, sessioncleanup.Query{Limit: 4, After: page.Next})
	expect(t, "second page", idsOf(page.Sessions), []string{"000009", "000011", "000013", "000015"})
	left := 0
	for _, it := range s.stale.items {
		left += count(it.valid())
	}
	expect(t, "touched sessions that are not indexed anew", left, 50-9)
	page = list(t, s, sessioncleanup.Query{Limit: 2, Descending: true})
	expect(t, "the last used", idsOf(page.Sessions), []string{"000098", "000096"})
}
