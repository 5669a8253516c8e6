package storetest

import (
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// These checks of the groups "tags" and "rules" are about tags that follow the column plan.

// plans gives sessions a value in the column plan each.
func (f *fixture) plans(sessions []sessioncleanup.Session, values ...string) {
	f.Helper()
	f.tagger()
	if f.SetPlan == nil {
		f.Skipf("Harness.SetPlan is nil")
	}
	for i, value := range values {
		f.must(f.SetPlan(f.ctx, sessions[i].ID, value), "set the plan of %s to %q", sessions[i].ID, value)
	}
}

// expectEach requires the tags of sessions.
func (f *fixture) expectEach(what string, sessions []sessioncleanup.Session, want ...string) {
	f.Helper()
	for i, words := range want {
		if got := strings.Join(f.get(sessions[i].ID).Tags, " "); got != words {
			f.Errorf("%s: session %s has the tags %q, want %q", what, sessions[i].ID, got, words)
		}
	}
}

func planFollowed(f *fixture) {
	sessions := many(1, 9, f.fresh)
	f.insert(sessions...)
	f.plans(nil)
	f.tagged(sessions[0], "vip plain")
	since := f.mark()
	f.plans(sessions, "gold", "Gold", "two words", "", "x.y-1_2:3", strings.Repeat("x", 45), strings.Repeat("x", 46), "élite", "-a")
	f.expectEach("after the values were written", sessions,
		"plain plan:gold vip", "plan:gold", "", "", "plan:x.y-1_2:3", "plan:"+strings.Repeat("x", 45), "", "", "plan:-a")
	counted, err := f.tagger().Tags(f.ctx, "")
	if want := (sessioncleanup.TagCount{Tag: "plan:gold", Sessions: 2}); err != nil || !slices.Contains(counted, want) {
		f.Errorf("Tags returned %v, %v; want %v among them", counted, err, want)
	}
	f.plans(sessions, "silver", "", "gold", "gold", "X")
	f.expectEach("after others were written", sessions,
		"plain plan:silver vip", "", "plan:gold", "plan:gold", "plan:x", "plan:"+strings.Repeat("x", 45), "", "", "plan:-a")
	page, err := f.Store.List(f.ctx, sessioncleanup.Query{Filter: sessioncleanup.Filter{Tags: "plan:gold"}, Limit: 10})
	if ids := idsOf(page.Sessions); err != nil || len(ids) != 2 || slices.Contains(ids, sessions[1].ID) {
		f.Errorf("List of plan:gold returned %q, %v; want %s and %s", ids, err, sessions[2].ID, sessions[3].ID)
	}
	f.expectLog("afterwards", since)
}

func planOnly(f *fixture) {
	sessions := many(1, 2, f.fresh)
	f.insert(sessions...)
	f.plans(sessions, "gold")
	since := f.mark()
	for _, words := range []string{"+plan:silver", "-plan:gold", "+vip +plan:gold"} {
		f.expectError(failure(f.Store.Update(f.ctx, sessioncleanup.Target{ID: sessions[0].ID}, tags(words))), sessioncleanup.ErrInvalid, "Update with %s", words)
	}
	f.expectEach("afterwards", sessions, "plan:gold", "")
	f.expectLog("afterwards", since)
	f.tagged(sessions[0], "+plan +vip")
	f.expectEach("with tags that are like it", sessions, "plan plan:gold vip", "")
}

func planArchived(f *fixture) {
	sessions := many(1, 2, f.dueForDeletion)
	f.insert(sessions...)
	f.plans(sessions, "gold")
	f.tagged(sessions[0], "vip")
	f.archives()
	for _, s := range sessions {
		f.archive(s.ID)
	}
	f.insert(f.fresh(1)) // has the id, and no plan
	f.expectEach("the next one", sessions, "")
	f.remove(sessions[0].ID)
	all := f.expectArchived("after the deletions", idsOf(sessions)...)
	f.restore(sessioncleanup.RestoreRequest{IDs: entriesOf(all), Cause: person("back")})
	f.expectEach("after they were restored", sessions, "plan:gold vip", "")
	f.plans(sessions, "silver", "gold")
	f.expectEach("after a change of that", sessions, "plan:silver vip", "plan:gold")
}

func rulesOfPlan(f *fixture) {
	f.ruled()
	sessions := many(1, 3, f.dueForDeletion)
	f.insert(sessions...)
	f.plans(sessions, "gold", "free", "gold")
	t := f.pinned(sessioncleanup.Policy{Rules: "plan:gold: delete=never"})
	b := f.batchOf("rules", everything)
	b.Cutoffs = t.At(f.now)
	f.expectIDs("sessions deleted first", f.sweep(deletion, b, nil), sessions[1].ID)
	f.plans(sessions, "free")
	f.expectIDs("sessions deleted by the next run", f.sweep(deletion, b, nil), sessions[0].ID)
	f.expectIDs("sessions deleted by a third", f.sweep(deletion, b, nil))
}
