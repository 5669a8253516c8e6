package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// TestLargeListsAreReadInPartsWithoutLossOrRepetition walks lists of 15,000 sessions in which few, none, or one in five
// are found.
func TestLargeListsAreReadInPartsWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	store, pool := adopted(t, "guide")
	mustExec(t, pool, `INSERT INTO sessions (id, name, active, auto_cleanup, last_activity, deactivated_at)
		SELECT n, CASE WHEN n % 5000 = 1 THEN 'needle' ELSE 'straw ' || n % 5 END, n % 3 > 0, n % 7 > 0,
		       CASE WHEN n % 1000 = 1 THEN '-infinity' WHEN n % 1000 = 2 THEN 'infinity' ELSE now() - (n / 10) * interval '1 minute' END, CASE WHEN n % 3 = 0 THEN now() END
		  FROM generate_series(1, 15000) n`)
	mustExec(t, pool, "ANALYZE sessions")
	manager := manage(t, store)
	for _, status := range []sessioncleanup.Status{"", sessioncleanup.StatusActive, sessioncleanup.StatusToDeactivate} {
		texts := []string{"", "needle", "nowhere"}
		if status == sessioncleanup.StatusActive { // the last session that a page looks at is found with one of them
			texts = append(texts, "straw 0", "straw 1", "straw 2", "straw 3", "straw 4")
		}
		for _, text := range texts {
			byName := sessioncleanup.ListOptions{Status: status, Text: text, Sort: sessioncleanup.SortName, Limit: 1000} // which reads the whole table
			want, _ := everyPage(t, manager, byName)
			for _, descending := range []bool{false, true} {
				o := sessioncleanup.ListOptions{Status: status, Text: text, Descending: descending, Limit: 1000}
				got, most := everyPage(t, manager, o)
				if len(got) != len(want) {
					t.Errorf("status %q, text %q, descending %t: %d sessions, want %d", status, text, descending, len(got), len(want))
				}
				for id := range want {
					if got[id] != 1 {
						t.Fatalf("status %q, text %q, descending %t: session %s came %d times", status, text, descending, id, got[id])
					}
				}
				if text == "nowhere" && status == "" && most < 2 {
					t.Errorf("nothing was found among 15,000 sessions in %d pages, want several", most)
				}
			}
		}
	}
}

// everyPage is how often each session came, and in how many pages.
func everyPage(t *testing.T, m *sessioncleanup.Manager, o sessioncleanup.ListOptions) (times map[string]int, pages int) {
	t.Helper()
	times = map[string]int{}
	var last sessioncleanup.Session
	for {
		page, err := m.List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, s := range page.Sessions {
			times[s.ID]++
			if o.Sort == "" && last.ID != "" && (last.LastActivity.After(s.LastActivity) != o.Descending && !last.LastActivity.Equal(s.LastActivity)) {
				t.Fatalf("%s, used at %s, comes before %s, used at %s", last.ID, last.LastActivity, s.ID, s.LastActivity)
			}
			last = s
		}
		if page.Next == "" {
			return times, pages
		}
		o.Cursor = page.Next
	}
}
