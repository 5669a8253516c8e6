package runmodel

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// Rule is a rule of the policy for sessions with a tag.
type Rule struct {
	Tag              string
	Inactive, Delete float64 // seconds; 0: what the policy says; +Inf: never
	Warn             bool    // deletions wait for a warning, which nobody delivers in these tests
}

// byDefault is what applies to sessions without a rule.
var byDefault = Rule{Inactive: Day, Delete: 30 * Day}

// tags are the tags of random sessions. Some of them have no rule.
var tags = []string{"vip", "test", "gold", "a-b", "vi", "other"}

// RandomRules returns rules for some of the tags. No random session is so old that it is close to one of their
// thresholds.
func RandomRules(r *rand.Rand) (all []Rule) {
	never := math.Inf(1)
	for _, tag := range tags[:5] {
		rule := Rule{
			Tag: tag, Warn: r.IntN(6) == 0,
			Inactive: []float64{0, 0, 0.5, 2, 7, 100, never}[r.IntN(7)] * Day, Delete: []float64{0, 0, 2, 7, 41, 100, 200, never}[r.IntN(8)] * Day,
		}
		if r.IntN(3) > 0 && rule != (Rule{Tag: tag}) {
			all = append(all, rule)
		}
	}
	return all
}

// PolicyOf returns the default policy with these rules and small batches.
func PolicyOf(rules []Rule) sessioncleanup.Policy {
	span := func(name string, seconds float64) string {
		switch {
		case seconds == 0:
			return ""
		case math.IsInf(seconds, 1):
			return " " + name + "=never"
		default:
			return fmt.Sprintf(" %s=%.0fs", name, seconds)
		}
	}
	var texts []string
	for _, r := range rules {
		text := r.Tag + ":" + span("inactive", r.Inactive) + span("delete", r.Delete)
		if r.Warn {
			text += " warn=1h"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		texts = []string{sessioncleanup.NoRules}
	}
	return sessioncleanup.Policy{BatchSize: 7, Rules: strings.Join(texts, "; ")}
}

// ruled combines the rules for a session with the given tags: the longest of each threshold wins.
func (m *Model) ruled(has []string) Rule {
	found := []Rule{}
	for _, r := range m.Rules {
		if !slices.Contains(has, r.Tag) {
			continue
		}
		if r.Inactive == 0 {
			r.Inactive = byDefault.Inactive
		}
		if r.Delete == 0 {
			r.Delete = byDefault.Delete
		}
		found = append(found, r)
	}
	if len(found) == 0 {
		return byDefault
	}
	all := Rule{}
	for _, r := range found {
		all.Inactive, all.Delete, all.Warn = max(all.Inactive, r.Inactive), max(all.Delete, r.Delete), all.Warn || r.Warn
	}
	return all
}

// RandomFilter selects sessions by tags, or all of them.
func RandomFilter(r *rand.Rand) string {
	return []string{"", "", "-vip", "test|gold", "-gold|other -a-b", "vi|vip|test -other"}[r.IntN(6)]
}

// ever reports whether something holds for the tags that a session has, or had at some of the moments: for whether the filter
// selects them, and what the rules say about them.
func (m *Model) ever(s *Session, at [][]string, holds func(selected bool, r Rule) bool) bool {
	return slices.ContainsFunc(append([][]string{s.Tags}, at...), func(has []string) bool {
		return holds(sessioncleanup.Filter{Tags: m.Filter}.Matches(sessioncleanup.Session{Tags: has}), m.ruled(has))
	})
}

// Retag adds and removes n tags of random sessions: with a statement of the application or, when there is a manager,
// sometimes with the manager.
func (m *Model) Retag(t *testing.T, r *rand.Rand, n int, manager *sessioncleanup.Manager) {
	t.Helper()
	ids, rows := slices.Sorted(maps.Keys(m.Sessions)), m.Rows(t)
	for range n {
		id, tag, add := ids[r.IntN(len(ids))], tags[r.IntN(len(tags))], r.IntN(3) > 0
		s, change := m.Sessions[id], sessioncleanup.TagChange{Remove: []string{tag}}
		if add {
			change = sessioncleanup.TagChange{Add: []string{tag}}
		}
		if s.had = append(s.had, s.Tags); rows[id] != nil && off(rows[id][m.Active]) != s.Active {
			s.acted = nil // nothing was done to it by the tags that it had
		} else {
			s.acted = append(s.acted, s.Tags)
		}
		s.Tags = change.Apply(s.Tags)
		if manager == nil || r.IntN(2) == 0 {
			m.Tag(t, id, tag, add)
		} else if _, err := manager.Tag(t.Context(), id, change); err != nil {
			t.Fatalf("tag session %s %v: %v", id, change, err)
		}
	}
}

// settled forgets the earlier tags of sessions. Call it when nothing runs.
func (m *Model) settled() {
	for _, s := range m.Sessions {
		s.had, s.acted = nil, nil
	}
}

// listed is a list with all of its pages: a page may have fewer sessions than asked for, and a Next.
func listed(t *testing.T, store sessioncleanup.Store, q sessioncleanup.Query) sessioncleanup.Page {
	t.Helper()
	first, err := store.List(t.Context(), q)
	q.CountUpTo = 0
	for page := first; err == nil && page.Next != nil; {
		q.After = page.Next
		page, err = store.List(t.Context(), q)
		first.Sessions = append(first.Sessions, page.Sessions...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// Agree compares the store's status of each session under a policy with sessioncleanup.Cutoffs and, when view is not
// nil, with the view, which follows the stored policy. Nobody may write meanwhile.
func (m *Model) Agree(t *testing.T, store sessioncleanup.Store, p sessioncleanup.Policy, view func() map[string]string) {
	t.Helper()
	m.settled()
	thresholds := p.Thresholds()
	thresholds.Now = time.UnixMilli(int64(m.Now(t) * 1000)).UTC()
	q := sessioncleanup.Query{Thresholds: thresholds, Limit: math.MaxInt32, CountUpTo: math.MaxInt32}
	all := listed(t, store, q)
	counts, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Thresholds: thresholds})
	if err != nil {
		t.Fatal(err)
	}
	var shown map[string]string
	if view != nil {
		shown = view()
	}
	cut, later := counts.Cutoffs, p.CutoffsAt(time.UnixMilli(int64(m.Now(t)*1000)))
	later.Untracked = cut.Untracked
	want, by := map[sessioncleanup.Status]int{}, map[string]sessioncleanup.Session{}
	for _, s := range all.Sessions {
		by[s.ID] = s
		if known := m.Sessions[s.ID]; known != nil && !slices.Equal(known.Tags, s.Tags) {
			t.Errorf("session %s has the tags %q, want %q", s.ID, s.Tags, known.Tags)
		}
		status := cut.Status(s)
		want[status]++
		if got := shown[s.ID]; view != nil && got != string(status) && got != string(later.Status(s)) {
			t.Errorf("with the rules %q, session %s is %s, and the view says %q: %+v", p.Rules, s.ID, status, got, s)
		}
	}
	for _, status := range sessioncleanup.Statuses() {
		q.Status = status
		page := listed(t, store, q)
		got := page.Sessions
		for _, s := range got {
			if is := cut.Status(by[s.ID]); is != status {
				t.Errorf("with the rules %q, session %s is listed as %s, and is %s: %+v\n%+v", p.Rules, s.ID, status, is, s, cut)
			}
		}
		if len(got) != want[status] || page.Total != len(got) {
			t.Errorf("with the rules %q, %d sessions are listed as %s, and counted as %d: want %d", p.Rules, len(got), status, page.Total, want[status])
		}
	}
	m.agreeRules(t, store, p, all.Sessions)
	for _, figure := range []struct {
		name      string
		got, want int
	}{
		{"sessions", counts.Total, len(all.Sessions)},
		{"due for deactivation", counts.DueForDeactivation, want[sessioncleanup.StatusToDeactivate]},
		{"due for deletion", counts.DueForDeletion, want[sessioncleanup.StatusToDelete]},
		{"protected", counts.Protected, want[sessioncleanup.StatusProtected]},
	} {
		if figure.got != figure.want {
			t.Errorf("with the rules %q, the figures have %d %s, want %d", p.Rules, figure.got, figure.name, figure.want)
		}
	}
}

// agreeRules compares what a dry run says about each rule with the sessions.
func (m *Model) agreeRules(t *testing.T, store sessioncleanup.Store, p sessioncleanup.Policy, sessions []sessioncleanup.Session) {
	t.Helper()
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	var result sessioncleanup.Result
	if err == nil {
		result, err = manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	plain := result.Cutoffs
	plain.Rules = nil
	var want []sessioncleanup.RuleEffect
	for _, r := range result.Cutoffs.Rules {
		effect := sessioncleanup.RuleEffect{Tag: r.Tag}
		for _, s := range sessions {
			for action, counts := range map[sessioncleanup.Action][2]*int{
				sessioncleanup.ActionDeleted: {&effect.Deletes, &effect.KeepsFromDeletion}, sessioncleanup.ActionDeactivated: {&effect.Deactivates, &effect.KeepsActive},
			} {
				switch due := result.Cutoffs.Due(action, s); {
				case result.Cutoffs.DecidedBy(action, s.Tags) != r.Tag:
				case due:
					*counts[0]++
				case plain.Due(action, s):
					*counts[1]++
				}
			}
		}
		want = append(want, effect)
	}
	if diff := cmp.Diff(want, result.Rules); diff != "" {
		t.Errorf("with the rules %q, a dry run says about them (-want +got):\n%s", p.Rules, diff)
	}
}
