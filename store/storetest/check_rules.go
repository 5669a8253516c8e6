package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "rules" proves a store that is a RuleFollower; the checks are skipped for others.
func ruleChecks() []check {
	return []check{
		{"rules", "measures each session by its tags, in lists, figures and runs", rulesRandom},
		{"rules", "keeps a session as long as the longest of its tags says, for each threshold", rulesLongest},
		{"rules", "follows tags at once, whoever writes them, also in the middle of a run", rulesAtOnce},
		{"rules", "warns owners, waits for it and remembers it by the rules of their sessions", rulesWarnings},
		{"rules", "tells whoever sends a message the tags of its sessions", rulesMessages},
		{"rules", "purges the archive by the tags that sessions had", rulesArchive},
		{"rules", "measures a session by the tag of its column", rulesOfPlan},
	}
}

// followsRules reports whether the store measures sessions by rules.
func (f *fixture) followsRules() bool {
	follower, ok := sessioncleanup.StoreAs[sessioncleanup.RuleFollower](f.Store)
	return ok && follower.FollowsRules()
}

func (f *fixture) ruled() {
	f.Helper()
	if !f.followsRules() {
		f.Skipf("the store is no RuleFollower")
	}
}

// tags reports whether the walk tags sessions.
func (w *walk) tags() bool { return w.followsRules() }

// rules are those of policies for random data, from none to more than tags that any session has.
func rules() []string {
	return []string{
		"",
		"vip: delete=never",
		"test: inactive=1h delete=1d",
		"vip: inactive=never delete=never; test: inactive=2h delete=2d",
		"vip: inactive=48h delete=60d; test: inactive=1h; gold: delete=400d; unused: delete=1h",
		"test: inactive=never; vip: delete=1d; gold: inactive=1d delete=20d; a.b: delete=never; a-b: inactive=3d",
	}
}

// words are the tags of random sessions.
var words = []string{"vip", "test", "gold", "a.b", "a-b", "vi", "other"}

// tags is a random change of tags.
func (g *generator) tags() sessioncleanup.Change {
	c := sessioncleanup.Change{Action: sessioncleanup.ActionTagged, Cause: cause("tags")}
	for _, word := range words {
		switch g.IntN(8) {
		case 0, 1:
			c.Tags.Add = append(c.Tags.Add, word)
		case 2, 3, 4:
			c.Tags.Remove = append(c.Tags.Remove, word)
		}
	}
	return c
}

// taggedStock inserts n random sessions with random tags.
func (f *fixture) taggedStock(n int) (*generator, *model) {
	f.Helper()
	g := f.generator()
	m := f.hold(many(1, n, g.session)...)
	for i, s := range m.sessions {
		if g.chance(70) {
			m.sessions[i] = f.update(sessioncleanup.Target{ID: s.ID}, g.tags())
		}
	}
	return g, m
}

func rulesRandom(f *fixture) {
	f.ruled()
	g, m := f.taggedStock(150)
	filters := []sessioncleanup.Filter{{}, {OwnerID: f.owner(2)}, {Tags: "vip"}, {Tags: "-test", Text: "a"}}
	for _, p := range []sessioncleanup.Policy{{}, policies()[g.IntN(len(policies()))]} {
		for _, p.Rules = range rules() {
			t := f.pinned(p)
			for _, filter := range []sessioncleanup.Filter{{}, pick(g, filters[1:]...)} {
				f.expectCounts(m, sessioncleanup.CountsQuery{Filter: filter, Thresholds: t})
				for _, status := range sessioncleanup.Statuses() {
					q := sessioncleanup.Query{Filter: filter, Status: status, Thresholds: t, Sort: pick(g, sessioncleanup.Sorts()...), Limit: everything, CountUpTo: everything}
					want, got := idsOf(m.list(q)), f.page(q)
					what := fmt.Sprintf("%s of %+v with the rules %q", status, filter, p.Rules)
					if diff := inOrder(want, idsOf(got.Sessions)); diff != "" {
						f.Errorf("%s: %s", what, diff)
					}
					if got.Total != len(want) {
						f.Errorf("%s: counts %d, want %d", what, got.Total, len(want))
					}
				}
			}
		}
	}
	var p sessioncleanup.Policy
	for _, p.Rules = range rules() {
		f.expectRun(m, f.pinned(p), sessioncleanup.Filter{OwnerID: pick(g, f.owner(1), f.owner(2), f.owner(3))}, 1+g.IntN(5))
	}
	p = sessioncleanup.Policy{InactiveAfter: 12 * time.Hour, DeleteAfter: 7 * day, Rules: rules()[3]}
	f.expectRun(m, f.pinned(p), sessioncleanup.Filter{}, 3)
	f.expectSessions("after the runs", m.sessions...)
}

func rulesLongest(f *fixture) {
	f.ruled()
	const text = "long: inactive=10d delete=90d; short: inactive=1h delete=2d; never: inactive=never delete=never; half: delete=40d"
	sessions, t := map[string]sessioncleanup.Status{}, f.pinned(sessioncleanup.Policy{Rules: text})
	what := map[string]string{}
	for i, c := range []struct {
		tags      string
		idle      time.Duration
		used      sessioncleanup.Status // of an active session that is unused for so long
		abandoned sessioncleanup.Status // of an inactive one
	}{
		{"", 25 * time.Hour, toDeactivate, inactive},
		{"", 31 * day, toDeactivate, toDelete},
		{"other", 31 * day, toDeactivate, toDelete},
		{"long", 9 * day, active, inactive},
		{"long", 80 * day, toDeactivate, inactive},
		{"long", 91 * day, toDeactivate, toDelete},
		{"short", 2 * time.Hour, toDeactivate, inactive},
		{"short", 3 * day, toDeactivate, toDelete},
		{"short long", 9 * day, active, inactive},
		{"short long", 91 * day, toDeactivate, toDelete},
		{"never short long", 900 * day, active, inactive},
		{"half", 2 * day, toDeactivate, inactive},
		{"half", 39 * day, toDeactivate, inactive},
		{"half short", 25 * time.Hour, toDeactivate, inactive}, // half leaves open what short would shorten
		{"half short", 23 * time.Hour, active, inactive},
		{"half short other", 41 * day, toDeactivate, toDelete},
	} {
		both := []sessioncleanup.Session{f.session(1000+2*i, true, f.now.Add(-c.idle)), f.session(1001+2*i, false, f.now.Add(-c.idle))}
		f.insert(both...)
		for n, s := range both {
			if c.tags != "" {
				f.tagged(s, c.tags)
			}
			sessions[s.ID], what[s.ID] = []sessioncleanup.Status{c.used, c.abandoned}[n], fmt.Sprintf("a session with the tags %q, unused for %v", c.tags, c.idle)
		}
	}
	for _, status := range sessioncleanup.Statuses() {
		var want []string
		for id, is := range sessions {
			if is == status {
				want = append(want, id)
			}
		}
		listed := idsOf(f.page(sessioncleanup.Query{Status: status, Thresholds: t, Limit: everything}).Sessions)
		f.expectIDs("listed as "+string(status), listed, want...)
		for _, id := range listed {
			if sessions[id] != status {
				f.Errorf("%s, is listed as %s", what[id], status)
			}
		}
	}
}

func rulesAtOnce(f *fixture) {
	f.ruled()
	f.insert(many(1, 12, f.dueForDeletion)...)
	b := f.batchOf("rules", 2)
	b.Cutoffs = f.pinned(sessioncleanup.Policy{Rules: "vip: delete=never; slow: delete=90d; quick: delete=1d"}).At(f.now)
	for _, n := range []int{1, 2} {
		f.tagged(f.dueForDeletion(n), "vip")
	}
	first, err := f.batch(deletion, b)
	for err == nil && len(first.IDs) == 0 && first.Next != "" { // a store may first note which sessions follow which rule
		b.After = first.Next
		first, err = f.batch(deletion, b)
	}
	if err != nil || len(first.IDs) == 0 {
		f.Fatalf("the first batch that deletes deleted %v, %v; want up to two sessions", first.IDs, err)
	}
	left := f.all()
	kept := []string{f.id(1), f.id(2)}
	want := []string{}
	for i, s := range left {
		if slices.Contains(kept, s.ID) {
			continue
		}
		switch i % 4 {
		case 0:
			f.tagged(s, "vip")
			kept = append(kept, s.ID)
		case 1:
			if f.Tag != nil {
				f.must(f.Tag(f.ctx, s.ID, "slow"), "Harness.Tag")
				kept = append(kept, s.ID)
			}
		case 2:
			f.tagged(s, "vip quick")
			f.tagged(s, "-vip")
		}
		if !slices.Contains(kept, s.ID) {
			want = append(want, s.ID)
		}
	}
	b.After = first.Next
	changed := f.sweep(deletion, b, nil)
	for _, id := range changed {
		if slices.Contains(kept, id) {
			f.Errorf("session %s was deleted although its tags keep it", id)
		}
	}
	b.After = "" // what got another tag in the middle of a run may be left to the next one
	f.expectIDs("sessions deleted by the run and the next", append(changed, f.sweep(deletion, b, nil)...), want...)
	for _, id := range kept {
		f.tagged(sessioncleanup.Session{ID: id}, "-vip -slow")
	}
	f.expectIDs("sessions deleted without their tags", f.sweep(deletion, b, nil), kept...)
}

// ruledWarnings are thresholds with warnings by tag, measured after a while.
func (f *fixture) ruledWarnings(after time.Duration) sessioncleanup.Thresholds {
	t := f.pinned(sessioncleanup.Policy{WarnBefore: notice, Rules: "soon: delete=2d warn=1d; silent: warn=never; early: warn=20d; vip: delete=never"})
	t.Now = f.now.Add(after)
	return t
}

func rulesWarnings(f *fixture) {
	f.outbox()
	f.ruled()
	g := f.generator()
	f.insert(many(1, 120, g.session)...)
	for _, s := range f.all() {
		if g.chance(70) {
			f.tagged(s, pick(g, "soon", "silent", "early", "vip", "soon early", "silent soon", "silent vip", "other", "early silent soon"))
		}
	}
	t := f.ruledWarnings(0)
	for _, filter := range []sessioncleanup.Filter{{OwnerID: f.owner(2)}, {}} {
		q := sessioncleanup.Query{Filter: filter, Status: sessioncleanup.SelectToWarn, Thresholds: t, Limit: everything}
		want := idsOf(q.Answer(f.all(), f.now).Sessions)
		f.expectIDs(fmt.Sprintf("warnings of %+v", filter), f.warn(sessioncleanup.Batch{Filter: filter, Cutoffs: t.At(f.now), Limit: 7}), want...)
	}
	f.deliver(func(m sessioncleanup.NoticeMessage) sessioncleanup.NoticeOutcome {
		if m.OwnerID == f.owner(3) {
			return sessioncleanup.NoticeOutcome{GivenUp: true}
		}
		return delivered(m)
	})
	f.expectSelections("just after them", f.ruledWarnings(day))
	t = f.ruledWarnings(notice + time.Minute)
	t.Proceed = true
	f.expectSelections("long after them, whatever was not delivered", t)
	for _, after := range []time.Duration{0, day + time.Minute, 5 * notice} {
		t := f.ruledWarnings(after)
		q := sessioncleanup.Query{Status: toDelete, Thresholds: t, Limit: everything}
		want := idsOf(q.Answer(f.all(), f.now).Sessions)
		f.expectIDs(fmt.Sprintf("sessions deleted after %v", after), f.sweepAt(t), want...)
	}
}

func rulesMessages(f *fixture) {
	f.outbox()
	f.ruled()
	f.insert(f.dueForDeletion(1), f.dueForDeletion(2), f.session(3, false, f.now.Add(-3*day)))
	f.tagged(f.dueForDeletion(1), "vip")
	f.tagged(f.dueForDeletion(2), "early other")
	f.tagged(f.session(3, false, f.now), "soon")
	t := f.ruledWarnings(0)
	f.expectIDs("sessions whose owners are warned", f.warn(sessioncleanup.Batch{Cutoffs: t.At(f.now), Limit: 9}), f.id(2), f.id(3))
	want := map[string][]string{f.id(2): {"early", "other"}, f.id(3): {"soon"}}
	expect := func(what string, m sessioncleanup.NoticeMessage) {
		f.Helper()
		if len(m.Notices) != 2 {
			f.Fatalf("%s: the message is %+v, want two notices", what, m)
		}
		for _, n := range m.Notices {
			if !slices.Equal(n.Tags, want[n.SessionID]) {
				f.Errorf("%s: session %s has the tags %q, want %q", what, n.SessionID, n.Tags, want[n.SessionID])
			}
		}
	}
	m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "first", Thresholds: t})
	expect("the warning", m)
	f.settle(sessioncleanup.NoticeOutcome{Message: m.ID, Delivered: true, Attempted: true})
	if reminder, ok := sessioncleanup.StoreAs[sessioncleanup.Reminder](f.Store); ok {
		// One is deleted in a day, as soon as it was warned for that long, the other in 20 days.
		n, err := reminder.Remind(f.ctx, sessioncleanup.Reminding{Thresholds: t, Before: []time.Duration{25 * time.Hour}})
		if err != nil || n != 1 || f.notices(sessioncleanup.NoticeQuery{})[f.id(3)].Stage != 1 {
			f.Errorf("Remind a day before a deletion: %d, %v; want the one that is deleted in a day", n, err)
		}
		m := f.claim(sessioncleanup.NoticeClaim{NewMessage: "reminder", Thresholds: t})
		f.settle(sessioncleanup.NoticeOutcome{Message: m.ID, Delivered: true, Attempted: true})
		t = f.ruledWarnings(21 * day)
		f.expectIDs("sessions deleted after the warnings", f.sweepAt(t), f.id(2), f.id(3))
		expect("the message about the deletions", f.claim(sessioncleanup.NoticeClaim{NewMessage: "gone", Thresholds: t}))
	}
}

func rulesArchive(f *fixture) {
	f.archives()
	f.ruled()
	sessions := many(1, 6, f.dueForDeletion)
	f.insert(sessions...)
	had := map[string]string{f.id(2): "vip", f.id(3): "short", f.id(4): "short vip", f.id(5): "long other", f.id(6): "other"}
	for id, words := range had {
		f.tagged(sessioncleanup.Session{ID: id}, words)
	}
	b := f.batchOf("archived", everything)
	b.Archive, b.Filter = archiving(), sessioncleanup.Filter{Tags: "-other"}
	f.sweep(deletion, b, nil)
	for _, n := range []int{5, 6} {
		f.archive(f.id(n))
	}
	all := f.expectArchived("after the deletions", idsOf(sessions)...)
	for _, e := range all {
		if want := slices.Sorted(strings.FieldsSeq(had[e.SessionID])); !slices.Equal(e.Tags, want) {
			f.Errorf("the entry of session %s has the tags %q, want %q", e.SessionID, e.Tags, want)
		}
	}
	soon := f.clock().Add(time.Minute)
	long := soon.Add(-30 * day)
	rules := []sessioncleanup.PurgeRule{{Tag: "vip"}, {Tag: "short", Before: soon}, {Tag: "long", Before: long}}
	for _, c := range []struct {
		what  string
		until time.Time
		want  []int // sessions
	}{
		{"with a moment for the others", soon, []int{1, 3, 6}}, {"with an earlier moment for the others", long, []int{3}}, {"without one", time.Time{}, []int{3}},
	} {
		var want []string
		for _, n := range c.want {
			want = append(want, f.id(n))
		}
		q := sessioncleanup.ArchiveQuery{Until: c.until, Rules: rules}
		f.expectIDs("entries that are due "+c.what, sessionsOf(f.archived(q)), want...)
		if n, err := f.archiver().CountArchived(f.ctx, q); err != nil || n != len(want) {
			f.Errorf("entries that are due %s: counted %d, %v; want %d", c.what, n, err, len(want))
		}
	}
	purge := sessioncleanup.Batch{Action: sessioncleanup.ActionPurged, Cause: cause("purge"), Limit: 2, PurgeRules: rules}
	f.expectIDs("purged without a moment for the others", f.purge(purge, time.Time{}), f.id(3))
	f.expectIDs("purged with a moment for the others", f.purge(purge, soon), f.id(1), f.id(6))
	f.expectArchived("after purging", f.id(2), f.id(4), f.id(5))
}
