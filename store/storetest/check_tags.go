package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "tags" proves a store that is a Tagger; the checks are skipped for others.
func tagChecks() []check {
	return []check{
		{"tags", "adds and removes tags of one session, with an event for each change", tagsChange},
		{"tags", "changes nothing when the condition does not hold", tagsConditional},
		{"tags", "knows what the application tags itself", tagsOfApplication},
		{"tags", "counts the sessions of each tag, of all or of one owner", tagsCounted},
		{"tags", "selects by tags in lists, counts and runs as Filter.Matches does", tagsSelect},
		{"tags", "forgets the tags of a session that is deleted, whatever gets its id", tagsEnd},
		{"tags", "archives and restores tags with their session, under a new id too", tagsArchived},
		{"tags", "has a tag follow a column, whoever writes it", planFollowed},
		{"tags", "lets nobody else set the tag of a column", planOnly},
		{"tags", "archives and restores the tag of a column", planArchived},
	}
}

func (f *fixture) tagger() sessioncleanup.Tagger { return optional[sessioncleanup.Tagger](f) }

// tags are a change, from words such as +vip and -test.
func tags(words string) sessioncleanup.Change {
	c, err := sessioncleanup.ParseTags(strings.Fields(words))
	if err != nil {
		panic(err)
	}
	return sessioncleanup.Change{Action: sessioncleanup.ActionTagged, Cause: person(words), Tags: c}
}

// tagged gives a session tags, with the change as its reason, and returns the session as it is then.
func (f *fixture) tagged(s sessioncleanup.Session, words string) sessioncleanup.Session {
	f.Helper()
	return f.update(sessioncleanup.Target{ID: s.ID}, tags(words))
}

func tagsChange(f *fixture) {
	f.tagger()
	sessions := many(1, 3, f.fresh)
	f.insert(sessions...)
	since := f.mark()
	for _, c := range []struct {
		session int
		change  string
		want    string // its tags afterwards
		writes  bool
	}{
		{0, "vip test:1", "test:1 vip", true},
		{1, "vip", "vip", true},
		{0, "vip", "test:1 vip", false},
		{0, "-absent", "test:1 vip", false},
		{0, "+a.b_c-d -vip", "a.b_c-d test:1", true},
		{0, "-a.b_c-d -test:1", "", true},
		{2, fmt.Sprintf("+%s 0", strings.Repeat("x", sessioncleanup.MaxTag)), "0 " + strings.Repeat("x", sessioncleanup.MaxTag), true},
	} {
		s := &sessions[c.session]
		s.Tags = nil
		if c.want != "" {
			s.Tags = strings.Fields(c.want)
		}
		if diff := difference(*s, f.tagged(*s, c.change)); diff != "" {
			f.Errorf("Update with %q returned a session with %s", c.change, diff)
		}
		f.expectSessions("after "+c.change, sessions...)
		var log []entry
		if c.writes {
			log = entries(sessioncleanup.ActionTagged, person(c.change), *s)
		}
		since = f.expectLog("after "+c.change, since, log...)
	}
	both := tags("+both")
	both.Active = sessioncleanup.Off
	if got := f.update(sessioncleanup.Target{ID: sessions[1].ID}, both); got.Active || !slices.Equal(got.Tags, []string{"both", "vip"}) {
		f.Errorf("Update of the tags and the state returned %+v", got)
	}
}

func tagsConditional(f *fixture) {
	f.tagger()
	s := f.fresh(1)
	f.insert(s)
	s = f.tagged(s, "vip")
	since := f.mark()
	seen := []string{}
	target := sessioncleanup.Target{ID: s.ID, If: func(s sessioncleanup.Session) bool {
		seen = s.Tags
		return false
	}}
	f.expectError(failure(f.Store.Update(f.ctx, target, tags("-vip +other"))), sessioncleanup.ErrChanged, "Update with a condition that does not hold")
	if !slices.Equal(seen, s.Tags) {
		f.Errorf("the condition saw the tags %q, want %q", seen, s.Tags)
	}
	f.expectError(failure(f.Store.Update(f.ctx, sessioncleanup.Target{ID: f.id(2)}, tags("+vip"))), sessioncleanup.ErrNotFound, "Update of the tags of no session")
	f.expectSessions("afterwards", s)
	f.expectLog("afterwards", since)
}

func tagsOfApplication(f *fixture) {
	f.tagger()
	if f.Tag == nil {
		f.Skipf("Harness.Tag is nil")
	}
	sessions := many(1, 2, f.fresh)
	f.insert(sessions...)
	f.must(f.Tag(f.ctx, sessions[0].ID, "vip", "test"), "Harness.Tag")
	sessions[0].Tags = []string{"test", "vip"}
	f.expectSessions("after the application's tags", sessions...)
	for _, wrong := range []string{"", "Upper", "with space", "é", "-sign", strings.Repeat("x", sessioncleanup.MaxTag+1)} {
		if err := f.Tag(f.ctx, sessions[1].ID, wrong); err == nil {
			f.Errorf("the application may write the tag %q", wrong)
		}
	}
	sessions[0].Tags = []string{"vip"}
	if diff := difference(sessions[0], f.tagged(sessions[0], "-test")); diff != "" {
		f.Errorf("without one of the application's tags: %s", diff)
	}
	f.expectSessions("after removing one of them", sessions...)
}

// expectTags requires the tags in use, such as "test=1 vip=2".
func (f *fixture) expectTags(what, owner, want string) {
	f.Helper()
	all, err := f.tagger().Tags(f.ctx, owner)
	var got []string
	for _, t := range all {
		got = append(got, fmt.Sprintf("%s=%d", t.Tag, t.Sessions))
	}
	if err != nil || strings.Join(got, " ") != want {
		f.Errorf("%s: Tags(%q) = %q, %v; want %q", what, owner, strings.Join(got, " "), err, want)
	}
}

func tagsCounted(f *fixture) {
	f.tagger()
	f.expectTags("in an empty store", "", "")
	sessions := many(1, 4, f.fresh)
	sessions[1].OwnerID, sessions[2].OwnerID = f.owner(2), ""
	f.insert(sessions...)
	for i, words := range []string{"vip a-b a.b", "vip", "vip zero", "zero"} {
		f.tagged(sessions[i], words)
	}
	f.expectTags("of all", "", "a-b=1 a.b=1 vip=3 zero=2")
	f.expectTags("of one owner", f.owner(1), "a-b=1 a.b=1 vip=1 zero=1")
	f.expectTags("of another owner", f.owner(2), "vip=1")
	f.expectTags("of an owner without sessions", f.owner(3), "")
	f.tagged(sessions[0], "-a-b -a.b -vip")
	f.expectTags("without those of one session", "", "vip=2 zero=2")
	f.remove(sessions[1].ID)
	f.expectTags("after a deletion", "", "vip=1 zero=2")
}

func tagsSelect(f *fixture) {
	f.tagger()
	var sessions []sessioncleanup.Session
	for n, words := range []string{"", "vip", "test", "vip test", "vip gold", "gold", "test demo", "vipp", "vi", "", "a-b a.b", "vip test gold demo"} {
		build := []func(int) sessioncleanup.Session{f.dueForDeletion, f.dueForDeactivation, f.fresh}[n%3]
		s := build(n)
		if n%4 == 3 {
			s.OwnerID = f.owner(2)
		}
		f.insert(s)
		if words != "" {
			s = f.tagged(s, words)
		}
		sessions = append(sessions, s)
	}
	filters := []sessioncleanup.Filter{
		{Tags: "vip"}, {Tags: "vip test"}, {Tags: "vip|test"}, {Tags: "-vip"}, {Tags: "-vip|test"}, {Tags: " vip  -gold "}, {Tags: "gold|demo -test vip"},
		{Tags: "a-b -none"}, {Tags: "none"}, {Tags: "vip", OwnerID: f.owner(2)}, {Tags: "vip", Text: "session 4"}, {Tags: "test", ID: f.id(3)}, {Tags: "-test", ID: f.id(3)},
	}
	for _, filter := range filters {
		if filter.OwnerID == "" && filter.Text == "" && filter.ID == "" {
			f.expectProfile(filter.Tags, slices.DeleteFunc(f.all(), func(s sessioncleanup.Session) bool { return !filter.Matches(s) }))
		}
		for _, status := range []sessioncleanup.Status{"", sessioncleanup.StatusToDelete, sessioncleanup.StatusToDeactivate, sessioncleanup.StatusActive} {
			var want []string
			for _, s := range sessions {
				if filter.Matches(s) && (status == "" || f.cut.Status(s) == status) {
					want = append(want, s.ID)
				}
			}
			what := fmt.Sprintf("%+v with status %q", filter, status)
			page := f.page(sessioncleanup.Query{Filter: filter, Status: status, Thresholds: f.pin, Limit: everything, CountUpTo: everything})
			f.expectIDs(what, idsOf(page.Sessions), want...)
			if page.Total != len(want) {
				f.Errorf("%s: counts %d, want %d", what, page.Total, len(want))
			}
		}
		counts, err := f.Store.Counts(f.ctx, sessioncleanup.CountsQuery{Filter: filter, Thresholds: f.pin})
		if want := len(slices.DeleteFunc(slices.Clone(sessions), func(s sessioncleanup.Session) bool { return !filter.Matches(s) })); err != nil || counts.Total != want {
			f.Errorf("Counts of %+v: %d, %v; want %d", filter, counts.Total, err, want)
		}
	}
	for _, c := range []struct {
		phase phase
		tags  string
	}{{deletion, "vip test"}, {deactivation, "vip -demo"}, {deletion, "-vip"}, {deactivation, "-gold"}} {
		b := f.batchOf("tagged", everything)
		b.Filter.Tags = c.tags
		var want []string
		for _, s := range f.all() {
			if b.Filter.Matches(s) && f.cut.Due(c.phase.action, s) {
				want = append(want, s.ID)
			}
		}
		f.expectIDs("the run of "+c.tags, f.sweep(c.phase, b, nil), want...)
	}
}

func tagsEnd(f *fixture) {
	f.tagger()
	sessions := many(1, 3, f.dueForDeletion)
	f.insert(sessions...)
	for i, s := range sessions {
		sessions[i] = f.tagged(s, "vip")
	}
	f.remove(sessions[0].ID)
	b := f.batchOf("gone", everything)
	b.Filter = byID(sessions[1].ID)
	f.expectIDs("the run", f.sweep(deletion, b, nil), sessions[1].ID)
	again := many(1, 2, f.fresh)
	f.insert(again...)
	f.expectSessions("after inserting the ids again", append(again, sessions[2])...)
}

func tagsArchived(f *fixture) {
	f.tagger()
	f.archives()
	sessions := many(1, 3, f.dueForDeletion)
	f.insert(sessions...)
	for i, words := range []string{"vip test", "other"} {
		sessions[i] = f.tagged(sessions[i], words)
	}
	b := f.batchOf("archived", everything)
	b.Archive, b.Filter = archiving(), byID(sessions[0].ID)
	f.sweep(deletion, b, nil)
	for _, s := range sessions[1:] {
		f.archive(s.ID)
	}
	f.expectTags("while archived", "", "")
	all := f.expectArchived("after the deletions", idsOf(sessions)...)
	f.restore(sessioncleanup.RestoreRequest{IDs: entriesOf(all), Cause: person("try"), DryRun: true})
	f.expectTags("after a dry run", "", "")
	f.restore(sessioncleanup.RestoreRequest{IDs: entriesOf(all), Cause: person("back")})
	for _, want := range sessions {
		if got := f.get(want.ID); !slices.Equal(got.Tags, want.Tags) {
			f.Errorf("session %s was restored with the tags %q, want %q", want.ID, got.Tags, want.Tags)
		}
	}
	first := f.archive(sessions[0].ID)
	f.insert(f.fresh(1)) // has its id
	renamed, err := f.archiver().Restore(f.ctx, sessioncleanup.RestoreRequest{IDs: []int64{first.ID}, NewIDs: []int64{first.ID}, Cause: person("again")})
	if errors.Is(err, sessioncleanup.ErrInvalid) {
		return // the store generates no ids
	}
	if err != nil || len(renamed.Obstacles) > 0 {
		f.Fatalf("Restore under a new id: %v, obstacles %v", err, renamed.Obstacles)
	}
	if got := f.get(sessions[0].ID); len(got.Tags) > 0 {
		f.Errorf("the session that has the id since got the tags %q", got.Tags)
	}
	if got := f.get(renamed.NewIDs[first.ID]); !slices.Equal(got.Tags, sessions[0].Tags) {
		f.Errorf("under its new id the session has the tags %q, want %q", got.Tags, sessions[0].Tags)
	}
}
