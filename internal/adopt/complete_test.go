package adopt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

type (
	state = sessioncleanup.State
	only  = sessioncleanup.Only
)

// withValues is a table in which the values of a column are known.
func withValues(t adopt.Table, column string, values ...string) adopt.Table {
	for i := range t.Columns {
		if t.Columns[i].Name == column {
			t.Columns[i].Values = values
		}
	}
	return t
}

func rooms() []adopt.Table {
	return []adopt.Table{
		table("people", "id number key", "name text"),
		withValues(table("rooms", "id number key", "host_id number people", "title text", "state text", "created_at time", "deleted_at time"), "state", "open", "live", "closed"),
		table("messages", "room_id number rooms", "sent_at time"),
	}
}

func TestAPartialSchemaIsCompleted(t *testing.T) {
	t.Parallel()
	whole := schema{
		Table: "rooms", ID: "id", Owner: "host_id", Name: "title", CreatedAt: "created_at", DeletedAt: "deleted_at",
		Active: "state", State: &state{Active: []string{"open", "live"}, Deactivated: "closed"},
		Owners:  &owners{Table: "people", ID: "id", Name: "name"},
		Sources: []source{{Table: "messages", Session: "room_id", At: "sent_at"}},
	}
	but := func(change func(*schema)) schema {
		s := whole
		change(&s)
		return s.WithDefaults()
	}
	for name, c := range map[string]struct{ given, want schema }{
		"the table alone":      {schema{Table: "rooms"}, whole.WithDefaults()},
		"an owner without his": {schema{Table: "rooms", Owner: "host_id"}, whole.WithDefaults()},
		"what is named stays": {schema{Table: "rooms", Name: "state", Active: "live", State: &state{Active: []string{"a"}, Deactivated: "b", Reactivated: "a"}, AddColumns: true}, but(func(s *schema) {
			s.Name, s.Active, s.State, s.AddColumns = "state", "live", &state{Active: []string{"a"}, Deactivated: "b", Reactivated: "a"}, true
		})},
		"without an owner":   {schema{Table: "rooms", Owner: sessioncleanup.None}, but(func(s *schema) { s.Owner, s.Owners = "", nil })},
		"without activity":   {schema{Table: "rooms", Sources: []source{}}, but(func(s *schema) { s.Sources = nil })},
		"deletions are seen": {schema{Table: "rooms", DeletedAt: sessioncleanup.None}, but(func(s *schema) { s.DeletedAt = "" })},
		"soft deletion":      {schema{Table: "rooms", SoftDelete: true}, but(func(s *schema) { s.SoftDelete = true })},
		"some rows":          {schema{Table: "rooms", Only: []only{{Column: "title", Values: []string{"a"}}}}, but(func(s *schema) { s.Name, s.Only = "", []only{{Column: "title", Values: []string{"a"}}} })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := database(rooms()...).Propose(c.given)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, p.Schema); diff != "" {
				t.Errorf("schema (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStateIsProposedWhereItsWordsAreKnown(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]*state{
		"closed open":              {Active: []string{"open"}, Deactivated: "closed"},
		"RUNNING PAUSED":           nil,
		"Active Inactive":          {Active: []string{"Active"}, Deactivated: "Inactive"},
		"pending in_progress done": {Active: []string{"in_progress", "pending"}, Deactivated: "done"},
		"archived ended active":    {Active: []string{"active"}, Deactivated: "ended"},
		"0 1":                      nil,
		"open live":                nil,
	} {
		carts := withValues(table("sessions", "id number key", "status text"), "status", strings.Fields(values)...)
		p, err := database(carts).Propose(schema{})
		if err != nil {
			t.Fatal(err)
		}
		if want != nil {
			want.Reactivated = want.Active[0]
		}
		if diff := cmp.Diff(want, p.Schema.State); diff != "" {
			t.Errorf("%s (-want +got):\n%s", values, diff)
		}
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], `column "status"`) {
			t.Errorf("%s: warnings are %q, want one about the column", values, p.Warnings)
		}
	}
}

func TestOverKeepsWhatWasAdopted(t *testing.T) {
	t.Parallel()
	adopted := schema{
		Table: "app.rooms", ID: "id", Owner: "host_id", Active: "state", State: &state{Active: []string{"open"}, Deactivated: "closed"},
		DeletedAt: "deleted_at", SoftDelete: true, Owners: &owners{Table: "people", ID: "id", Name: "name"},
		Only: []only{{Column: "kind", Values: []string{"room"}}}, Sources: []source{{Table: "messages", Session: "room_id"}},
	}.WithDefaults()
	but := func(change func(*schema)) schema {
		s := adopted
		change(&s)
		return s
	}
	for name, c := range map[string]struct{ given, want schema }{
		"nothing is said":      {schema{}, adopted},
		"the table":            {schema{Table: "rooms"}, but(func(s *schema) { s.Table = "rooms" })},
		"another owner":        {schema{Owner: "user_id"}, but(func(s *schema) { s.Owner, s.Owners = "user_id", nil })},
		"no owner":             {schema{Owner: sessioncleanup.None}, but(func(s *schema) { s.Owner, s.Owners = "", nil })},
		"another active":       {schema{Active: "is_live"}, but(func(s *schema) { s.Active, s.State = "is_live", nil })},
		"all rows":             {schema{Only: []only{}}, but(func(s *schema) { s.Only = nil })},
		"removing the rows":    {schema{DeletedAt: "deleted_at"}, but(func(s *schema) { s.SoftDelete = false })},
		"a column anew":        {schema{Name: "host_id"}, but(func(s *schema) { s.Name, s.Owner, s.Owners = "host_id", "", nil })},
		"no activity tables":   {schema{Sources: []source{}}, but(func(s *schema) { s.Sources = nil })},
		"touches of the app's": {schema{AppTouches: true}, but(func(s *schema) { s.AppTouches = true })},
	} {
		if diff := cmp.Diff(c.want, adopt.Over(c.given, adopted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCheckRefusesValuesThatAColumnCannotHave(t *testing.T) {
	t.Parallel()
	d := database(rooms()...)
	for want, s := range map[string]schema{
		`schema.state has the value "ended": column "state" of table "rooms" can have ["open" "live" "closed"] only`:                                       {Active: "state", State: &state{Active: []string{"open"}, Deactivated: "ended"}},
		`schema.active is "phase": table "rooms" has no such column`:                                                                                       {Active: "phase", State: &state{Active: []string{"open"}, Deactivated: "closed"}, AddColumns: true},
		`schema.active is "is_live": table "rooms" has no such column; name another column, or have Migrate add it with "add_columns": true in the schema`: {Active: "is_live"},
		`schema.only[0].column is "kind": table "rooms" has no such column`:                                                                                {Only: []only{{Column: "kind", Values: []string{"room"}}}},
		`schema.only[0] has the value "seven": column "host_id" of table "rooms" is of type number: want a number`:                                         {Only: []only{{Column: "host_id", Values: []string{"7", "seven"}}}},
		`schema.only[0] is about column "created_at" of table "rooms", which is of type json: want a text`:                                                 {Only: []only{{Column: "created_at", Values: []string{"x"}}}},
		`schema.deleted_at is "title": that column of table "rooms" is of type text, want a time or a date`:                                                {DeletedAt: "title"},
	} {
		s.Table = "rooms"
		d := d
		if strings.Contains(want, "json") {
			d = database(table("rooms", "id number key", "created_at json"))
		}
		if _, err := d.Check(s); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: %v, want an ErrInvalid with %s", err, want)
		}
	}
	if missing, err := d.Check(schema{Table: "rooms", Active: "is_live", AddColumns: true}); err != nil || missing[0].Column != "is_live" {
		t.Errorf("Check of a schema that adds columns: %v, missing %v", err, missing)
	}
}

func TestCheckedValuesReadsWhatBothDatabasesWrite(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"CHECK ((state = ANY (ARRAY['open'::text, 'it''s over'::text])))":                                         {"open", "it's over"},
		"CHECK (((state)::text = ANY ((ARRAY['open'::character varying, 'closed'::character varying])::text[])))": {"open", "closed"},
		"CHECK ((state = ANY (ARRAY[0, 1, '-1'::integer])))":                                                      {"0", "1", "-1"},
		"CHECK ((state = ANY (ARRAY['a'::text]))) NOT VALID":                                                      nil,
		"CREATE TABLE t (id INTEGER, state TEXT NOT NULL CHECK (state IN ('open', 'closed')), at TEXT)":           {"open", "closed"},
		"CREATE TABLE t (\"state\" TEXT DEFAULT 'a' CHECK(\"state\" in ('a','b')) NOT NULL)":                      {"a", "b"},
		"CREATE TABLE t (state INT CONSTRAINT c CHECK (state IN (0,1)), x)":                                       {"0", "1"},
		"CHECK (((state = ANY (ARRAY['open'::text, 'closed'::text])) OR (kind = 'x'::text)))":                     nil,
		"CREATE TABLE t (state TEXT CHECK (state IN ('a', 'b') OR other IS NULL))":                                nil,
		"CREATE TABLE t (state TEXT CHECK (other IN ('a', 'b')), other TEXT)":                                     nil,
		"CREATE TABLE t (state TEXT CHECK (state IN ('a', lower('B'))))":                                          nil,
		"CHECK ((state <> 'x'::text))":                                                                            nil,
		"CREATE TABLE t (upstate TEXT CHECK (upstate IN ('a')), state TEXT)":                                      nil,
	} {
		if diff := cmp.Diff(want, adopt.CheckedValues(sql, "state")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestTablesThatMayHoldSessionsAreNamedAndNotChosen(t *testing.T) {
	t.Parallel()
	d := database(
		table("users", "id number key", "username text", "created_at time"), table("logins", "user_id number users"),
		table("categories", "id number key", "name text", "created_at time"), table("items", "category_id number categories"),
		table("posts", "id number key", "author_id number users", "created_at time"), table("comments", "post_id number posts", "created_at time"),
		table("games", "id number key", "host_id number users", "started_at time", "updated_at time"), table("moves", "game_id number games"), table("chats", "game_id number games"),
		table("app.rooms", "id number key", "user_id number", "created_at time"), table("app.lines", "room_id number rooms"),
	)
	_, err := d.Propose(schema{})
	want := "they may be in games (owner host_id, activity in chats and moves, times in started_at and updated_at), posts (owner author_id, activity in comments, times in created_at): say which"
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("Propose: %v, want an ErrInvalid with %s", err, want)
	}
	for table, want := range map[string]schema{"games": {Table: "games", Owner: "host_id"}, "sessions": sessioncleanup.OwnSchema()} {
		p, err := d.Propose(schema{Table: table})
		if err != nil || p.Schema.Table != want.Table || p.Schema.Owner != want.Owner {
			t.Errorf("Propose of %s: %+v, %v", table, p.Schema, err)
		}
	}
	if _, err := d.Propose(schema{Table: "sessions", Owner: "host_id"}); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("Propose of a table that does not exist: %v", err)
	}
}

func TestASchemaFitsUnlessItSaysSomethingElse(t *testing.T) {
	t.Parallel()
	adopted := schema{Table: "rooms", Owner: "host_id", LastActivity: "used", AddColumns: true, Only: []only{{Column: "kind", Values: []string{"room"}}}}.WithDefaults()
	for _, given := range []schema{{}, {Table: "rooms"}, {LastActivity: "used"}, {Table: "rooms", AddColumns: true}, adopted} {
		if !adopt.Fits(given, adopted) {
			t.Errorf("%+v does not fit what was adopted", given)
		}
	}
	for _, given := range []schema{{Table: "carts"}, {Owner: sessioncleanup.None}, {Only: []only{}}, {SoftDelete: true, DeletedAt: "gone"}, {AppTouches: true}} {
		if adopt.Fits(given, adopted) {
			t.Errorf("%+v fits although it says something else", given)
		}
	}
}
