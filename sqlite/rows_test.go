package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// rowsApp is an application whose table does not only have sessions, and whose sessions say in another way than by a
// boolean whether they are active.
type rowsApp struct {
	tables string
	schema sessioncleanup.Schema
	fixed  map[string]string // columns of its inserts, in SQL
	source string            // an insert of activity
	pin    string
	same   string // a query for the number of rows that are no sessions and as they were
	others int
}

var rowsApps = map[string]rowsApp{
	"states": {
		tables: `
			CREATE TABLE rooms (id INTEGER PRIMARY KEY, host_id INTEGER, title TEXT, slug TEXT,
				state TEXT DEFAULT 'open' CHECK (state IN ('open', 'live', 'closed')),
				created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP, deleted_at TIMESTAMP);
			CREATE TABLE messages (id INTEGER PRIMARY KEY, room_id INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE, sent_at TIMESTAMP);
			CREATE TABLE pins (pinned INTEGER REFERENCES rooms);
			CREATE TRIGGER refuse BEFORE UPDATE OF deleted_at ON rooms WHEN EXISTS (SELECT 1 FROM pins WHERE pinned = OLD.id) BEGIN SELECT RAISE(ABORT, 'room is pinned'); END;
			INSERT INTO rooms (id, state, created_at, updated_at, deleted_at) VALUES (900001, 'open', '2020-01-01', '2020-01-01', '2020-01-02'), (900002, 'closed', '2020-01-01', '2020-01-01', '2020-01-02');
			INSERT INTO messages (room_id, sent_at) VALUES (900001, '2020-01-01')`,
		schema: sessioncleanup.Schema{Table: "rooms", SoftDelete: true, Sources: []sessioncleanup.Source{{Table: "messages", Session: "room_id", At: "sent_at"}}},
		source: "INSERT INTO messages (room_id) VALUES (?)",
		pin:    "INSERT INTO pins VALUES (?)",
		same:   "SELECT count(*) FROM rooms WHERE id > 900000 AND updated_at = '2020-01-01' AND deleted_at = '2020-01-02' AND last_activity IS NULL AND auto_cleanup IS NULL",
		others: 2,
	},
	"kinds": {
		tables: `
			CREATE TABLE spaces (id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, kind TEXT NOT NULL, user_id INTEGER, name TEXT, code TEXT,
				status INTEGER NOT NULL DEFAULT 1, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP, deleted_at INTEGER DEFAULT 0);
			CREATE TABLE moves (id INTEGER PRIMARY KEY, space_id INTEGER NOT NULL REFERENCES spaces ON DELETE CASCADE, made_at TIMESTAMP);
			INSERT INTO spaces (id, tenant_id, kind, status, created_at, updated_at, deleted_at) VALUES
				(900001, 8, 'room', 0, '2020-01-01', '2020-01-01', 0), (900002, 7, 'cart', 1, '2020-01-01', '2020-01-01', 0),
				(900003, 7, 'room', 0, '2020-01-01', '2020-01-01', 1577923200), (900004, 7, 'room', 9, '2020-01-01', '2020-01-01', NULL);
			INSERT INTO moves (space_id, made_at) VALUES (900001, '2020-01-01')`,
		schema: sessioncleanup.Schema{
			Table: "spaces", Active: "status", State: &sessioncleanup.State{Active: []string{"1", "2"}, Deactivated: "0"},
			Only: []sessioncleanup.Only{
				{Column: "kind", Values: []string{"room"}}, {Column: "tenant_id", Values: []string{"7"}}, {Column: "status", Values: []string{"0", "1", "2"}},
			},
		},
		fixed:  map[string]string{"kind": "'room'", "tenant_id": "7"},
		source: "INSERT INTO moves (space_id) VALUES (?)",
		pin:    "INSERT INTO pins VALUES (?)",
		same:   "SELECT count(*) FROM spaces WHERE id > 900000 AND updated_at = '2020-01-01' AND coalesce(deleted_at, 0) < 1600000000 AND last_activity IS NULL AND auto_cleanup IS NULL",
		others: 4,
	},
}

func (h rowsApp) harness(t testing.TB) storetest.Harness {
	path, app := adopted(t, []string{h.tables}, sqlite.Config{Schema: h.schema})
	store := open(t, path, sqlite.Config{})
	schema, err := store.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !schema.SoftDelete {
		execute(t, app, "CREATE TABLE pins (pinned INTEGER REFERENCES "+schema.Table+")")
	}
	t.Cleanup(func() {
		var same int
		if err := app.QueryRowContext(context.WithoutCancel(t.Context()), h.same).Scan(&same); err != nil || same != h.others {
			t.Errorf("of %d rows that are no sessions, %d are as they were: %v", h.others, same, err)
		}
	})
	state := func(s sessioncleanup.Session) string {
		if !s.Active {
			return schema.State.Deactivated
		}
		return schema.State.Active[len(s.ID+s.Name)%len(schema.State.Active)]
	}
	run := func(ctx context.Context, sql string, args ...any) error {
		_, err := app.ExecContext(ctx, sql, args...)
		return err
	}
	return storetest.Harness{
		Store:     store,
		Second:    open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: h.schema.Table}}),
		KeepsRows: schema.SoftDelete,
		Insert: func(ctx context.Context, sessions ...sessioncleanup.Session) error {
			var err error
			for _, s := range sessions {
				if schema.SoftDelete {
					err = errors.Join(err, run(ctx, "DELETE FROM rooms WHERE id = ? AND deleted_at IS NOT NULL", s.ID))
				}
				columns := []string{
					schema.ID, schema.Owner, schema.Name, schema.Code, schema.Active, schema.AutoCleanup, schema.CreatedAt, schema.UpdatedAt,
					schema.LastActivity, schema.ExpiresAt, schema.DeactivatedAt,
				}
				values := "?" + strings.Repeat(", ?", len(columns)-1)
				for column, value := range h.fixed {
					columns, values = append(columns, column), values+", "+value
				}
				err = errors.Join(err, run(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", schema.Table, strings.Join(columns, ", "), values),
					s.ID, null(s.OwnerID), null(s.Name), null(s.Code), state(s), s.AutoCleanup,
					written(s.CreatedAt), written(s.UpdatedAt), written(s.LastActivity), written(s.ExpiresAt), written(s.DeactivatedAt)))
			}
			return err
		},
		Activity: func(ctx context.Context, id string) error { return run(ctx, h.source, id) },
		Pin:      func(ctx context.Context, id string) error { return run(ctx, h.pin, id) },
		SetActive: func(ctx context.Context, id string, active bool) error {
			return run(ctx, fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ?", schema.Table, schema.Active), state(sessioncleanup.Session{ID: id, Active: active}), id)
		},
		Begin: func(ctx context.Context) (storetest.Transaction, error) {
			conn, err := app.Conn(ctx)
			return writeLock{conn}, err
		},
	}
}

func TestStoreWithRowsThatAreNoSessions(t *testing.T) {
	t.Parallel()
	for name, app := range rowsApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			thorough.Only(t, thorough.Tables)
			storetest.Run(t, app.harness, storetest.TableGroups()...)
		})
	}
}

// adoptRows makes and migrates the database of such an application.
func adoptRows(t *testing.T, name string) (*sqlite.Store, *sql.DB) {
	t.Helper()
	h := rowsApps[name]
	return adoptWith(t, sqlite.Config{Schema: h.schema, Migrate: sessioncleanup.MigrateOptions{View: true}}, h.tables)
}

// TestASoftDeletionKeepsTheRowAndWhatRefersToIt lets a run and a person delete rooms, with the archive on.
func TestASoftDeletionKeepsTheRowAndWhatRefersToIt(t *testing.T) {
	t.Parallel()
	store, app := adoptRows(t, "states")
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	old := stamp(time.Now().Add(-60 * day))
	execute(t, app, "INSERT INTO rooms (id, state, last_activity, auto_cleanup, deactivated_at) VALUES (1, 'closed', ?1, 1, ?1), (2, 'live', ?1, 0, NULL)", old)
	execute(t, app, "INSERT INTO messages (room_id, sent_at) VALUES (1, '2020-01-01')")
	execute(t, app, "DELETE FROM sessioncleanup_touches")
	if r, err := manager.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || r.Deleted() != 1 {
		t.Errorf("a run deleted %d: %v", r.Deleted(), err)
	}
	if _, err := manager.Delete(t.Context(), "2"); err != nil {
		t.Error(err)
	}
	for what, query := range map[string]string{
		"rooms deleted now, with a message": "SELECT count(*) - 1 FROM rooms JOIN messages ON room_id = rooms.id WHERE rooms.id = 1 AND deleted_at > strftime('%Y-%m-%d %H:%M', 'now', '-1 hour')",
		"rooms that are there":              "SELECT count(*) - 2 FROM rooms WHERE id < 3 AND deleted_at IS NOT NULL",
		"entries of the archive":            "SELECT count(*) FROM sessioncleanup_archive",
		"rows of the view":                  "SELECT count(*) FROM sessions_cleanup_view",
	} {
		if got := line(t, app, query); got != "0" {
			t.Errorf("%s: %s too many", what, got)
		}
	}
	if dependents, err := store.Dependents(t.Context(), nil); err != nil || len(dependents) > 0 {
		t.Errorf("a deletion reaches %v: %v", dependents, err)
	}
	if _, err := manager.Get(t.Context(), "2"); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("a deleted room is found: %v", err)
	}
	if c, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{}); err != nil || c.Total != 0 {
		t.Errorf("counts: %+v, %v; want no sessions", c, err)
	}
}

func TestARowThatBecomesASessionCountsAsUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"states": "UPDATE rooms SET deleted_at = NULL WHERE id = 900002",
		"kinds":  "UPDATE spaces SET status = 0, tenant_id = 7, kind = 'room', deleted_at = 0 WHERE id = 900002",
	} {
		store, app := adoptRows(t, name)
		execute(t, app, change)
		if s := get(t, store, "900002"); s.Active || !s.AutoCleanup || !near(s.LastActivity, time.Now()) {
			t.Errorf("%s: %+v; want an inactive session that may be cleaned up and was used just now", name, s)
		}
		if deleted, _, err := clean(t.Context(), store); err != nil || len(deleted) != 0 {
			t.Errorf("%s: a run deleted %v: %v", name, deleted, err)
		}
	}
}

// TestActivityOfOtherRowsIsNotFollowed touches rows that are no sessions, in every way.
func TestActivityOfOtherRowsIsNotFollowed(t *testing.T) {
	t.Parallel()
	store, app := adoptRows(t, "kinds")
	execute(t, app, "INSERT INTO moves (space_id) VALUES (900001), (900002), (900003), (900004)")
	execute(t, app, "UPDATE spaces SET status = 9 - status WHERE id <> 900004")
	if n, err := store.Touch(t.Context(), sessioncleanup.Touch{IDs: []string{"900001", "900002"}}); err != nil || n != 0 {
		t.Errorf("%d were touched: %v", n, err)
	}
	if _, err := store.Update(t.Context(), sessioncleanup.Target{ID: "900002"}, sessioncleanup.Change{Active: sessioncleanup.Off}); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("a cart was changed: %v", err)
	}
	if _, _, err := clean(t.Context(), store); err != nil {
		t.Error(err)
	}
	if got := line(t, app, "SELECT count(*), (SELECT count(*) FROM sessioncleanup_touches WHERE at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 minute')) FROM spaces WHERE last_activity IS NULL AND deactivated_at IS NULL AND auto_cleanup IS NULL"); got != "4|0" {
		t.Errorf("%s: rows as they were, and old notes; want 4|0", got)
	}
}

// TestOneOfSeveralActiveStatesStays changes something else than the state, and the state back and forth.
func TestOneOfSeveralActiveStatesStays(t *testing.T) {
	t.Parallel()
	store, app := adoptRows(t, "kinds")
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, app, "INSERT INTO spaces (id, tenant_id, kind, status) VALUES (1, 7, 'room', 2)")
	for _, step := range []struct {
		change func() error
		want   string
	}{
		{func() error { _, err := manager.SetAutoCleanup(t.Context(), "1", false); return err }, "2|integer"},
		{func() error { _, err := manager.Reactivate(t.Context(), "1"); return err }, "2|integer"},
		{func() error { _, err := manager.Deactivate(t.Context(), "1"); return err }, "0|integer"},
		{func() error { _, err := manager.Reactivate(t.Context(), "1"); return err }, "1|integer"},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if got := line(t, app, "SELECT status, typeof(status) FROM spaces WHERE id = 1"); got != step.want {
			t.Errorf("the state is %s, want %s", got, step.want)
		}
	}
}

func TestColumnsThatSayWhatASessionIsAreFollowedWhenRenamed(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, rowsApps["kinds"].tables)
	migrate(t, open(t, path, sqlite.Config{Schema: rowsApps["kinds"].schema}))
	for _, rename := range []string{"kind TO sort", "deleted_at TO gone_at", "status TO phase"} {
		execute(t, app, "ALTER TABLE spaces RENAME COLUMN "+rename)
	}
	store := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "spaces"}})
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate after the renames: %v", err)
	}
	migrate(t, store)
	if err := store.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	s, err := store.Schema(t.Context())
	if err != nil || s.Active != "phase" || s.DeletedAt != "gone_at" || s.Only[0].Column != "sort" || s.Only[2].Column != "phase" {
		t.Errorf("schema: %+v, %v", s, err)
	}
}

// TestASchemaIsCompletedAndKept adopts a table of which only the name is given.
func TestASchemaIsCompletedAndKept(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, `
		CREATE TABLE members (id INTEGER PRIMARY KEY, nickname TEXT);
		CREATE TABLE lobbies (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES members, title TEXT,
			state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'ended')), deleted_at DATETIME, kind TEXT);
		CREATE TABLE chats (id INTEGER PRIMARY KEY, lobby_id INTEGER REFERENCES lobbies ON DELETE CASCADE, sent_at DATETIME)`)
	migrate(t, open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "Lobbies", Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"room"}}}}}))
	partial := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "Lobbies"}})
	for range 2 {
		s, err := partial.Schema(t.Context())
		if err != nil || s.Owner != "owner_id" || s.Owners == nil || s.Name != "title" || s.State == nil || s.State.Deactivated != "ended" || s.DeletedAt != "deleted_at" ||
			len(s.Sources) != 1 || len(s.Only) != 1 {
			t.Errorf("schema: %+v, %v", s, err)
		}
		if err := errors.Join(partial.Validate(t.Context()), partial.Migrate(t.Context(), sessioncleanup.Policy{})); err != nil {
			t.Error(err)
		}
	}
	execute(t, app, "CREATE TABLE votes (lobby_id INTEGER REFERENCES lobbies ON DELETE CASCADE)")
	migrate(t, partial)
	if s, err := partial.Schema(t.Context()); err != nil || len(s.Sources) != 2 {
		t.Errorf("a table that was made since is not followed: %+v, %v", s.Sources, err)
	}
	for _, c := range []struct {
		schema sessioncleanup.Schema
		want   string
	}{
		{sessioncleanup.Schema{Table: "Lobbies", LastActivity: "last_seen"}, `schema.last_activity is "last_seen": table "lobbies" has no such column; name another column, or have Migrate add it with "add_columns": true in the schema`},
		{sessioncleanup.Schema{Table: "Lobbies", State: &sessioncleanup.State{Active: []string{"open"}, Deactivated: "closed"}}, `schema.state has the value "closed"`},
		{sessioncleanup.Schema{Table: "lobby"}, `schema.table is "lobby", but "lobbies" was adopted`},
	} {
		if err := open(t, path, sqlite.Config{Schema: c.schema}).Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Migrate with %+v: %v, want %s", c.schema, err, c.want)
		}
	}
	if err := open(t, path, sqlite.Config{}).Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := line(t, app, "SELECT count(*), (SELECT count(*) FROM sqlite_master WHERE name LIKE 'sessioncleanup%') FROM pragma_table_info('lobbies')"); got != "6|0" {
		t.Errorf("columns, and objects left by Uninstall: %s, want 6|0", got)
	}
}

// TestAValueOfAnyTypeTellsSessionsApart has conditions on columns of many types, with values that look like SQL.
func TestAValueOfAnyTypeTellsSessionsApart(t *testing.T) {
	t.Parallel()
	for declared, values := range map[string][3]string{ // that of sessions, as SQL has it, and another one
		"TEXT": {`it's \ "so"`, `'it''s \ "so"'`, "'other'"}, "VARCHAR(9)": {"7", "'7'", "'8'"}, "INTEGER": {"-7", "-7", "8"}, "BOOLEAN": {"true", "1", "0"},
		"": {"7", "7", "'7'"}, "BLOB": {"x", "'x'", "x'78'"}, "NUMERIC": {"007", "'007'", "8"},
	} {
		path, app := newApp(t, `CREATE TABLE sessions (id INTEGER PRIMARY KEY, "the kind" `+declared+`, updated_at)`,
			`INSERT INTO sessions VALUES (1, `+values[1]+`, '2020-01-01'), (2, `+values[2]+`, '2020-01-01'), (3, NULL, '2020-01-01')`)
		store := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Only: []sessioncleanup.Only{{Column: "the kind", Values: []string{values[0]}}}}})
		migrate(t, store)
		if _, deactivated, err := clean(t.Context(), store); err != nil || len(deactivated) != 1 {
			t.Errorf("%q: a run deactivated %v: %v", declared, deactivated, err)
		}
		if got := line(t, app, "SELECT group_concat(id) FROM sessions WHERE active = 0"); got != "1" {
			t.Errorf("%q: sessions %s are inactive, want 1", declared, got)
		}
	}
}

func TestABooleanThatSaysDeletedIsAFixedFilter(t *testing.T) {
	t.Parallel()
	schema := sessioncleanup.Schema{Table: "chats", Only: []sessioncleanup.Only{{Column: "is_deleted", Values: []string{"false"}}}}
	store, app := adoptWith(t, sqlite.Config{Schema: schema},
		"CREATE TABLE chats (id INTEGER PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT 1, is_deleted BOOLEAN DEFAULT FALSE, last_activity TIMESTAMP)",
		"INSERT INTO chats (id, is_deleted, last_activity) VALUES (1, FALSE, '2020-01-01'), (2, TRUE, '2020-01-01'), (3, NULL, '2020-01-01')")
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil || result.Deactivated() != 1 {
		t.Errorf("%d sessions were deactivated, %v; want 1", result.Deactivated(), err)
	}
	if got := strings.Join(lines(t, app, "SELECT id, active FROM chats"), " "); got != "1|0 2|1 3|1" {
		t.Errorf("the rows are %s", got)
	}
}
