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
	schema = sessioncleanup.Schema
	owners = sessioncleanup.Owners
	source = sessioncleanup.Source
)

type shape struct {
	tables   []adopt.Table
	foldCase bool
	named    string
	want     schema // without defaults
	warnings []string
}

func (s shape) check(t *testing.T) {
	t.Helper()
	d := adopt.Database{Tables: s.tables, FoldCase: s.foldCase}
	p, err := d.Propose(sessioncleanup.Schema{Table: s.named})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.want.WithDefaults(), p.Schema); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.warnings, p.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func run(t *testing.T, shapes map[string]shape) {
	t.Helper()
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
}

func TestProposeFindsTheTableOfSessions(t *testing.T) {
	t.Parallel()
	rooms := table("rooms", "id number key", "active boolean")
	messages := table("messages", "room_id number rooms")
	follow := []source{{Table: "messages", Session: "room_id"}}
	run(t, map[string]shape{
		"by its whole name before others that end so": {
			tables: []adopt.Table{table("chat_sessions", "id number key"), table("sessions", "id number key")},
			want:   schema{Table: "sessions"},
		},
		"by the end of its name before its use": {
			tables: []adopt.Table{rooms, messages, table("ChatSession", "id number key")},
			want:   schema{Table: "ChatSession"},
		},
		"by its use": {tables: []adopt.Table{rooms, messages}, want: schema{Table: "rooms", Sources: follow}},
		"that the connection finds before one in another schema": {
			tables: []adopt.Table{rooms, messages, table("auth.sessions", "id uuid key")},
			want:   schema{Table: "rooms", Sources: follow},
		},
		"in the only schema that has one": {
			tables: []adopt.Table{table("users", "id number key"), table("auth.sessions", "id uuid key"), table("auth.user_sessions", "id uuid key")},
			want:   schema{Table: "auth.sessions"},
		},
		"not by its use by itself": {
			tables: []adopt.Table{table("categories", "id number key", "active boolean", "parent_id number categories")},
			want:   sessioncleanup.OwnSchema(),
		},
		"not among those of the library": {
			tables: []adopt.Table{table("sessioncleanup_sessions", "id number key"), other("a view", table("my_sessions", "id number"))},
			want:   sessioncleanup.OwnSchema(),
		},
		"that is named, with its schema or as the connection finds it": {
			tables: []adopt.Table{{Space: "public", Name: "rooms", PrimaryKey: []string{"id"}, Columns: rooms.Columns}},
			named:  "public.rooms",
			want:   schema{Table: "rooms"},
		},
	})
}

func TestProposeFindsTheOwner(t *testing.T) {
	t.Parallel()
	users := table("users", "id number key", "name text")
	run(t, map[string]shape{
		"by the most likely of several foreign keys": {
			tables: []adopt.Table{users, table("sessions", "id number key", "created_by number users", "user_id number users", "host_id number users")},
			want:   schema{Table: "sessions", Owner: "host_id", Owners: &owners{Table: "users", ID: "id", Name: "name"}},
		},
		"by a foreign key with names before one without": {
			tables: []adopt.Table{
				table("accounts", "id number key", "balance number"), users,
				table("sessions", "id number key", "account_id number accounts", "created_by number users"),
			},
			want: schema{Table: "sessions", Owner: "created_by", Owners: &owners{Table: "users", ID: "id", Name: "name"}},
		},
		"by a column's name, where the other table has no names": {
			tables: []adopt.Table{table("accounts", "id number key", "email text"), table("sessions", "id text key", "account_id number accounts")},
			want:   schema{Table: "sessions", Owner: "account_id"},
		},
		"by a foreign key to people, whatever the column is called": {
			tables: []adopt.Table{
				table("subjects", "id number key", "title text"), table("teachers", "id number key", "username text"),
				table("sessions", "id number key", "subject_id number subjects", "teacher_id number teachers"),
			},
			want: schema{Table: "sessions", Owner: "teacher_id", Owners: &owners{Table: "teachers", ID: "id", Name: "username"}},
		},
		"uncertain, where two columns refer to people": {
			tables: []adopt.Table{users, {
				Name: "sessions", PrimaryKey: []string{"id"},
				Columns:     []adopt.Column{{Name: "id"}, {Name: "teacher"}, {Name: "student"}},
				ForeignKeys: []adopt.ForeignKey{{Columns: []string{"student"}, Table: "users"}, {Columns: []string{"teacher"}, Table: "users"}},
			}},
			want:     schema{Table: "sessions", Owner: "teacher", Owners: &owners{Table: "users", ID: "id", Name: "name"}},
			warnings: []string{`the owner of a session may be "teacher" or "student": the first is proposed`},
		},
		"not among things": {
			tables: []adopt.Table{table("categories", "id number key", "name text"), table("sessions", "id number key", "category_id number categories", "user_id number")},
			want:   schema{Table: "sessions", Owner: "user_id"},
		},
		"nowhere": {
			tables: []adopt.Table{table("categories", "id number key", "name text"), table("sessions", "id number key", "category_id number categories", "parent_id number sessions", "user json")},
			want:   schema{Table: "sessions"},
		},
		"not in a session that another belongs to": {
			tables: []adopt.Table{table("sessions", "id number key", "username text", "parent_id number sessions")},
			want:   schema{Table: "sessions"},
		},
		"without names, where the foreign key has two columns": {
			tables: []adopt.Table{
				table("users", "tenant_id number key", "id number key", "name text"),
				table("sessions", "id number key", "tenant_id number", "owner_id number", "tenant_id+owner_id users.tenant_id+id"),
			},
			want: schema{Table: "sessions", Owner: "owner_id"},
		},
		"in a column that could be something else by its name": {
			tables: []adopt.Table{table("users", "id any key", "name any"), table("sessions", "id any key", "created any users.id")},
			want:   schema{Table: "sessions", Owner: "created", Owners: &owners{Table: "users", ID: "id", Name: "name"}},
		},
		"not in the id": {
			tables: []adopt.Table{users, table("sessions", "user_id number key users", "code text")},
			want:   schema{Table: "sessions", ID: "user_id", Code: "code"},
		},
		"by a key to another column than the primary key": {
			tables: []adopt.Table{table("users", "id number key", "login text unique"), table("sessions", "id number key", "owner text users.login")},
			want:   schema{Table: "sessions", Owner: "owner", Owners: &owners{Table: "users", ID: "login", Name: "login"}},
		},
		"without names from a mail column": {
			tables: []adopt.Table{table("users", "id number key", "email text"), table("sessions", "id number key", "owner_id number users")},
			want:   schema{Table: "sessions", Owner: "owner_id"},
		},
	})
}

func TestProposeFindsTheActivityTables(t *testing.T) {
	t.Parallel()
	sessions := table("sessions", "id number key", "code text unique", "parent_id number sessions")
	run(t, map[string]shape{
		"by foreign key before a column's name": {
			tables: []adopt.Table{sessions, table("votes", "session_id number", "of number sessions", "cast_at time", "created_at time")},
			want:   schema{Table: "sessions", Code: "code", Sources: []source{{Table: "votes", Session: "of", At: "created_at"}}},
		},
		"by each of two foreign keys": {
			tables: []adopt.Table{sessions, table("links", "to_id number sessions.id", "from_id number sessions.id", "created_at time")},
			want: schema{Table: "sessions", Code: "code", Sources: []source{
				{Table: "links", Session: "from_id", At: "created_at"}, {Table: "links", Session: "to_id", At: "created_at"}}},
		},
		"by one column of a foreign key of two": {
			tables: []adopt.Table{
				table("sessions", "tenant_id number", "id number key"),
				table("votes", "tenant_id number", "of number", "tenant_id+of sessions.tenant_id+id"),
			},
			want: schema{Table: "sessions", Sources: []source{{Table: "votes", Session: "of"}}},
		},
		"by a column's name that is also a part of another key": {
			tables: []adopt.Table{
				sessions, table("players", "session_id number key sessions", "seat number key"),
				table("moves", "session_id number", "seat number", "session_id+seat players.session_id+seat"),
			},
			want: schema{Table: "sessions", Code: "code", Sources: []source{
				{Table: "moves", Session: "session_id"}, {Table: "players", Session: "session_id"}}},
		},
		"by a column's name": {
			tables: []adopt.Table{sessions, table("votes", "sessionId number"), table("notes", "session_id number", "at date")},
			want: schema{Table: "sessions", Code: "code", Sources: []source{
				{Table: "notes", Session: "session_id", At: "at"}, {Table: "votes", Session: "sessionId"}}},
		},
		"by a column called after the table": {
			tables: []adopt.Table{table("parties", "id text key"), table("guests", "party_id number", "session_id text"), table("songs", "session_id text")},
			named:  "parties",
			want: schema{Table: "parties", Sources: []source{
				{Table: "guests", Session: "party_id"}, {Table: "songs", Session: "session_id"}}},
		},
		"not by a column that means another table": {
			tables: []adopt.Table{table("rooms", "id number key"), table("session", "id number key"), table("clicks", "session_id number")},
			named:  "rooms",
			want:   schema{Table: "rooms"},
		},
		"not by a column that refers to something else": {
			tables: []adopt.Table{sessions, table("logins", "id number key"), table("clicks", "session_id number logins"), table("scans", "code text sessions.code")},
			want:   schema{Table: "sessions", Code: "code"},
		},
		"not by a column in another database schema": {
			tables: []adopt.Table{sessions, table("other.votes", "session_id number")},
			want:   schema{Table: "sessions", Code: "code"},
		},
		"not by a column of another type": {
			tables:   []adopt.Table{sessions, table("audit", "session_id text")},
			want:     schema{Table: "sessions", Code: "code"},
			warnings: []string{`rows of table "audit" do not count as activity: the type of its column "session_id" differs from that of a session's id`},
		},
		"whose ids have an unusual type": {
			tables: []adopt.Table{table("sessions", "id numeric key"), table("votes", "session_id numeric")},
			want:   schema{Table: "sessions", Sources: []source{{Table: "votes", Session: "session_id"}}},
		},
		"not those of the library, and not views": {
			tables: []adopt.Table{sessions, table("sessioncleanup_touches", "session_id number"), other("a view", table("latest", "session_id number"))},
			want:   schema{Table: "sessions", Code: "code"},
		},
		"with any name": {
			tables: []adopt.Table{sessions, table("poll-votes", "session_id number sessions", "created_at time")},
			want:   schema{Table: "sessions", Code: "code", Sources: []sessioncleanup.Source{{Table: "poll-votes", Session: "session_id", At: "created_at"}}},
		},
		"but not those with names that a schema cannot have": {
			tables: []adopt.Table{sessions, table("poll;votes", "session_id number sessions", "created_at time")},
			want:   schema{Table: "sessions", Code: "code"},
			warnings: []string{
				`rows of table "poll;votes" do not count as activity: a schema cannot have its name, or that of its column "session_id"`},
		},
		"nor a name with a dot, which would mean another table": {
			tables:   []adopt.Table{sessions, {Name: "poll.votes", Columns: []adopt.Column{{Name: "session_id", Kind: adopt.Number}}}},
			want:     schema{Table: "sessions", Code: "code"},
			warnings: []string{`rows of table "poll.votes" do not count as activity: a schema cannot have its name, or that of its column "session_id"`},
		},
	})
}

func TestProposeTakesTheLikelierColumn(t *testing.T) {
	t.Parallel()
	run(t, map[string]shape{
		"by the order of the names": {
			tables:   []adopt.Table{table("sessions", "id number key", "title text", "name text", "slug text", "code text", "created time", "created_at time")},
			want:     schema{Table: "sessions", Name: "name", Code: "code", CreatedAt: "created_at"},
			warnings: []string{`the times in "created" of table "sessions" are not used: if one of them says when a session was last used, or ends, name it in a schema, with last_activity or expires_at`},
		},
		"by its exact name": {
			tables:   []adopt.Table{table("sessions", "id number key", "createdAt time", "created_at time")},
			want:     schema{Table: "sessions", CreatedAt: "created_at"},
			warnings: []string{`the times in "createdAt" of table "sessions" are not used: if one of them says when a session was last used, or ends, name it in a schema, with last_activity or expires_at`},
		},
		"of a type that fits": {
			tables: []adopt.Table{table("sessions", "id number key", "updated boolean", "modified_at time", "created date", "name json", "title text", "last_seen_at date")},
			want:   schema{Table: "sessions", Name: "title", CreatedAt: "created", UpdatedAt: "modified_at"},
		},
		"that is not used otherwise": {
			tables: []adopt.Table{table("sessions", "code text key", "slug text", "name text")},
			want:   schema{Table: "sessions", ID: "code", Name: "name", Code: "slug"},
		},
	})
}

func TestProposeSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		database adopt.Database
		named    string
		want     string
	}{
		"several tables by name":   {database(table("poll_sessions", "id number key"), table("chat_sessions", "id number key")), "", "chat_sessions, poll_sessions: say which"},
		"several in other schemas": {database(table("a.sessions", "id number key"), table("b.sessions", "id number key")), "", "a.sessions, b.sessions: say which"},
		"several by use": {database(
			table("rooms", "id number key", "active boolean"), table("polls", "id number key", "active boolean"),
			table("messages", "room number rooms"), table("votes", "poll number polls")), "", "polls, rooms: say which"},
		"no primary key":         {database(table("sessions", "id number")), "", `table "sessions" has no primary key of one column, nor a unique column id`},
		"a primary key of two":   {database(table("sessions", "tenant number key", "id number key")), "", `table "sessions" has no primary key of one column`},
		"a view":                 {database(other("a view", table("sessions", "id number"))), "", `schema.table is "sessions": that is a view: want a table`},
		"a missing table":        {database(table("sessions", "id number key")), "rooms", `schema.table is "rooms": there is no such table`},
		"a table somewhere else": {database(table("app.rooms", "id number key")), "rooms", `schema.table is "rooms": there is no such table; is it "app.rooms"?`},
		"a column's role taken":  {database(table("sessions", "active number key")), "", `schema.id and schema.active are both "active"`},
		"an odd name":            {database(table("live;sessions", "id number key")), "", `schema.table is "live;sessions": want no quotes`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := c.database.Propose(sessioncleanup.Schema{Table: c.named})
			if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if diff := cmp.Diff(adopt.Proposal{}, p); diff != "" {
				t.Errorf("a proposal beside the error (-want +got):\n%s", diff)
			}
		})
	}
}
