package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// rowsHost is an application whose table does not only have sessions, and whose sessions say in another way than by a
// boolean whether they are active.
type rowsHost struct {
	tables string
	schema sessioncleanup.Schema
	fixed  map[string]string // columns of its inserts, in SQL
	source string            // an insert of activity
	pin    string
	same   string // a query for the number of rows that are no sessions and as they were
	others int
}

var rowsHosts = map[string]rowsHost{
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

func (h rowsHost) harness(t testing.TB) storetest.Harness {
	path := filepath.Join(t.TempDir(), "app.db")
	host := openHost(t, path)
	execute(t, host, h.tables)
	store := open(t, path, sqlite.Config{Schema: h.schema})
	migrate(t, store)
	schema, err := store.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !schema.SoftDelete {
		execute(t, host, "CREATE TABLE pins (pinned INTEGER REFERENCES "+schema.Table+")")
	}
	t.Cleanup(func() {
		var same int
		if err := host.QueryRowContext(context.WithoutCancel(t.Context()), h.same).Scan(&same); err != nil || same != h.others {
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
		_, err := host.ExecContext(ctx, sql, args...)
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
			conn, err := host.Conn(ctx)
			return writeLock{conn}, err
		},
	}
}

func TestStoreWithRowsThatAreNoSessions(t *testing.T) {
	t.Parallel()
	for name, host := range rowsHosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, host.harness)
		})
	}
}
