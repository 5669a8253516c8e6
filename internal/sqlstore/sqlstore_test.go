package sqlstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

func TestEveryStatementThatIsNamedIsInBothBackends(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	backends := map[string]sqlfile.Statements{}
	for _, name := range []string{"sqlite", "mysql"} {
		backends[name] = sqlfile.MustLoad(sqlfile.Folder{Files: root, Pattern: name + "/sql/*.sql"}, sqlfile.Folder{Files: root, Pattern: "migrations/" + name + "/[a-z]*.sql"})
	}
	named := regexp.MustCompile(`(?:SQL|MustFill)\("(\w+)"|"(archived_\w+|events_\w+|list_\w+|old_\w+|forget_\w+|add_value|change_value)"`)
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if file.Name() == "sqlstore_test.go" {
			continue
		}
		for _, match := range named.FindAllStringSubmatch(string(source), -1) {
			name := match[1] + match[2]
			found[name] = true
			for backend, statements := range backends {
				if _, there := statements[name]; !there {
					t.Errorf("%s names the statement %s, which %s does not have", file.Name(), name, backend)
				}
			}
		}
	}
	if len(found) < 50 {
		t.Errorf("found only %d names", len(found))
	}
}

func TestATimeIsScannedFromWhateverADriverReturns(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 29, 2, 30, 0, 120_000_000, time.UTC)
	for _, test := range []struct {
		value any
		want  time.Time
		fails bool
	}{
		{value: nil}, {value: ""}, {value: at, want: at},
		{value: "2026-03-29 02:30:00.120", want: at}, {value: []byte("2026-03-29 02:30:00.120000000"), want: at},
		{value: "yesterday", fails: true}, {value: int64(7), fails: true},
	} {
		got := time.Unix(1, 0) // must not be left
		err := sqlstore.Time(&got).Scan(test.value)
		if (err != nil) != test.fails {
			t.Errorf("%v: %v, want an error: %v", test.value, err, test.fails)
		}
		if !test.fails && !got.Equal(test.want) {
			t.Errorf("%v is read as %v, want %v", test.value, got, test.want)
		}
	}
}

func TestParametersHaveTheFormOfTheirBackend(t *testing.T) {
	t.Parallel()
	form := sqlstore.Form{
		ID:   func(id string) any { return []byte(id) },
		Time: func(at time.Time) any { return at.Unix() },
		List: func(list []any) any {
			text, err := json.Marshal(list)
			if err != nil {
				t.Error(err)
			}
			return string(text)
		},
	}
	got := form.Of(sqlstore.Params{"id": sqlstore.ID("a"), "at": time.Unix(5, 0), "list": sqlstore.List([]int64{1, 2}), "text": "b", "none": nil})
	want := map[string]any{"id": []byte("a"), "at": int64(5), "list": "[1,2]", "text": "b", "none": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTagColumnsAreGoneThroughAgainWhenAnythingAboutThemChanged(t *testing.T) {
	t.Parallel()
	both := sessioncleanup.Schema{TagColumns: []string{"plan", "kind"}}
	done := sqlstore.TagColumns{}
	done.FinishTags(both)
	for name, test := range map[string]struct {
		have      sqlstore.TagColumns
		schema    sessioncleanup.Schema
		triggered bool
		want      sqlstore.TagColumns
		gone      []string
	}{
		"nothing":           {want: sqlstore.TagColumns{}},
		"the first time":    {schema: both, want: sqlstore.TagColumns{TagColumns: []string{"kind", "plan"}}},
		"unchanged":         {have: done, schema: both, triggered: true, want: done},
		"without a trigger": {have: done, schema: both, want: sqlstore.TagColumns{TagColumns: []string{"kind", "plan"}}},
		"a column less": {
			have: done, schema: sessioncleanup.Schema{TagColumns: []string{"plan"}}, triggered: true,
			want: sqlstore.TagColumns{TagColumns: []string{"kind", "plan"}}, gone: []string{"kind:"},
		},
	} {
		got := test.have
		got.PlanTags(test.schema, test.triggered)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if gone := got.GonePrefixes(test.schema); len(gone) != len(test.gone) || len(gone) > 0 && gone[0] != test.gone[0] {
			t.Errorf("%s: the prefixes %q are gone, want %q", name, gone, test.gone)
		}
	}
}

func TestACallThatFailsAnswersNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("the commit failed")
	for _, end := range []error{nil, broken} {
		in := func(_ context.Context, do func(int) error) error { return errors.Join(do(2), end) }
		got, err := sqlstore.Answer(t.Context(), in, func(c int) (string, error) { return strings.Repeat("x", c), nil })
		if want := map[bool]string{true: "xx", false: ""}[end == nil]; got != want || !errors.Is(err, end) {
			t.Errorf("the answer is %q, %v; want %q, %v", got, err, want, end)
		}
	}
}
