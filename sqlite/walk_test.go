package sqlite

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// manySessions are more than are sorted, for each status. Some have a note, and some the same time. None becomes due within
// the next hour.
const manySessions = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO sessions (id, owner_id, name, active, auto_cleanup, last_activity, deactivated_at)
	SELECT i, i % 3, CASE WHEN i % 5000 = 1 THEN 'needle' ELSE 'straw ' || i % 5 END, i % 2, i % 7 > 0,
	       CASE WHEN i % 1000 = 1 THEN '' WHEN i % 1000 = 2 THEN 'infinity' ELSE strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d minutes', i / 4 + (i / 4 > 1380) * 120)) END,
	       CASE WHEN i % 2 = 0 THEN strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d minutes', i * 5 + (i * 5 > 43000) * 600)) END
	  FROM n;
	INSERT OR REPLACE INTO sessioncleanup_touches (session, at)
	SELECT id, strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d minutes', id % 97)) FROM sessions WHERE id % 11 = 0`

// TestLargeListsAreReadInPartsWithoutLossOrRepetition compares lists by last activity with those by name, which read the table.
func TestLargeListsAreReadInPartsWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	manager, err := sessioncleanup.New(newStore(t, manySessions), sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	statuses := append(sessioncleanup.Statuses(), "")
	if testing.Short() { // those that have an index, and all
		statuses = []sessioncleanup.Status{sessioncleanup.StatusToDeactivate, sessioncleanup.StatusToDelete, ""}
	}
	for _, status := range statuses {
		for _, o := range []sessioncleanup.ListOptions{{}, {Text: "needle"}, {Text: "straw 3"}, {Text: "nowhere"}, {OwnerID: "2"}, {OwnerID: "2", Text: "straw 3"}} {
			o.Status, o.Limit, o.Sort = status, 1000, sessioncleanup.SortName
			want, _ := everyPage(t, manager, o)
			for _, o.Descending = range []bool{false, true} {
				o.Sort = sessioncleanup.SortLastActivity
				got, pages := everyPage(t, manager, o)
				if len(got) != len(want) {
					t.Errorf("%+v: %d sessions, want %d", o, len(got), len(want))
				}
				for id := range want {
					if got[id] != 1 {
						t.Fatalf("%+v: session %s came %d times", o, id, got[id])
					}
				}
				if o.Text == "nowhere" && status == "" && pages < 2 {
					t.Errorf("nothing was found among 20,000 sessions in %d pages, want several", pages)
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
			if order := s.LastActivity.Compare(last.LastActivity); o.Sort == sessioncleanup.SortLastActivity && last.ID != "" && order != 0 && order > 0 == o.Descending {
				t.Fatalf("%+v: %s, used at %s, comes before %s, used at %s", o, last.ID, last.LastActivity, s.ID, s.LastActivity)
			}
			last = s
		}
		if page.Next == "" {
			return times, pages
		}
		o.Cursor = page.Next
	}
}
