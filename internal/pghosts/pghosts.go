// Package pghosts makes databases of many kinds of applications that have their sessions in a PostgreSQL table already, in
// various shapes. The conformance suite runs on each of them.
package pghosts

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// zone is that of the applications' columns without time zone. It is far from UTC, and no hour is repeated in it: such a
// column could not tell which of the two is meant.
const zone = "Asia/Kolkata"

//go:embed testdata/*.sql
var testdata embed.FS

// Host is the database of an application, as testdata/NAME.sql makes it.
type Host struct {
	name   string
	Schema sessioncleanup.Schema // zero: what Inspect finds
	pins   string                // the table whose rows keep sessions from being deleted
	pinned string                // makes it, after the migration: it is no activity table
	source string                // an activity table; empty for none
	column string                // its column with the session's id
	uuid   bool
	others int // rows, with ids above 900000, that are no sessions
	names  int // bytes that fit into the column of the name; 0: any number
}

// All returns the hosts by name.
func All() map[string]Host {
	all := []Host{
		{name: "guide", pins: "pins", pinned: "CREATE TABLE pins (session_id bigint REFERENCES sessions (id))", source: "propositions", column: "session_id"},
		{name: "integer", names: 2000, pins: "pins", pinned: "CREATE TABLE pins (session_id integer REFERENCES sessions (id))", source: "propositions", column: "session_id"},
		{name: "uuid", pins: `"Live".pins`, pinned: `CREATE TABLE "Live".pins (session_id uuid REFERENCES "Live"."Rooms")`, source: `"Live".messages`, column: "room", uuid: true, Schema: sessioncleanup.Schema{
			Table: "Live.Rooms", ID: "roomId", Owner: "owner", Name: "title", Code: "slug", Active: "is_active",
			CreatedAt: "createdAt", UpdatedAt: "updatedAt", ExpiresAt: "expires",
			Owners:  &sessioncleanup.Owners{Table: "Live.people", ID: "login", Name: "display_name"},
			Sources: []sessioncleanup.Source{{Table: "Live.messages", Session: "room", At: "sent_at"}},
		}},
		{name: "text", pins: "pins", pinned: "CREATE TABLE pins (session_id text REFERENCES sessions (id))", source: "votes", column: "session", Schema: sessioncleanup.Schema{
			Owner: "owner_id", Name: "name", Code: "code", CreatedAt: "created_at", UpdatedAt: "updated_at",
			Sources: []sessioncleanup.Source{{Table: "votes", Session: "session", At: "at"}},
		}},
		{name: "partitioned", pins: "pins", source: "votes", column: "session_id", Schema: sessioncleanup.Schema{
			Owner: "owner_id", Name: "name", Code: "code", CreatedAt: "created_at", UpdatedAt: "updated_at",
			Sources: []sessioncleanup.Source{{Table: "votes", Session: "session_id", At: "at"}},
		}},
		{name: "states", names: 2000, pins: "pins", source: "messages", column: "room_id", others: 2, Schema: sessioncleanup.Schema{Table: "rooms", SoftDelete: true}},
		{name: "kinds", pins: "pins", pinned: "CREATE TABLE pins (session_id bigint REFERENCES spaces (id))", source: "moves", column: "space_id", others: 4, Schema: sessioncleanup.Schema{
			Table: "spaces", Active: "status", State: &sessioncleanup.State{Active: []string{"waiting", "playing"}, Deactivated: "over"},
			Only: []sessioncleanup.Only{
				{Column: "kind", Values: []string{"room"}}, {Column: "tenant_id", Values: []string{"7"}},
				{Column: "status", Values: []string{"waiting", "playing", "over"}},
			},
		}},
		{name: "own", pins: "pins", pinned: "CREATE TABLE pins (session_id text REFERENCES sessions (id))"},
	}
	byName := map[string]Host{}
	for _, h := range all {
		byName[h.name] = h
	}
	return byName
}

// Make fills an empty database with the application's tables. The library's own table gets its pins after the migration.
func (h Host) Make(ctx context.Context, url string) error {
	if h.name == "own" {
		return nil
	}
	return execFile(ctx, url, "testdata/"+h.name+".sql")
}

// Adopt makes the host and migrates it.
func (h Host) Adopt(ctx context.Context, url string) error {
	if err := h.Make(ctx, url); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, url, postgres.Config{Schema: h.Schema, Migrate: sessioncleanup.MigrateOptions{TimeZone: zone, AcceptTimes: true}})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Migrate(ctx, sessioncleanup.Policy{}); err != nil {
		return err
	}
	return Exec(ctx, url, h.pinned+";"+h.makeParts())
}

func execFile(ctx context.Context, url, name string) error {
	sql, err := testdata.ReadFile(name)
	if err != nil {
		return err
	}
	return Exec(ctx, url, string(sql))
}

// Exec runs statements, several at once if need be.
func Exec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// insert adds sessions as the application's own INSERT would.
func (h Host) insert(ctx context.Context, pool *pgxpool.Pool, s sessioncleanup.Schema, sessions ...sessioncleanup.Session) error {
	var script strings.Builder
	for _, session := range sessions {
		if s.Owners != nil && session.OwnerID != "" {
			owner := "'" + strings.ReplaceAll(session.OwnerID, "'", "''") + "'"
			fmt.Fprintf(&script, "INSERT INTO %s (%s, %s) VALUES (%s, %s) ON CONFLICT DO NOTHING;\n",
				sqlfile.Table(s.Owners.Table), sqlfile.Column(s.Owners.ID), sqlfile.Column(s.Owners.Name), owner, owner)
		}
		if s.SoftDelete {
			fmt.Fprintf(&script, "DELETE FROM %s WHERE %s = '%s' AND %s IS NOT NULL;\n", sqlfile.Table(s.Table), sqlfile.Column(s.ID), session.ID, sqlfile.Column(s.DeletedAt))
		}
		script.WriteString(insertSQL(s, session) + ";\n")
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(ctx, script.String()).ReadAll()
	return err
}

// insertSQL writes all values into the statement: their types are the columns'.
func insertSQL(s sessioncleanup.Schema, session sessioncleanup.Session) string {
	var columns, values []string
	add := func(column string, value any) {
		if column == "" {
			return
		}
		columns = append(columns, sqlfile.Column(column))
		switch v := value.(type) {
		case time.Time:
			if v.IsZero() && (column == s.CreatedAt || column == s.UpdatedAt) {
				columns = columns[:len(columns)-1]
				return
			}
			if v.IsZero() {
				values = append(values, "NULL")
				return
			}
			// Columns without time zone hold the time of day in that zone, as these applications write it.
			values = append(values, "timestamptz '"+v.Format(time.RFC3339Nano)+"'")
		case bool:
			values = append(values, fmt.Sprint(v))
		case string:
			if v == "" {
				values = append(values, "NULL")
				return
			}
			values = append(values, "'"+strings.ReplaceAll(v, "'", "''")+"'")
		}
	}
	add(s.ID, session.ID)
	add(s.Owner, session.OwnerID)
	add(s.Name, session.Name)
	add(s.Code, session.Code)
	if s.State == nil {
		add(s.Active, session.Active)
	} else {
		add(s.Active, stateOf(s.State, session))
	}
	for _, only := range s.Only {
		if only.Column != s.Active {
			add(only.Column, only.Values[0])
		}
	}
	add(s.AutoCleanup, session.AutoCleanup)
	add(s.CreatedAt, session.CreatedAt)
	add(s.UpdatedAt, session.UpdatedAt)
	add(s.LastActivity, session.LastActivity)
	add(s.ExpiresAt, session.ExpiresAt)
	add(s.DeactivatedAt, session.DeactivatedAt)
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", sqlfile.Table(s.Table), strings.Join(columns, ", "), strings.Join(values, ", "))
}

// stateOf is the state of a session: the active ones have any of those that mean it.
func stateOf(s *sessioncleanup.State, session sessioncleanup.Session) string {
	if !session.Active {
		return s.Deactivated
	}
	return s.Active[len(session.ID+session.Name)%len(s.Active)]
}

// untouched requires that what is no session is as it was.
func (h Host) untouched(t testing.TB, url string, s sessioncleanup.Schema) {
	if h.others == 0 {
		return
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		var same int
		err = conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s s WHERE id > 900000 AND updated_at < '2021-01-01' AND (deleted_at IS NULL OR deleted_at < '2021-01-01') AND "+
			"coalesce(to_jsonb(s) ->> '%s', to_jsonb(s) ->> '%s') IS NULL", // no columns any more after Uninstall
			sqlfile.Table(s.Table), s.LastActivity, s.DeactivatedAt)).Scan(&same)
		if err != nil || same != h.others {
			t.Errorf("of %d rows that are no sessions, %d are as they were: %v", h.others, same, err)
		}
	})
}

// Harness is what the conformance suite needs on a database that Adopt made.
func (h Host) Harness(t testing.TB, url string) storetest.Harness {
	t.Helper()
	first := open(t, url)
	schema, err := first.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The application's connections are in the zone of its columns without time zone.
	pool := connect(t, url)
	h.untouched(t, url, schema)
	harness := storetest.Harness{
		Store:  first,
		Second: open(t, url),
		Insert: func(ctx context.Context, sessions ...sessioncleanup.Session) error {
			return h.insert(ctx, pool, schema, sessions...)
		},
		SetActive: func(ctx context.Context, id string, active bool) error {
			value := fmt.Sprint(active)
			if schema.State != nil {
				value = stateOf(schema.State, sessioncleanup.Session{ID: id, Active: active})
			}
			_, err := pool.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s = '%s' WHERE %s = '%s'",
				sqlfile.Table(schema.Table), sqlfile.Column(schema.Active), value, sqlfile.Column(schema.ID), id))
			return err
		},
		Pin: func(ctx context.Context, id string) error {
			_, err := pool.Exec(ctx, "INSERT INTO "+h.pins+" VALUES ('"+id+"')")
			return err
		},
		Resolution:      time.Microsecond,
		MaxName:         h.names,
		KeepsRows:       schema.SoftDelete,
		ActivityNotNull: h.name == "own",
		Begin:           h.locks(pool, schema.Table, schema.ID),
		Disconnect:      disconnect(pool),
	}
	if h.source != "" {
		harness.Activity = func(ctx context.Context, id string) error {
			_, err := pool.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES ('%s')", h.source, h.column, id))
			return err
		}
	}
	if h.uuid {
		harness.ID = func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	}
	return harness
}

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["timezone"] = zone
	config.ConnConfig.RuntimeParams["application_name"] = application
	config.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
