package sessioncleanup_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const ruleDay = 24 * time.Hour

func TestRulesAreReadAndWrittenInOneForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "none",
		" none ":                   "none",
		"vip: delete=never":        "vip: delete=never",
		" vip :delete=never ;":     "vip: delete=never",
		"b: warn=1h; a: delete=1d": "a: delete=1d; b: warn=1h",
		"plan:free: archive=1.5d inactive=90m delete=36h": "plan:free: inactive=1h30m delete=1d12h archive=1d12h",
		"x: delete=1d1h1m1s":                              "x: delete=1d1h1m1s",
	} {
		rules, err := sessioncleanup.ParseRules(text)
		if got := sessioncleanup.FormatRules(rules); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
		again, err := sessioncleanup.ParseRules(want)
		if err != nil || sessioncleanup.FormatRules(again) != want {
			t.Errorf("%q is not read as it is written: %v, %v", want, again, err)
		}
	}
}

func TestAWrongRuleIsNamed(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"vip":                                   "no colon",
		"vip: ":                                 "sets no threshold",
		"VIP: delete=1d":                        `"VIP"`,
		": delete=1d":                           "tag",
		"vip: remove=1d":                        `"remove=1d"`,
		"vip: delete=1x":                        `"1x"`,
		"vip: delete=-1d":                       `"-1d"`,
		"vip: delete=0d":                        `"0d"`,
		"vip: delete=":                          "delete",
		"vip: delete=1d delete=2d":              "twice",
		"vip: delete=1000000d":                  "1000000d",
		"vip: delete=NaNd":                      "NaNd",
		"vip: delete=1ns":                       "1ns",
		"vip: delete=1d; vip: inactive=1d":      "two rules",
		"vip: delete=1d warn=1d":                "WarnBefore is 1d",
		"vip: warn=60d":                         "WarnBefore is 60d",
		strings.Repeat("x", 51) + ": delete=1d": "tag",
	} {
		err := sessioncleanup.Policy{Rules: text}.Validate()
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "Policy.Rules") {
			t.Errorf("%q: error %v, want an ErrInvalid with %q", text, err, part)
		}
	}
	var many []string
	for i := range 51 {
		many = append(many, "t"+strings.Repeat("x", i%40)+string(rune('a'+i/40))+": delete=1d")
	}
	if err := (sessioncleanup.Policy{Rules: strings.Join(many, ";")}).Validate(); err == nil || !strings.Contains(err.Error(), "51 rules") {
		t.Errorf("51 rules: %v", err)
	}
	if err := (sessioncleanup.Policy{Rules: strings.Join(many[1:], ";")}).Validate(); err != nil {
		t.Errorf("50 rules: %v", err)
	}
}

// The longest of several rules wins, threshold by threshold; each is completed by the policy first.
func TestTheLongestRuleOfASessionWins(t *testing.T) {
	t.Parallel()
	p := sessioncleanup.Policy{
		InactiveAfter: ruleDay, DeleteAfter: 30 * ruleDay, WarnBefore: 7 * ruleDay, TouchInterval: time.Minute, Undeliverable: sessioncleanup.UndeliverableProceed,
		Rules: "short: inactive=1h delete=2d warn=1d; long: delete=90d warn=20d; never: inactive=never delete=never; silent: warn=never",
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for tags, want := range map[string]sessioncleanup.Policy{
		"":              {},
		"other":         {},
		"short":         {InactiveAfter: time.Hour, DeleteAfter: 2 * ruleDay, WarnBefore: ruleDay},
		"long":          {DeleteAfter: 90 * ruleDay, WarnBefore: 20 * ruleDay},
		"long short":    {DeleteAfter: 90 * ruleDay, WarnBefore: 20 * ruleDay},
		"never short":   {InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never},
		"short silent":  {WarnBefore: ruleDay},
		"silent":        {WarnBefore: sessioncleanup.Never},
		"long silent x": {DeleteAfter: 90 * ruleDay, WarnBefore: 20 * ruleDay},
	} {
		alone := want.Or(p)
		alone.Rules = ""
		of := p.Thresholds().For(strings.Fields(tags))
		if of.Delete == 0 {
			of.Warn = 0
		}
		proceeds := of.Proceed
		of.Proceed = alone.Thresholds().Proceed
		if diff := cmp.Diff(alone.Thresholds(), of); diff != "" || !proceeds {
			t.Errorf("thresholds with the tags %q: %s", tags, diff)
		}
		got := p.CutoffsAt(now).For(strings.Fields(tags))
		got.Proceed = false
		if diff := cmp.Diff(alone.CutoffsAt(now), got); diff != "" {
			t.Errorf("cutoffs with the tags %q: %s", tags, diff)
		}
	}
}

func TestASessionSaysWhichTagKeepsIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cut := sessioncleanup.Policy{Rules: "a: delete=90d; b: delete=1d inactive=never; c: delete=never; same: delete=30d"}.CutoffsAt(now)
	for tags, want := range map[string][2]string{
		"":      {"", ""},
		"other": {"", ""},
		"same":  {"", ""},
		"a":     {"", "a"},
		"a b":   {"b", "a"},
		"a b c": {"b", "c"},
		"b":     {"b", "b"},
	} {
		s := cut.Measure(sessioncleanup.Session{ID: "1", Active: true, AutoCleanup: true, LastActivity: now, Tags: strings.Fields(tags)})
		if got := [2]string{s.DeactivateRule, s.DeleteRule}; got != want {
			t.Errorf("a session with the tags %q is deactivated and deleted by %q, want %q", tags, got, want)
		}
	}
}

func TestARunFollowsTheRulesInAllItsPhases(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Config{})
	long := time.Now().Add(-100 * ruleDay)
	for _, s := range []sessioncleanup.Session{
		{ID: "plain"}, {ID: "vip", Tags: []string{"vip"}}, {ID: "both", Tags: []string{"test", "vip"}}, {ID: "test", Tags: []string{"test"}},
	} {
		s.AutoCleanup, s.LastActivity = true, long
		old := s
		old.ID, old.DeactivatedAt = "old-"+s.ID, long
		s.Active = true
		if err := store.Put(s, old); err != nil {
			t.Fatal(err)
		}
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{
		InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, Rules: "vip: inactive=never delete=200d; test: inactive=1h delete=1d",
	}})
	if err != nil {
		t.Fatal(err)
	}
	dry, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
	if err != nil || dry.Deleted() != 1 || dry.Deactivated() != 1 {
		t.Fatalf("the dry run: %+v, %v; want one of each", dry.Phases, err)
	}
	effects := []sessioncleanup.RuleEffect{{Tag: "test", Deletes: 1, Deactivates: 1}, {Tag: "vip"}}
	if diff := cmp.Diff(effects, dry.Rules); diff != "" {
		t.Errorf("what the rules do where the policy's own thresholds are off (-want +got):\n%s", diff)
	}
	for _, s := range dry.Sessions {
		if s.ID != "test" && s.ID != "old-test" {
			t.Errorf("the dry run names session %s", s.ID)
		}
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deleted() != 1 || result.Deactivated() != 1 {
		t.Fatalf("the run: %+v, %v; want one of each", result.Phases, err)
	}
	if _, err := m.Get(t.Context(), "old-test"); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("the session that a rule deletes: %v", err)
	}
}

func TestADryRunSaysWhatEachRuleDoes(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Config{})
	now := time.Now()
	put := func(count int, active bool, days float64, tags string) {
		for range count {
			at := now.Add(-time.Duration(days * float64(ruleDay)))
			s := sessioncleanup.Session{ID: rand.Text(), OwnerID: "1", Active: active, AutoCleanup: true, LastActivity: at, Tags: strings.Fields(tags)}
			if !active {
				s.DeactivatedAt = at
			}
			if err := store.Put(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1, false, 40, "")
	put(2, false, 40, "vip")
	put(3, false, 40, "test vip")     // vip keeps
	put(4, false, 5, "test")          // test deletes
	put(5, false, 40, "gold other")   // gold keeps for 60 days
	put(6, false, 70, "gold")         // and then deletes
	put(7, true, 0.1, "test")         // test deactivates
	put(8, true, 2, "vip")            // vip keeps active
	put(9, false, 1, "gold test vip") // nobody would delete
	p := sessioncleanup.Policy{Rules: "vip: inactive=never delete=never; test: inactive=1h delete=1d; gold: delete=60d"}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	of := func(run sessioncleanup.Run) []sessioncleanup.RuleEffect {
		run.DryRun = true
		dry, err := m.Cleanup(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return dry.Rules
	}
	want := []sessioncleanup.RuleEffect{
		{Tag: "gold", Deletes: 6, KeepsFromDeletion: 5}, {Tag: "test", Deletes: 4, Deactivates: 7}, {Tag: "vip", KeepsFromDeletion: 5, KeepsActive: 8},
	}
	if diff := cmp.Diff(want, of(sessioncleanup.Run{})); diff != "" {
		t.Errorf("what the rules do (-want +got):\n%s", diff)
	}
	want = []sessioncleanup.RuleEffect{{Tag: "gold"}, {Tag: "test"}, {Tag: "vip", KeepsFromDeletion: 2, KeepsActive: 8}}
	if diff := cmp.Diff(want, of(sessioncleanup.Run{Filter: sessioncleanup.Filter{Tags: "vip -test"}})); diff != "" {
		t.Errorf("what the rules do to some sessions (-want +got):\n%s", diff)
	}
	put(10_001, false, 40, "vip")
	if got := of(sessioncleanup.Run{})[2]; !got.More || got.KeepsFromDeletion > 10_000 || got.KeepsFromDeletion < 9000 {
		t.Errorf("with more sessions than are examined, the rule does %+v", got)
	}
}

// ruleless is a store without an optional interface.
type ruleless struct{ sessioncleanup.Store }

func TestAStoreThatDoesNotFollowRulesRefusesThem(t *testing.T) {
	t.Parallel()
	p := sessioncleanup.Policy{Rules: "vip: delete=never"}
	for _, c := range []sessioncleanup.Config{{Policy: p}, {Stored: &p}} {
		if _, err := sessioncleanup.New(ruleless{memory.New(memory.Config{})}, c); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "ruleless") {
			t.Errorf("New: %v, want an errors.ErrUnsupported that names the store", err)
		}
	}
	if _, err := sessioncleanup.New(ruleless{memory.New(memory.Config{})}, sessioncleanup.Config{Policy: sessioncleanup.Policy{Rules: sessioncleanup.NoRules}}); err != nil {
		t.Errorf("New without rules: %v", err)
	}
}

func TestTheArchiveIsPurgedByTheRulesOfItsSessions(t *testing.T) {
	t.Parallel()
	p := sessioncleanup.Policy{ArchiveKeep: 10 * ruleDay, Rules: "a: archive=20d; b: archive=1d; c: archive=never; d: delete=1d"}.WithDefaults()
	for tags, want := range map[string]time.Duration{
		"": 10 * ruleDay, "x": 10 * ruleDay, "a": 20 * ruleDay, "a b": 20 * ruleDay, "b": ruleDay, "b c": sessioncleanup.Never, "b d": 10 * ruleDay,
	} {
		if got := p.ArchiveKeepOf(strings.Fields(tags)); got != want {
			t.Errorf("ArchiveKeepOf(%q) = %v, want %v", tags, got, want)
		}
	}
	now := time.Now()
	rules := []sessioncleanup.PurgeRule{{Tag: "a", Before: now.Add(-time.Hour)}, {Tag: "b", Before: now}, {Tag: "c"}}
	for tags, want := range map[string]time.Time{"": now.Add(time.Hour), "a": now.Add(-time.Hour), "b": now, "a b": now.Add(-time.Hour), "b c": {}} {
		if got := sessioncleanup.PurgeBefore(now.Add(time.Hour), rules, slices.Collect(strings.FieldsSeq(tags))); !got.Equal(want) {
			t.Errorf("PurgeBefore of %q is %v, want %v", tags, got, want)
		}
	}
}
