// Package longnames has the test of names that are longer than a list returns, for stores whose tables hold such names.
package longnames

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// Name is a name of a session with an ID, longer than MaxName. It begins like those of all others.
func Name(id string) string { return strings.Repeat("é😀 ", 20_000) + id }

// Check reads a store that holds the sessions "1", "2" and "3", each with its Name, and that as the name of its owner.
func Check(t *testing.T, store sessioncleanup.Store) {
	t.Helper()
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := string([]rune(Name(""))[:sessioncleanup.MaxName])
	for _, descending := range []bool{false, true} {
		o := sessioncleanup.ListOptions{Sort: sessioncleanup.SortName, Descending: descending, Limit: 1, Text: "é😀 é😀"}
		var ids []string
		for {
			page, err := m.List(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Sessions {
				ids = append(ids, s.ID)
				if s.Name != want || s.OwnerName != "" && s.OwnerName != want {
					t.Errorf("session %s has a name of %d bytes, and its owner one of %d; want the first %d characters", s.ID, len(s.Name), len(s.OwnerName), sessioncleanup.MaxName)
				}
			}
			if o.Cursor = page.Next; o.Cursor == "" {
				break
			}
			if len(o.Cursor) > 10_000 || len(ids) > 3 {
				t.Fatalf("a cursor of %d bytes after the sessions %q", len(o.Cursor), ids)
			}
		}
		if slices.Sort(ids); fmt.Sprint(ids) != "[1 2 3]" {
			t.Errorf("descending %v: pages have the sessions %q, want each of three once", descending, ids)
		}
	}
}
