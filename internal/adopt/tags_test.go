package adopt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

func TestColumnsThatMayTagSessionsAreFoundByNameAndType(t *testing.T) {
	t.Parallel()
	enumerated := table("sessions", "id number key", "plan text", "Tier text", "session_type text", "roomKind text", "category json", "level number", "archetype text",
		"explain text", "segment text unique", "edition text", "package text", "name text", "subscription text")
	enumerated.Columns[5].Values = []string{"chat", "poll"} // an enumeration
	d := adopt.Database{Tables: []adopt.Table{enumerated}}
	s := sessioncleanup.Schema{Table: "sessions", ID: "id", Name: "package", TagColumns: []string{"edition"}, Only: []sessioncleanup.Only{{Column: "subscription"}}}
	if got, want := d.TagCandidates(s), []string{"plan", "Tier", "session_type", "roomKind", "category"}; !slices.Equal(got, want) {
		t.Errorf("candidates are %q, want %q", got, want)
	}
	if got := d.TagCandidates(sessioncleanup.Schema{Table: "rooms"}); got != nil {
		t.Errorf("candidates of a table that is not there: %q", got)
	}
}

func TestAColumnIsProposedForTagsWhenItGroupsTheSessions(t *testing.T) {
	t.Parallel()
	var many []string
	for n := range adopt.TagValues + 1 {
		many = append(many, fmt.Sprint("v", n))
	}
	const want = "column Plan has few values: to have rules for the tags plan:free, plan:gold, add \"tag_columns\": [\"Plan\"] to the schema"
	if got := adopt.TagHint("Plan", []string{"gold", "Free"}); got != want {
		t.Errorf("the hint is %q, want %q", got, want)
	}
	for name, values := range map[string][]string{"none": nil, "one": {"free"}, "many": many, "one spelled twice": {"Gold", "gold"}, "no tags": {"free", "two words"}, "sentences": {"", "a b"}} {
		if got := adopt.TagHint("plan", values); got != "" {
			t.Errorf("with values of the kind %q the hint is %q, want none", name, got)
		}
	}
}
