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
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// TestTablesOfFrameworks adopts the tables of sessions that frameworks make, or refuses them with the next step. Session
// "live" is in use, "idle" was last used 60 days ago.
func TestTablesOfFrameworks(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	type schema = sessioncleanup.Schema
	const laravel = `CREATE TABLE sessions (id varchar(255) PRIMARY KEY, user_id bigint, ip_address varchar(45), user_agent text, payload text NOT NULL, last_activity integer NOT NULL);
		CREATE INDEX ON sessions (last_activity);
		INSERT INTO sessions VALUES ('live', 1, '::1', 'a', 'x', extract(epoch FROM now())), ('idle', 1, '::1', 'a', 'x', extract(epoch FROM IDLE))`
	for name, c := range map[string]struct {
		tables  string
		schema  schema
		refused string
		id      string // the column with "live" and "idle"; default "id"
		active  string // after a run
	}{
		"Laravel": {laravel, schema{}, `"last_activity": that column of table "sessions" is of type integer, want a time: name another column`, "", ""},
		"Laravel, with a column for the activity": {laravel, schema{Table: "sessions", Owner: "user_id", LastActivity: "last_activity_at", AddColumns: true}, "", "", "idle live"},
		"connect-pg-simple": {`CREATE TABLE session (sid varchar NOT NULL COLLATE "default" PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL); CREATE INDEX ON session (expire);
			INSERT INTO session VALUES ('live', '{}', now() + interval '1 day'), ('idle', '{}', IDLE)`, schema{}, "", "sid", "live"},
		"Django": {`CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date timestamptz NOT NULL); CREATE INDEX ON django_session (expire_date);
			INSERT INTO django_session VALUES ('live', 'x', now() + interval '14 days'), ('idle', 'x', IDLE)`, schema{}, "", "session_key", "live"},
		"SCS": {`CREATE TABLE sessions (token text PRIMARY KEY, data bytea NOT NULL, expiry timestamptz NOT NULL); CREATE INDEX ON sessions (expiry);
			INSERT INTO sessions VALUES ('live', '', now() + interval '1 day'), ('idle', '', IDLE)`, schema{}, "", "token", "live"},
		"NextAuth with Prisma": {`CREATE TABLE "User" (id text PRIMARY KEY, name text);
			CREATE TABLE "Session" (id text PRIMARY KEY, "sessionToken" text NOT NULL UNIQUE, "userId" text NOT NULL REFERENCES "User" ON DELETE CASCADE ON UPDATE CASCADE, expires timestamp(3) NOT NULL);
			INSERT INTO "User" VALUES ('u', 'U'); INSERT INTO "Session" VALUES ('live', 'a', 'u', now() + interval '3 days'), ('idle', 'b', 'u', IDLE)`, schema{}, "", "", "live"},
		"Rails": {`CREATE TABLE sessions (id bigserial PRIMARY KEY, session_id varchar NOT NULL UNIQUE, data text, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
			INSERT INTO sessions (session_id, created_at, updated_at) VALUES ('live', now(), now()), ('idle', IDLE, IDLE)`, schema{}, "", "session_id", "live"},
		"Symfony": {`CREATE TABLE sessions (sess_id varchar(128) PRIMARY KEY, sess_data bytea NOT NULL, sess_lifetime integer NOT NULL, sess_time integer NOT NULL);
			INSERT INTO sessions VALUES ('live', '', extract(epoch FROM now()) + 1440, extract(epoch FROM now())), ('idle', '', extract(epoch FROM IDLE), extract(epoch FROM IDLE))`, schema{}, "", "sess_id", "idle live"},
		"Phoenix": {`CREATE TABLE users (id uuid PRIMARY KEY, email varchar);
			CREATE TABLE sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid REFERENCES users (id), status varchar NOT NULL DEFAULT 'open', inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
			INSERT INTO sessions (status, inserted_at, updated_at) VALUES ('live', now(), now()), ('idle', IDLE, IDLE)`, schema{}, "", "status", "live"},
		"reserved words": {`CREATE TABLE "user" (id serial PRIMARY KEY, "name" text);
			CREATE TABLE sessions (id text PRIMARY KEY, "user" int REFERENCES "user" (id), "order" int, "end" timestamptz, "createdAt" timestamptz, "select" text, "my column" text, "100%" text, "a""b" text, "c.d" text, "Ünïcode" text);
			CREATE TABLE "order" (id serial PRIMARY KEY, "table" text REFERENCES sessions ON DELETE CASCADE, "timestamp" timestamptz); CREATE INDEX ON "order" ("table");
			INSERT INTO sessions (id, "createdAt") VALUES ('live', IDLE), ('idle', IDLE); INSERT INTO "order" ("table", "timestamp") VALUES ('live', now())`, schema{}, "", "", "live"},
		"a child with a dash in its name": {`CREATE TABLE sessions (id text PRIMARY KEY, updated_at timestamptz); CREATE TABLE "poll-votes" (id serial PRIMARY KEY, session_id text NOT NULL REFERENCES sessions ON DELETE CASCADE);
			INSERT INTO sessions VALUES ('live', now()), ('idle', IDLE)`, schema{}, "", "", "live"},
		"a child's column with a space": {`CREATE TABLE sessions (id text PRIMARY KEY, updated_at timestamptz); CREATE TABLE votes (id serial PRIMARY KEY, "session id" text NOT NULL REFERENCES sessions ON DELETE CASCADE);
			INSERT INTO sessions VALUES ('live', now()), ('idle', IDLE)`, schema{}, "", "", "live"},
		"two keys from one child": {`CREATE TABLE sessions (id text PRIMARY KEY, created_at timestamptz);
			CREATE TABLE links (id serial PRIMARY KEY, from_id text REFERENCES sessions ON DELETE CASCADE, to_id text REFERENCES sessions ON DELETE SET NULL, created_at timestamptz DEFAULT now());
			INSERT INTO sessions VALUES ('live', IDLE), ('idle', IDLE); INSERT INTO links (to_id) VALUES ('live')`, schema{}, "", "", "live"},
		"no primary key":                  {`CREATE TABLE sessions (id int, created_at timestamptz); INSERT INTO sessions VALUES (1, IDLE), (1, now())`, schema{}, "no primary key of one column, nor a unique column id", "", ""},
		"a key with the tenant":           {`CREATE TABLE sessions (tenant int, id int, created_at timestamptz, PRIMARY KEY (tenant, id)); INSERT INTO sessions VALUES (1, 1, IDLE), (2, 1, now())`, schema{Table: "sessions"}, "want a primary key, or a UNIQUE index", "", ""},
		"a unique index on an expression": {`CREATE TABLE sessions (id text, created_at timestamptz); CREATE UNIQUE INDEX ON sessions (lower(id))`, schema{Table: "sessions"}, "want a primary key, or a UNIQUE index", "", ""},
		"a computed last activity":        {`CREATE TABLE sessions (id int PRIMARY KEY, seen bigint, last_activity timestamp GENERATED ALWAYS AS (timestamp 'epoch' + seen * interval '1 second') STORED)`, schema{}, "GENERATED ALWAYS", "", ""},
		"a computed protection":           {`CREATE TABLE sessions (id int PRIMARY KEY, vip boolean, auto_cleanup boolean GENERATED ALWAYS AS (NOT vip) STORED)`, schema{}, "GENERATED ALWAYS", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			if err := pgapps.Exec(t.Context(), url, strings.ReplaceAll(c.tables, "IDLE", "now() - interval '60 days'")); err != nil {
				t.Fatal(err)
			}
			before := dump(t, url)
			store, pool := open(t, url, postgres.Config{Schema: c.schema}), connect(t, url)
			err := store.Migrate(t.Context(), sessioncleanup.Policy{})
			if c.refused != "" {
				if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("Migrate fails with %v, want an ErrInvalid with %q", err, c.refused)
				}
				if diff := cmp.Diff(before, dump(t, url)); diff != "" {
					t.Errorf("after the refusal (-before +after):\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			schema, err := store.Schema(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			id := c.id
			if id == "" {
				id = "id"
			}
			active := value[string](t, pool, `SELECT coalesce(string_agg(`+id+`, ' ' ORDER BY `+id+`), '') FROM "`+schema.Table+`" WHERE active`)
			if active != c.active {
				t.Errorf("sessions %q are active after a run, want %q", active, c.active)
			}
			if n := value[int](t, pool, "SELECT count(*) FROM sessions_cleanup_view"); n != 2 {
				t.Errorf("the view shows %d sessions, want 2", n)
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}

func textLog(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
