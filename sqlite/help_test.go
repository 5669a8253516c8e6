package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlitetest"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

const day = 24 * time.Hour

// applications are the settings of an application's connections.
const applications = "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"

// openApp opens a database as an application does that knows nothing of the library.
func openApp(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+applications)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// newApp makes a database with tables of an application.
func newApp(t testing.TB, statements ...string) (path string, app *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "app.db")
	app = openApp(t, path)
	for _, statement := range statements {
		execute(t, app, statement)
	}
	return path, app
}

// open opens a database whose times may lie in any year.
func open(t testing.TB, path string, c sqlite.Config) *sqlite.Store {
	t.Helper()
	c.Migrate.AcceptTimes = true
	store, err := sqlite.Open(t.Context(), path, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func migrate(t testing.TB, store *sqlite.Store) {
	t.Helper()
	migrateWith(t, store, sessioncleanup.Policy{})
}

func migrateWith(t testing.TB, store *sqlite.Store, p sessioncleanup.Policy) {
	t.Helper()
	if err := store.Migrate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// adopt makes a database with tables of an application and migrates it.
func adopt(t testing.TB, statements ...string) (*sqlite.Store, *sql.DB) {
	t.Helper()
	return adoptWith(t, sqlite.Config{}, statements...)
}

func adoptWith(t testing.TB, c sqlite.Config, statements ...string) (*sqlite.Store, *sql.DB) {
	t.Helper()
	path, app := adopted(t, statements, c)
	return open(t, path, c), app
}

// adopted makes a database with tables of an application that Migrate has adopted, with each of the configurations.
func adopted(t testing.TB, statements []string, configs ...sqlite.Config) (path string, app *sql.DB) {
	t.Helper()
	key := strings.Join(statements, "\n")
	for _, c := range configs {
		values, err := json.Marshal([]any{c.Name, c.Schema, c.Migrate})
		if err != nil {
			t.Fatal(err)
		}
		key += string(values)
	}
	path = sqlitetest.Prepared(t, key, func(ctx context.Context, path string) error {
		db, err := sql.Open("sqlite", path+applications)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err = db.ExecContext(ctx, statement); err != nil {
				break
			}
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
		for _, c := range configs {
			c.Migrate.AcceptTimes = true
			store, err := sqlite.Open(ctx, path, c)
			if err != nil {
				return err
			}
			if err := errors.Join(store.Migrate(ctx, sessioncleanup.Policy{}), store.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	return path, openApp(t, path)
}

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// lines runs a query and returns its rows as text, columns with a bar between them.
func lines(t testing.TB, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		dest := make([]any, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(columns))
		for i := range dest {
			parts[i] = fmt.Sprint(*dest[i].(*any))
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

func line(t testing.TB, db *sql.DB, query string, args ...any) string {
	t.Helper()
	return strings.Join(lines(t, db, query, args...), "\n")
}

// dump is the schema of a database, and when asked for its rows too, as text.
func dump(t testing.TB, db *sql.DB, rows bool) string {
	t.Helper()
	out := line(t, db, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
	if rows {
		for _, table := range lines(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
			out += "\n" + table + ":\n" + line(t, db, fmt.Sprintf("SELECT * FROM %q", table))
		}
	}
	return out
}

// get reads one session.
func get(t testing.TB, store *sqlite.Store, id string) sessioncleanup.Session {
	t.Helper()
	page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Sessions) != 1 {
		t.Fatalf("there is no session %q", id)
	}
	return page.Sessions[0]
}

func clock(t testing.TB, store *sqlite.Store) time.Time {
	t.Helper()
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// near reports whether a time lies within some seconds of another.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 10*time.Second }

// clean does a run with the guide's policy and returns what it changed.
func clean(ctx context.Context, store *sqlite.Store) (deleted, deactivated []string, err error) {
	now, err := store.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	phase := func(a sessioncleanup.Action) (ids []string, err error) {
		b := batchOf(a, now, 50)
		for tries := 1; ; tries++ {
			out, err := store.Sweep(ctx, b)
			if errors.Is(err, sessioncleanup.ErrUnavailable) && tries < 7 { // as a run does
				continue
			}
			if err != nil {
				return ids, err
			}
			tries = 0
			ids = append(ids, out.IDs...)
			if b.After = out.Next; b.After == "" {
				return ids, nil
			}
			if err := wait.For(ctx, out.Pause); err != nil {
				return ids, err
			}
		}
	}
	if deleted, err = phase(sessioncleanup.ActionDeleted); err != nil {
		return deleted, nil, err
	}
	deactivated, err = phase(sessioncleanup.ActionDeactivated)
	return deleted, deactivated, err
}

// batchOf is a phase's first batch, with the guide's policy.
func batchOf(a sessioncleanup.Action, now time.Time, limit int) sessioncleanup.Batch {
	return sessioncleanup.Batch{
		Action: a, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now), Limit: limit, BusyShare: 0.5,
		Cause: sessioncleanup.Cause{Actor: "system", RunID: "run"},
	}
}

// stamp is a time as the library writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

func configOf(s sessioncleanup.Schema) sqlite.Config { return sqlite.Config{Schema: s} }

// logTo is a logger that writes as text.
func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
