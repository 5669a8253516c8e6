package sessioncleanup_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestListPagesThroughAllSessionsOnce(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 103, time.Hour, func(s *sessioncleanup.Session) { s.Name = "room " + s.ID[:1] })
	for _, sort := range sessioncleanup.Sorts() {
		for _, descending := range []bool{false, true} {
			seen := map[string]bool{}
			o := sessioncleanup.ListOptions{Sort: sort, Descending: descending, Limit: 10, Count: true}
			for pages := 0; ; pages++ {
				page, err := m.List(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if page.Total != 103 {
					t.Errorf("%s: total %d, want 103", sort, page.Total)
				}
				for _, s := range page.Sessions {
					if seen[s.ID] || s.Status != sessioncleanup.StatusActive {
						t.Errorf("%s: session %+v again, or without its status", sort, s)
					}
					seen[s.ID] = true
				}
				if page.Next == "" || pages > 11 {
					break
				}
				o.Cursor = page.Next
			}
			if len(seen) != 103 {
				t.Errorf("%s, descending %v: %d sessions on all pages, want 103", sort, descending, len(seen))
			}
		}
	}
}

func TestCursorsOnlyContinueTheirOwnList(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 30, time.Hour, nil)
	page, err := m.List(t.Context(), sessioncleanup.ListOptions{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]sessioncleanup.ListOptions{
		"another order":  {Cursor: page.Next, Sort: sessioncleanup.SortName},
		"another owner":  {Cursor: page.Next, OwnerID: "1"},
		"another filter": {Cursor: page.Next, Text: "x"},
		"backwards":      {Cursor: page.Next, Descending: true},
		"garbage":        {Cursor: "%%%"},
		"the year 0":     {Cursor: withKey(t, page.Next, "0000-01-01T00:00:00.000000000Z")},
		"another form":   {Cursor: withKey(t, page.Next, "2024-01-01T00:00:00+14:00")},
		"no time":        {Cursor: withKey(t, page.Next, "infinity")},
		"cut off":        {Cursor: page.Next[:len(page.Next)-4]},
		"forged":         {Cursor: "eyJsIjoieCIsImsiOiJ5IiwiaSI6InoifQ"},
	} {
		if _, err := m.List(t.Context(), o); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "cursor") {
			t.Errorf("%s: %v, want ErrInvalid that names the cursor", name, err)
		}
	}
	if _, err := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "1"}).List(t.Context(), sessioncleanup.ListOptions{Cursor: page.Next}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("an admin's cursor in an owner's hands: %v, want ErrInvalid", err)
	}
}

func TestListRefusesUnknownOptions(t *testing.T) {
	t.Parallel()
	m, _ := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	for want, o := range map[string]sessioncleanup.ListOptions{
		`sort is "size": want one of last_activity, created, name`: {Sort: "size"},
		`status is "dead": want one of active, to_deactivate`:      {Status: "dead"},
		`limit is -1: want 1 to 1000`:                              {Limit: -1},
		`limit is 1001`:                                            {Limit: 1001},
		`text is "a\x00b"`:                                         {Text: "a\x00b"},
		`Policy.InactiveAfter is -2ns`:                             {InactiveAfter: -2},
	} {
		if _, err := m.List(t.Context(), o); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("List(%+v) = %v, want ErrInvalid with %q", o, err, want)
		}
	}
}

func TestListFindsByStatusAndText(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 0, 3, time.Hour, func(s *sessioncleanup.Session) { s.Name = "Quiz 100% fun" })
	put(t, db, 10, 4, 2*day, nil)
	put(t, db, 20, 5, 2*day, inactive)
	put(t, db, 30, 6, 40*day, inactive)
	put(t, db, 40, 7, 40*day, protected)
	for o, want := range map[sessioncleanup.ListOptions]int{
		{}:                                    25,
		{Status: sessioncleanup.StatusActive}: 3,
		{Status: sessioncleanup.StatusToDeactivate}:                                  4,
		{Status: sessioncleanup.StatusInactive}:                                      5,
		{Status: sessioncleanup.StatusToDelete}:                                      6,
		{Status: sessioncleanup.StatusProtected}:                                     7,
		{Status: sessioncleanup.StatusToDelete, DeleteAfter: day}:                    11,
		{Status: sessioncleanup.StatusToDeactivate, InactiveAfter: 90 * 24 * 3600e9}: 0,
		{Text: "100% F"}: 3,
		{Text: "1_0"}:    0,
	} {
		o.Count = true
		page, err := m.List(t.Context(), o)
		if err != nil || page.Total != want || len(page.Sessions) != want {
			t.Errorf("List(%+v) finds %d of %d, %v; want %d", o, len(page.Sessions), page.Total, err, want)
		}
	}
}

func TestCursorsCarryAnyText(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	names := []string{"a\x00b", "a\xff", "a\xffb", "é", "\u2028"}
	put(t, db, 0, len(names), time.Hour, nil)
	for i, name := range names {
		put(t, db, i, 1, time.Hour, func(s *sessioncleanup.Session) { s.Name = name })
	}
	var seen []string
	o := sessioncleanup.ListOptions{Sort: sessioncleanup.SortName, Limit: 1}
	for range len(names) + 1 {
		page, err := m.List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Sessions {
			seen = append(seen, s.Name)
		}
		if o.Cursor = page.Next; o.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"a\x00b", "a\xff", "a\xffb", "é", "\u2028"}, seen); diff != "" {
		t.Errorf("names page by page (-want +got):\n%s", diff)
	}
}

// withKey is a cursor with another key.
func withKey(t *testing.T, cursor, key string) string {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	fields["k"] = []byte(key)
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}
