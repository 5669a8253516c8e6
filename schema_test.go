package sessioncleanup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestSchemaValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 257)
	for want, s := range map[string]sessioncleanup.Schema{
		`schema.table is "a\"\"b"`:                                              {Table: `a""b`},
		`schema.table is "x; DROP TABLE users"`:                                 {Table: "x; DROP TABLE users"},
		`schema.table is "a.b.c"`:                                               {Table: "a.b.c"},
		`schema.table is empty`:                                                 {Table: "app."},
		`schema.id is "i\nd"`:                                                   {ID: "i\nd"},
		`schema.owner is "o'"`:                                                  {Owner: "o'"},
		`schema.name is "` + long:                                               {Name: long},
		`schema.code is "\xff"`:                                                 {Code: "\xff"},
		`schema.owner and schema.name are both "x"`:                             {Owner: "x", Name: "x"},
		`schema.owners is given but schema.owner is empt`:                       {Owners: &sessioncleanup.Owners{Table: "users", ID: "id", Name: "name"}},
		"schema.owners.name is \"na`me\"":                                       {Owner: "o", Owners: &sessioncleanup.Owners{Table: "users", ID: "id", Name: "na`me"}},
		`schema.sources[0].session is empty`:                                    {Sources: []sessioncleanup.Source{{Table: "votes"}}},
		`schema.sources[0].at is "a;b"`:                                         {Sources: []sessioncleanup.Source{{Table: "votes", Session: "s", At: "a;b"}}},
		`schema.sources[1] repeats table "votes"`:                               {Sources: []sessioncleanup.Source{{Table: "votes", Session: "s"}, {Table: "votes", Session: "s"}}},
		`schema.soft_delete is true but schema.deleted_at is "-"`:               {SoftDelete: true, DeletedAt: sessioncleanup.None},
		`schema.state.active is empty`:                                          {State: &sessioncleanup.State{Deactivated: "closed"}},
		`schema.state.deactivated has an empty value`:                           {State: &sessioncleanup.State{Active: []string{"open"}}},
		`schema.state.active has the value "open" twice`:                        {State: &sessioncleanup.State{Active: []string{"open", "open"}, Deactivated: "closed"}},
		`schema.state.deactivated is "open", which schema.state.active has too`: {State: &sessioncleanup.State{Active: []string{"open"}, Deactivated: "open"}},
		`schema.state.reactivated is "live": want one of ["open"]`:              {State: &sessioncleanup.State{Active: []string{"open"}, Deactivated: "closed", Reactivated: "live"}},
		`schema.only[0].column is "a;b"`:                                        {Only: []sessioncleanup.Only{{Column: "a;b", Values: []string{"x"}}}},
		`schema.only[0].values is empty`:                                        {Only: []sessioncleanup.Only{{Column: "kind"}}},
		`schema.only[0].values has the value "a\x00"`:                           {Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"a\x00"}}}},
		`schema.only[1] repeats column "kind"`:                                  {Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"a"}}, {Column: "kind", Values: []string{"b"}}}},
		`schema.only[0].values has no "closed", which schema.state has`: {
			Active: "state", State: &sessioncleanup.State{Active: []string{"open"}, Deactivated: "closed"}, Only: []sessioncleanup.Only{{Column: "state", Values: []string{"open"}}},
		},
	} {
		if err := s.Validate(); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate(%+v) = %v, want ErrInvalid with %s", s, err, want)
		}
	}
	for _, s := range []sessioncleanup.Schema{{}, sessioncleanup.OwnSchema(), {Table: "app.séances", ID: "iD$1"}, {Table: `"v1.2".live-sessions`, ID: "the id", Name: "100%"}, {Owner: sessioncleanup.None, Name: sessioncleanup.None}} {
		if err := s.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v, want nil", s, err)
		}
	}
}

func TestReadSchemaTakesWhatIsPrintedAndNothingElse(t *testing.T) {
	t.Parallel()
	got, err := sessioncleanup.ReadSchema(strings.NewReader(`{"table": "rooms", "owner": "host", "sources": [{"table": "votes", "session": "room"}]}`))
	want := sessioncleanup.Schema{Table: "rooms", Owner: "host", Sources: []sessioncleanup.Source{{Table: "votes", Session: "room"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ReadSchema: %v (-want +got):\n%s", err, diff)
	}
	for _, source := range []string{"", "{", `{"tabel": "rooms"}`, `{"table": "a;b"}`} {
		if _, err := sessioncleanup.ReadSchema(strings.NewReader(source)); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("ReadSchema(%s) = %v, want ErrInvalid", source, err)
		}
	}
}
