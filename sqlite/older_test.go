package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	driver3 "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// depthOfOlder is less than the 100 that the stack of the parser has in SQLite before 3.46. An application with such an SQLite cannot open a
// database at all in which any view or trigger needs more than 100.
const depthOfOlder = 95

// TestOlderSQLiteReadsWhatMigrateAdds has the parser of an older SQLite read all tables, views, triggers and indexes of adopted databases.
func TestOlderSQLiteReadsWhatMigrateAdds(t *testing.T) {
	t.Parallel()
	rules := sessioncleanup.Policy{WarnBefore: day, Archive: sessioncleanup.On, Rules: "vip: delete=never; test: inactive=1h delete=7d warn=2d"}
	applications := map[string][]string{
		"an application": {appTables},
		"all at once": {
			`CREATE TABLE polls (id TEXT PRIMARY KEY, owner_id INTEGER, plan TEXT, kind TEXT, updated_at TIMESTAMP, deleted_at TIMESTAMP,
				status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')))`,
			"CREATE TABLE votes (poll TEXT REFERENCES polls (id) ON DELETE CASCADE, at REAL)",
		},
	}
	schemas := map[string]sessioncleanup.Schema{"all at once": {
		Table: "polls", TagColumns: []string{"plan", "kind"}, SoftDelete: true, Only: []sessioncleanup.Only{{Column: "kind", Values: []string{"poll", "quiz"}}},
	}}
	for seed := range uint64(12) {
		w := randomApplication(rand.New(rand.NewPCG(seed+1, 14)), time.Now())
		if !w.refused {
			name := fmt.Sprint("seed ", seed+1)
			applications[name], schemas[name] = w.ddl, w.schema
		}
	}
	for name, ddl := range applications {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, ddl...)
			store := open(t, path, sqlite.Config{Schema: schemas[name], Migrate: sessioncleanup.MigrateOptions{View: true}})
			migrateWith(t, store, rules)
			older := parserOf(t, depthOfOlder)
			statements := lines(t, app, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY type <> 'table', rowid")
			for _, statement := range statements {
				if _, err := older.ExecContext(t.Context(), statement); err != nil {
					t.Errorf("%v\n%s", err, statement)
				}
			}
			if len(statements) < 20 {
				t.Errorf("Migrate left %d tables, views, triggers and indexes, want more", len(statements))
			}
		})
	}
}

// parserOf is an empty database whose parser is limited.
func parserOf(t *testing.T, depth int) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(conn.Close(), db.Close()) })
	if _, err := driver3.Limit(conn, sqlite3.SQLITE_LIMIT_PARSER_DEPTH, depth); err != nil {
		t.Fatal(err)
	}
	return conn
}
