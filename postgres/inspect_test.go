package postgres_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// What is made of a catalog is tested in internal/adopt; here, that all of it is read.
func TestInspectReadsTheCatalog(t *testing.T) {
	t.Parallel()
	type schema = sessioncleanup.Schema
	for name, c := range map[string]struct {
		tables string
		named  string
		want   schema
	}{
		"nothing": {"CREATE VIEW chat_sessions AS SELECT 1 AS id", "", sessioncleanup.OwnSchema()},
		"the guide's tables": {
			`CREATE TABLE users (id bigint PRIMARY KEY, username text NOT NULL, email varchar(200));
			CREATE TABLE sessions (id bigint PRIMARY KEY, streamer_id bigint REFERENCES users (id), name varchar(200), code char(6),
				active boolean DEFAULT true, created_at timestamp, updated_at date, last_activity timestamptz);
			CREATE TABLE propositions (session_id bigint NOT NULL REFERENCES sessions ON DELETE CASCADE, created_at timestamptz)`, "",
			schema{Table: "sessions", Owner: "streamer_id", Name: "name", Code: "code", CreatedAt: "created_at", UpdatedAt: "updated_at",
				Owners:  &sessioncleanup.Owners{Table: "users", ID: "id", Name: "username", Mail: "email"},
				Sources: []sessioncleanup.Source{{Table: "propositions", Session: "session_id", At: "created_at"}}},
		},
		"tables outside of the search path": {
			`CREATE SCHEMA "Live";
			CREATE TABLE "Live".people (login text PRIMARY KEY, display_name text);
			CREATE TABLE "Live"."Rooms" ("roomId" uuid PRIMARY KEY, owner text REFERENCES "Live".people, title text, is_active boolean,
				"createdAt" timestamptz, "updatedAt" timestamptz, expires timestamp);
			CREATE TABLE "Live".messages (room uuid NOT NULL REFERENCES "Live"."Rooms", sent_at timestamptz)`, "Live.Rooms",
			schema{Table: "Live.Rooms", ID: "roomId", Owner: "owner", Name: "title", CreatedAt: "createdAt", UpdatedAt: "updatedAt",
				Active: "is_active", ExpiresAt: "expires",
				Owners:  &sessioncleanup.Owners{Table: "Live.people", ID: "login", Name: "display_name"},
				Sources: []sessioncleanup.Source{{Table: "Live.messages", Session: "room", At: "sent_at"}}},
		},
		"partitioned tables, each once": {
			`CREATE TABLE sessions (created_at timestamptz, id bigint, dropped int, PRIMARY KEY (created_at, id)) PARTITION BY RANGE (created_at);
			ALTER TABLE sessions DROP dropped;
			CREATE TABLE sessions_all PARTITION OF sessions DEFAULT;
			CREATE TABLE votes (session_id bigint, at timestamptz) PARTITION BY HASH (session_id);
			CREATE TABLE votes_0 PARTITION OF votes FOR VALUES WITH (MODULUS 1, REMAINDER 0);
			CREATE TABLE chat_sessions (session_id bigint, session_at timestamptz, FOREIGN KEY (session_at, session_id) REFERENCES sessions)`, "",
			schema{Table: "sessions", CreatedAt: "created_at", Sources: []sessioncleanup.Source{
				{Table: "chat_sessions", Session: "session_id"}, {Table: "votes", Session: "session_id", At: "at"}}},
		},
		"unique columns, domains and keys of two columns": {
			`CREATE DOMAIN flag AS boolean;
			CREATE TABLE sessions (tenant int, id uuid UNIQUE, is_active flag, UNIQUE (tenant, id));
			CREATE TABLE moves (tenant int, of uuid, added_at date, FOREIGN KEY (of, tenant) REFERENCES sessions (id, tenant));
			CREATE TABLE likes (session_id uuid, posted_at text);
			CREATE TABLE clicks (session_id text)`, "",
			schema{Table: "sessions", Active: "is_active", Sources: []sessioncleanup.Source{
				{Table: "likes", Session: "session_id"}, {Table: "moves", Session: "of", At: "added_at"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			if err := pgapps.Exec(t.Context(), url, c.tables); err != nil {
				t.Fatal(err)
			}
			got, err := open(t, url, postgres.Config{Schema: schema{Table: c.named}}).Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want.WithDefaults(), got); diff != "" {
				t.Errorf("schema (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInspectIgnoresWhatMigrateAdded(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	store := open(t, url, postgres.Config{})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	got, err := store.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sessioncleanup.OwnSchema(), got); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestInspectSaysWhatItCannotTell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tables, want string }{
		"several":            {"CREATE SCHEMA a CREATE TABLE sessions (id int PRIMARY KEY); CREATE SCHEMA b CREATE TABLE sessions (id int PRIMARY KEY)", "a.sessions, b.sessions: say which"},
		"a view":             {"CREATE VIEW sessions AS SELECT 1 AS id", `schema.table is "sessions": that is a view`},
		"a partly unique id": {"CREATE TABLE sessions (id int); CREATE UNIQUE INDEX ON sessions (id) WHERE id > 5", "no primary key of one column, nor a unique column id"},
		"two columns":        {"CREATE TABLE sessions (id int, nr int, UNIQUE (id, nr))", "no primary key of one column, nor a unique column id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			if err := pgapps.Exec(t.Context(), url, c.tables); err != nil {
				t.Fatal(err)
			}
			_, err := open(t, url, postgres.Config{}).Inspect(t.Context())
			if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestInspectNamesColumnsThatCouldBeTags(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, `CREATE TYPE kind AS ENUM ('chat', 'poll', 'quiz');
		CREATE TABLE sessions (id int PRIMARY KEY, plan text, room_kind kind, category text, tier text);
		INSERT INTO sessions SELECT n, CASE n % 3 WHEN 0 THEN 'gold' WHEN 1 THEN 'free' END, CASE WHEN n > 20 THEN 'poll' ELSE 'chat' END::kind, 'c' || n, 'one' FROM generate_series(1, 40) n`); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	store := open(t, url, postgres.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	schema, err := store.Inspect(t.Context())
	if err != nil || schema.TagColumns != nil {
		t.Errorf("Inspect adopts the tag columns %q, %v; want none", schema.TagColumns, err)
	}
	for _, want := range []string{"column plan has few values: to have rules for the tags plan:free, plan:gold, add", "the tags room_kind:chat, room_kind:poll, add"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
	}
	if strings.Contains(log.String(), "category") || strings.Contains(log.String(), "tier") {
		t.Errorf("the log names columns that do not group the sessions: %s", log.String())
	}
	log.Reset()
	if migrate(t, store); strings.Contains(log.String(), "few values") {
		t.Errorf("Migrate proposes tag columns: %s", log.String())
	}
}

func TestInspectLogsWhatIsUncertain(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, "CREATE TABLE sessions (id text PRIMARY KEY, last_activity integer)"); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	if _, err := open(t, url, postgres.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Inspect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "is of type integer, want a time: name another column"; !strings.Contains(log.String(), want) {
		t.Errorf("the log says %q, want %q", log.String(), want)
	}
}
