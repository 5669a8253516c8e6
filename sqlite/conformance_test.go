package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlitetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// appTables are those of an application with integer ids: owners, sessions with some of the columns, activity.
const appTables = `
	CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL, email TEXT, locale TEXT, time_zone TEXT);
	CREATE TABLE sessions (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		streamer_id INTEGER REFERENCES users (id),
		name TEXT, code TEXT,
		active BOOLEAN NOT NULL DEFAULT 1,
		created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP);
	CREATE TABLE propositions (
		id INTEGER PRIMARY KEY,
		session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
		song TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);`

// twelveUsers are the owners of sessions in appTables.
const twelveUsers = "INSERT INTO users (id, username) SELECT value, 'user ' || value FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')"

// planColumn is a column of appTables whose values are tags, with byPlan.
const planColumn = "ALTER TABLE sessions ADD COLUMN plan TEXT"

var byPlan = sqlite.Config{Schema: sessioncleanup.Schema{TagColumns: []string{"plan"}}}

func setPlan(app *sql.DB) func(ctx context.Context, id, value string) error {
	return func(ctx context.Context, id, value string) error {
		_, err := app.ExecContext(ctx, "UPDATE sessions SET plan = ? WHERE id = ?", null(value), id)
		return err
	}
}

func TestStoreWithAnApplicationsTables(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		path, app := adopted(t, []string{appTables, planColumn, twelveUsers}, byPlan)
		h := appHarness(t, open(t, path, sqlite.Config{}), app, "streamer_id", "INTEGER")
		h.SetPlan = setPlan(app)
		h.Second = open(t, path, sqlite.Config{})
		h.Begin = func(ctx context.Context) (storetest.Transaction, error) {
			conn, err := app.Conn(ctx)
			return writeLock{conn}, err
		}
		h.Activity = func(ctx context.Context, id string) error {
			_, err := app.ExecContext(ctx, "INSERT INTO propositions (session_id) VALUES (?)", id)
			return err
		}
		h.PutOwner = func(ctx context.Context, id string, o sessioncleanup.Owner) error {
			_, err := app.ExecContext(ctx, "INSERT OR REPLACE INTO users VALUES (?, 'somebody', ?, ?, ?)", id, null(o.Mail), null(o.Language), null(o.Zone))
			return err
		}
		return h
	})
}

func TestStoreWithItsOwnTable(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		path, app := adopted(t, nil, sqlite.Config{})
		return ownHarness(t, open(t, path, sqlite.Config{}), app)
	}, storetest.TableGroups()...)
}

// With rules in its policy, a store finds what is due class by class; those of a check may be others.
func TestStoreWithRulesByTag(t *testing.T) {
	t.Parallel()
	storetest.Run(t, withRules, "rules")
}

func TestListsAndRunsWithRulesByTag(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.Run(t, withRules, "due", "list", "counts", "sweep", "tags", "outbox", "archive", "workload")
}

func withRules(t testing.TB) storetest.Harness {
	t.Helper()
	path := sqlitetest.Prepared(t, "rules by tag", func(ctx context.Context, path string) error {
		app, err := sql.Open("sqlite", path)
		if err != nil {
			return err
		}
		_, err = app.ExecContext(ctx, appTables+planColumn+";"+twelveUsers)
		if err := errors.Join(err, app.Close()); err != nil {
			return err
		}
		store, err := sqlite.Open(ctx, path, byPlan)
		if err != nil {
			return err
		}
		return errors.Join(store.Migrate(ctx, sessioncleanup.Policy{
			Rules: "vip: delete=never; test: inactive=1h; gold: delete=400d; a.b: delete=1d; a-b: delete=1d; unused: delete=1d",
		}), store.Close())
	})
	app := openApp(t, path)
	h := appHarness(t, open(t, path, sqlite.Config{}), app, "streamer_id", "INTEGER")
	h.SetPlan = setPlan(app)
	h.Second = open(t, path, sqlite.Config{})
	h.Activity = func(ctx context.Context, id string) error {
		_, err := app.ExecContext(ctx, "INSERT INTO propositions (session_id) VALUES (?)", id)
		return err
	}
	return h
}

// A database in memory has one connection, for the application too: a call that takes a second one beside it would wait forever.
func TestStoreInMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, inMemory, "context", "concurrency")
}

func TestChangesInMemory(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Tables)
	storetest.Run(t, inMemory, "sweep", "delete", "touch", "archive", "lease")
}

func inMemory(t testing.TB) storetest.Harness {
	t.Helper()
	app := openApp(t, ":memory:")
	app.SetMaxOpenConns(1)
	store, err := sqlite.New(t.Context(), app, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, store)
	return ownHarness(t, store, app)
}

func ownHarness(t testing.TB, store sessioncleanup.Store, app *sql.DB) storetest.Harness {
	t.Helper()
	h := appHarness(t, store, app, "owner_id", "TEXT")
	h.ID = func(n int) string { return fmt.Sprintf("session-%d", n) }
	return h
}

// writeLock is a transaction of the application: SQLite has one lock for all writes.
type writeLock struct{ *sql.Conn }

func (writeLock) LockSession(context.Context, string) error { return errors.ErrUnsupported }
func (writeLock) LockChild(context.Context, string) error   { return errors.ErrUnsupported }

func (l writeLock) LockWrites(ctx context.Context) error {
	_, err := l.ExecContext(ctx, "BEGIN IMMEDIATE")
	return err
}

func (l writeLock) Rollback() error {
	_, err := l.ExecContext(context.Background(), "ROLLBACK")
	return errors.Join(err, l.Close())
}

func appHarness(t testing.TB, store sessioncleanup.Store, app *sql.DB, owner, ids string) storetest.Harness {
	t.Helper()
	insert := "INSERT INTO sessions (id, " + owner + ", name, code, active, auto_cleanup, created_at, updated_at, last_activity, expires_at, deactivated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	execute(t, app, "CREATE TABLE pins (session_id "+ids+" REFERENCES sessions (id))")
	return storetest.Harness{
		Store: store,
		Insert: func(ctx context.Context, sessions ...sessioncleanup.Session) error {
			for _, s := range sessions {
				_, err := app.ExecContext(ctx, insert, s.ID, null(s.OwnerID), null(s.Name), null(s.Code), s.Active, s.AutoCleanup,
					written(s.CreatedAt), written(s.UpdatedAt), written(s.LastActivity), written(s.ExpiresAt), written(s.DeactivatedAt))
				if err != nil {
					return err
				}
			}
			return nil
		},
		Pin: func(ctx context.Context, id string) error {
			_, err := app.ExecContext(ctx, "INSERT INTO pins VALUES (?)", id)
			return err
		},
		Tag: func(ctx context.Context, id string, tags ...string) error {
			for _, tag := range tags {
				if _, err := app.ExecContext(ctx, "INSERT INTO sessioncleanup_tags SELECT id, ? FROM sessions WHERE id = ?", tag, id); err != nil {
					return err
				}
			}
			return nil
		},
		SetActive: func(ctx context.Context, id string, active bool) error {
			_, err := app.ExecContext(ctx, "UPDATE sessions SET active = ? WHERE id = ?", active, id)
			return err
		},
		Owner: strconv.Itoa,
	}
}

// written is a time as an application with another habit than the library's writes it, with its zone.
func written(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format("2006-01-02T15:04:05.999999999Z07:00")
}

func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}
