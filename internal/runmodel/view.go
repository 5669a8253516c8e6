package runmodel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// ViewAgrees compares rows of sessions_cleanup_view, "ID|status|word of the guide", with the status under a policy, for
// at most 1,000 sessions. It requires at least three different statuses, because fewer would show little.
func ViewAgrees(t testing.TB, store sessioncleanup.Store, cut sessioncleanup.Cutoffs, rows []string) {
	t.Helper()
	words := map[sessioncleanup.Status]string{sessioncleanup.StatusToDeactivate: "À désactiver", sessioncleanup.StatusToDelete: "À supprimer"}
	page, err := store.List(t.Context(), sessioncleanup.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want, seen := map[string]string{}, map[sessioncleanup.Status]bool{}
	for _, s := range page.Sessions {
		status := cut.Status(s)
		seen[status] = true
		word, ok := words[status]
		if !ok {
			word = "Actif"
		}
		want[s.ID] = fmt.Sprintf("%s|%s|%s", s.ID, status, word)
	}
	got := map[string]string{}
	for _, row := range rows {
		id, _, _ := strings.Cut(row, "|")
		got[id] = row
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cutoffs %+v (-Go +view):\n%s", cut, diff)
	}
	if len(seen) < 3 {
		t.Errorf("cutoffs %+v: only the statuses %v came up", cut, seen)
	}
}
