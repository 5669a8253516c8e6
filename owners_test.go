package sessioncleanup_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestOwnersAreSortedPagedAndFoundByNameAndID(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	m := recentManager(t, db)
	now := time.Now()
	for i := range 12 { // owner o03 has 3 sessions, of which one is active and one due
		for n := range i {
			s := sessioncleanup.Session{
				ID: fmt.Sprintf("%d-%d", i, n), OwnerID: fmt.Sprintf("o%02d", i), OwnerName: fmt.Sprintf("Name %d", i%5),
				AutoCleanup: true, Active: n == 0, LastActivity: now.Add(-time.Duration(i) * time.Minute),
			}
			if n == 1 {
				s.LastActivity, s.DeactivatedAt = now.Add(-40*day), now.Add(-40*day)
			}
			if err := db.Put(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Put(sessioncleanup.Session{ID: "nobody's", Active: true, LastActivity: now}); err != nil {
		t.Fatal(err)
	}
	for _, by := range sessioncleanup.OwnerSorts() {
		for _, descending := range []bool{false, true} {
			o := sessioncleanup.OwnerOptions{Sort: by, Descending: descending, Limit: 4}
			var got []sessioncleanup.OwnerFigures
			for {
				page, err := m.Owners(t.Context(), o)
				if err != nil || page.Matching != 11 || page.Count != 11 || len(page.Owners) > 4 {
					t.Fatalf("by %s: %+v, %v", by, page, err)
				}
				got = append(got, page.Owners...)
				if o.Cursor = page.Next; o.Cursor == "" {
					break
				}
			}
			value := func(o sessioncleanup.OwnerFigures) string {
				return map[sessioncleanup.OwnerSort]string{
					sessioncleanup.OwnersByTotal: fmt.Sprintf("%03d", o.Total), sessioncleanup.OwnersByActive: fmt.Sprintf("%03d", o.Active),
					sessioncleanup.OwnersByDue:      fmt.Sprintf("%03d", o.DueForDeactivation+o.DueForDeletion),
					sessioncleanup.OwnersByActivity: o.LastActivity.UTC().Format(time.RFC3339Nano), sessioncleanup.OwnersByID: o.OwnerID,
				}[by]
			}
			want := slices.SortedFunc(slices.Values(got), func(a, b sessioncleanup.OwnerFigures) int {
				order := strings.Compare(value(a), value(b))
				if descending {
					order = -order
				}
				return cmp.Or(order, strings.Compare(a.OwnerID, b.OwnerID))
			})
			if len(got) != 11 || !slices.Equal(got, want) {
				t.Errorf("by %s, descending: %t: %v", by, descending, got)
			}
		}
	}
	for text, want := range map[string]int{"O03": 1, "name 2": 2, "name": 11, "ame 9": 0} {
		if page, err := m.Owners(t.Context(), sessioncleanup.OwnerOptions{Text: text}); err != nil || page.Matching != want || len(page.Owners) != want {
			t.Errorf("%d owners have %q in their name or ID, %v; want %d", page.Matching, text, err, want)
		}
	}
	page, err := m.Owners(t.Context(), sessioncleanup.OwnerOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]sessioncleanup.OwnerOptions{
		"another order": {Descending: true, Cursor: page.Next}, "another text": {Text: "o", Cursor: page.Next}, "no cursor": {Cursor: "x"},
		"an order of sessions": {Sort: "name"}, "too many": {Limit: sessioncleanup.MaxPage + 1},
	} {
		if _, err := m.Owners(t.Context(), o); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "o03"}).Owners(t.Context(), sessioncleanup.OwnerOptions{}); !errors.Is(err, sessioncleanup.ErrForbidden) {
		t.Errorf("an owner lists owners: %v, want ErrForbidden", err)
	}
}

func TestOfManyOwnersThoseWithTheMostSessionsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(memory.Config{})
		var all []sessioncleanup.Session
		for i := range sessioncleanup.MaxOwners + 10 {
			all = append(all, sessioncleanup.Session{ID: fmt.Sprint(i), OwnerID: fmt.Sprintf("o%06d", i), Active: true})
		}
		all = append(all, sessioncleanup.Session{ID: "x", OwnerID: "o999999", Active: true}, sessioncleanup.Session{ID: "y", OwnerID: "o999999", Active: true})
		if err := db.Put(all...); err != nil {
			t.Fatal(err)
		}
		page, err := recentManager(t, db).Owners(t.Context(), sessioncleanup.OwnerOptions{Descending: true, Limit: 1})
		if err != nil || page.Count != sessioncleanup.MaxOwners+11 || page.Matching != sessioncleanup.MaxOwners || page.Owners[0].OwnerID != "o999999" {
			t.Errorf("%+v, %v: want o999999, of %d in all", page, err, sessioncleanup.MaxOwners+11)
		}
	})
}
