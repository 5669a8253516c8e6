package sqlite_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestInspectProposesASchema(t *testing.T) {
	t.Parallel()
	type schema = sessioncleanup.Schema
	for name, c := range map[string]struct {
		tables string
		want   schema
	}{
		"nothing": {"CREATE TABLE users (id INTEGER PRIMARY KEY)", sessioncleanup.OwnSchema()},
		"a bare table": {
			"CREATE TABLE Sessions (ID INTEGER PRIMARY KEY)", schema{Table: "Sessions", ID: "ID"},
		},
		"an owner by foreign key, the likelier of two": {
			`CREATE TABLE people (nr INTEGER PRIMARY KEY, display_name TEXT, email TEXT);
			CREATE TABLE sessions (id TEXT PRIMARY KEY, created_by INTEGER REFERENCES people (nr), host_id INTEGER REFERENCES people, topic TEXT, slug TEXT, inserted_at, modified_at)`,
			schema{Table: "sessions", Owner: "host_id", Name: "topic", Code: "slug", CreatedAt: "inserted_at", UpdatedAt: "modified_at",
				Owners: &sessioncleanup.Owners{Table: "people", ID: "nr", Name: "display_name", Mail: "email"}},
		},
		"an owner by name, where the other table has no name": {
			`CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER);
			CREATE TABLE sessions (id TEXT PRIMARY KEY, account_id INTEGER REFERENCES accounts)`,
			schema{Table: "sessions", Owner: "account_id"},
		},
		"activity by foreign key and by column, not by a key to something else": {
			`CREATE TABLE logins (id INTEGER PRIMARY KEY);
			CREATE TABLE sessions (id INTEGER PRIMARY KEY, code TEXT UNIQUE, parent_id INTEGER REFERENCES sessions);
			CREATE TABLE votes (nr INTEGER PRIMARY KEY, of INTEGER REFERENCES sessions, cast_at, created_at);
			CREATE TABLE notes (session_id INTEGER, at);
			CREATE TABLE clicks (session_id INTEGER REFERENCES logins);
			CREATE TABLE scans (code TEXT REFERENCES sessions (code));
			CREATE TABLE "odd table" (session_id INTEGER REFERENCES sessions)`,
			schema{Table: "sessions", Code: "code", Sources: []sessioncleanup.Source{
				{Table: "notes", Session: "session_id", At: "at"}, {Table: "odd table", Session: "session_id"}, {Table: "votes", Session: "of", At: "created_at"}}},
		},
		"a table whose name says so": {
			`CREATE TABLE chat_sessions (id INTEGER PRIMARY KEY, is_active BOOLEAN, expires_at);
			CREATE TABLE lines (chat_session_id INTEGER)`,
			schema{Table: "chat_sessions", Active: "is_active", Sources: []sessioncleanup.Source{{Table: "lines", Session: "chat_session_id"}}},
		},
		"columns of types that fit, whatever their case": {
			`CREATE TABLE Sessions (ID INTEGER PRIMARY KEY, Name BLOB, Title VARCHAR (20), updated BOOLEAN, "ModifiedAt" INTEGER, "IsActive" INT);
			CREATE TABLE moves (from_id INTEGER REFERENCES sessions, to_id INTEGER REFERENCES sessions (id));
			CREATE TABLE files (session_id BLOB)`,
			schema{Table: "Sessions", ID: "ID", Name: "Title", UpdatedAt: "ModifiedAt", Active: "IsActive", Sources: []sessioncleanup.Source{
				{Table: "moves", Session: "from_id"}, {Table: "moves", Session: "to_id"}}},
		},
		"a table WITHOUT ROWID, with a unique id beside its key": {
			`CREATE TABLE sessions (tenant TEXT, nr INTEGER, id TEXT NOT NULL UNIQUE, PRIMARY KEY (nr, tenant)) WITHOUT ROWID;
			CREATE TABLE votes (nr INTEGER, tenant TEXT, session_id TEXT, FOREIGN KEY (nr, tenant) REFERENCES sessions)`,
			schema{Table: "sessions", Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id"}}},
		},
		"activity without a time, or with one by its type": {
			`CREATE TABLE sessions (id INTEGER PRIMARY KEY);
			CREATE TABLE songs (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions, song TEXT, votes INT);
			CREATE TABLE plays (id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions, song TEXT, moment DATETIME)`,
			schema{Table: "sessions", Sources: []sessioncleanup.Source{{Table: "plays", Session: "session_id", At: "moment"}, {Table: "songs", Session: "session_id"}}},
		},
		"a table that is used so": {
			`CREATE TABLE rooms (id INTEGER PRIMARY KEY, active BOOLEAN, last_active_at);
			CREATE TABLE flags (id INTEGER PRIMARY KEY, active BOOLEAN);
			CREATE TABLE messages (room_id INTEGER REFERENCES rooms (id), sent_at)`,
			schema{Table: "rooms", LastActivity: "last_active_at", Sources: []sessioncleanup.Source{{Table: "messages", Session: "room_id", At: "sent_at"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, c.tables)
			before := dump(t, app, false)
			got, err := open(t, path, sqlite.Config{}).Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want.WithDefaults(), got); diff != "" {
				t.Errorf("schema (-want +got):\n%s", diff)
			}
			if after := dump(t, app, false); after != before {
				t.Errorf("the database was changed:\n%s", after)
			}
		})
	}
}

func TestInspectNamesColumnsThatCouldBeTags(t *testing.T) {
	t.Parallel()
	path, _ := newApp(t, `CREATE TABLE sessions (id INTEGER PRIMARY KEY, plan, "room kind" TEXT, category TEXT, tier TEXT);
		WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 40)
		INSERT INTO sessions SELECT n, CASE n % 3 WHEN 0 THEN 'gold' WHEN 1 THEN 7 END, 'chat', 'c' || n, 'one' FROM n`)
	var log strings.Builder
	schema, err := open(t, path, sqlite.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Inspect(t.Context())
	if err != nil || schema.TagColumns != nil {
		t.Errorf("Inspect adopts the tag columns %q, %v; want none", schema.TagColumns, err)
	}
	if want := "column plan has few values: to have rules for the tags plan:7, plan:gold, add"; !strings.Contains(log.String(), want) || strings.Count(log.String(), "few values") != 1 {
		t.Errorf("the log says %q, want only %q", log.String(), want)
	}
}

func TestInspectSaysWhatItCannotTell(t *testing.T) {
	t.Parallel()
	for tables, want := range map[string]string{
		"CREATE TABLE chat_sessions (id INTEGER PRIMARY KEY); CREATE TABLE poll_sessions (id INTEGER PRIMARY KEY)": "chat_sessions, poll_sessions: say which",
		"CREATE TABLE sessions (a, b)":                        "no primary key",
		"CREATE TABLE sessions (a, b, PRIMARY KEY (a, b))":    "no primary key of one column",
		"CREATE VIEW sessions AS SELECT 1 AS id":              "that is a view",
		"CREATE VIRTUAL TABLE sessions USING fts5 (id, name)": "that is a virtual table",
	} {
		path, _ := newApp(t, tables)
		_, err := open(t, path, sqlite.Config{}).Inspect(t.Context())
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tables, err, want)
		}
	}
}
