package bench

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

//go:embed sql
var scripts embed.FS

// The kinds of databases: all have the guide's tables with the same sessions.
const (
	manual     = "manual"      // with the columns and the index of somebody who cleans up manually
	rowTrigger = "row trigger" // the same, with activity tracked by a handwritten trigger
	library    = "library"     // adopted by this project
)

// engine is a database system, with what differs between them.
type engine struct {
	name    string
	folder  string // of its SQL
	sizes   Sizes
	policy  sessioncleanup.Policy
	writers int // clients that insert as fast as they can

	now        string   // the current time, as stored
	ago        string   // a time that lies an SQL duration back, as stored
	month, day string   // such durations
	jitter     string   // a random one of up to a minute
	compact    []string // after the tables were filled
	tidy       []string // before a measurement
	vacuum     string   // what follows a cleanup in life, by itself
	version    string   // a query

	copy      func(t *testing.T, template string) string // the address of a copy, or of an empty database
	schema    sessioncleanup.Schema                      // what the stores are told of it
	open      func(t *testing.T, address string, schema sessioncleanup.Schema) (*sql.DB, sessioncleanup.Store)
	life      *testing.T        // templates end with it
	templates map[string]string // addresses by kind
}

// bed is a database under measurement.
type bed struct {
	*engine
	db      *sql.DB
	manager *sessioncleanup.Manager
}

func newPostgres(t *testing.T, o Options) *engine {
	settings := map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"}
	if o.Sizes != Quick { // as in production: a commit waits for the disk
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "on", "on", "on"
		// These would meet contenders at random; tidy does it before measurements, for all alike.
		settings["autovacuum"], settings["checkpoint_timeout"] = "off", "1h"
	}
	server := sync.OnceValue(func() *pgtest.Server { return pgtest.Start(t, settings) })
	return &engine{
		name: "PostgreSQL", folder: "sql/postgres", sizes: o.Sizes, policy: o.Policy, writers: 8,
		now: "now()", ago: "now() - %s", month: "interval '30 days'", day: "interval '1 day'",
		jitter:  "random() * interval '1 minute'",
		compact: []string{"VACUUM FULL sessions", "VACUUM ANALYZE", "CHECKPOINT"},
		tidy:    []string{"VACUUM sessions", "CHECKPOINT"},
		vacuum:  "VACUUM ANALYZE",
		version: "SELECT current_setting('server_version')",
		life:    t, templates: map[string]string{},
		copy: func(t *testing.T, template string) string {
			name := "template0"
			if template != "" {
				config, err := pgx.ParseConfig(template)
				check(t, err)
				name = config.Database
			}
			return server().Database(t, name)
		},
		open: func(t *testing.T, address string, schema sessioncleanup.Schema) (*sql.DB, sessioncleanup.Store) {
			config, err := pgxpool.ParseConfig(address)
			check(t, err)
			config.MaxConns = 16
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			check(t, err)
			store, err := postgres.New(pool, postgres.Config{Schema: schema})
			check(t, err)
			db := stdlib.OpenDBFromPool(pool)
			t.Cleanup(func() { _ = db.Close(); pool.Close() })
			return db, store
		},
	}
}

func newSQLite(t *testing.T, o Options) *engine {
	return &engine{
		name: "SQLite", folder: "sql/sqlite", sizes: o.Sizes, policy: o.Policy, writers: 1,
		now: "strftime('%Y-%m-%d %H:%M:%f', 'now')", ago: "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || %s)",
		month: "'30 days'", day: "'1 day'", jitter: "(abs(random()) % 60) || ' seconds'",
		compact: []string{"VACUUM", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"},
		tidy:    []string{"PRAGMA wal_checkpoint(TRUNCATE)"},
		vacuum:  "PRAGMA optimize",
		version: "SELECT sqlite_version()",
		life:    t, templates: map[string]string{},
		copy: func(t *testing.T, template string) string {
			path := filepath.Join(t.TempDir(), "bench.db")
			if template != "" {
				data, err := os.ReadFile(template)
				check(t, err)
				check(t, os.WriteFile(path, data, 0o600))
			}
			return path
		},
		open: func(t *testing.T, address string, schema sessioncleanup.Schema) (*sql.DB, sessioncleanup.Store) {
			pragmas := url.Values{"_pragma": {"busy_timeout(60000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"}}
			dsn := url.URL{Scheme: "file", Path: address, RawQuery: pragmas.Encode()}
			db, err := sql.Open("sqlite", dsn.String())
			check(t, err)
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			check(t, db.PingContext(t.Context())) // makes the file
			store, err := sqlite.Open(t.Context(), address, sqlite.Config{Schema: schema})
			check(t, err)
			t.Cleanup(func() { _ = store.Close(); _ = db.Close() })
			return db, store
		},
	}
}

// fresh opens a new database of a kind, a copy of a template that is made when it is asked for first.
func (e *engine) fresh(t *testing.T, kind string) *bed {
	t.Helper()
	if e.templates[kind] == "" {
		e.templates[kind] = e.copy(e.life, "")
		step(t, "fill "+kind, func(t *testing.T) { e.fill(t, kind) })
	}
	b := e.connect(t, e.copy(t, e.templates[kind]))
	b.exec(t, e.tidy...)
	return b
}

func (e *engine) connect(t *testing.T, address string) *bed {
	t.Helper()
	db, store := e.open(t, address, e.schema)
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: e.policy})
	check(t, err)
	return &bed{e, db, manager}
}

// fill makes the template of a kind.
func (e *engine) fill(t *testing.T, kind string) {
	b := e.connect(t, e.templates[kind])
	b.script(t, "tables")
	b.exec(t, fmt.Sprintf("CREATE TABLE layout AS SELECT %d AS sessions, %d AS deletable, %d AS due", e.sizes.Sessions, e.sizes.deletable(), e.sizes.due()))
	b.script(t, "fill")
	b.exec(t, "DROP TABLE layout")
	switch kind {
	case library:
		check(t, b.manager.Migrate(t.Context()))
	case rowTrigger:
		b.script(t, "manual")
		b.script(t, "row_trigger")
	default:
		b.script(t, "manual")
	}
	b.exec(t, e.compact...)
}

func (b *bed) script(t *testing.T, name string) {
	t.Helper()
	text, err := scripts.ReadFile(b.folder + "/" + name + ".sql")
	check(t, err)
	b.exec(t, string(text))
}

func (b *bed) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := b.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.200s: %v", statement, err)
		}
	}
}

// insert adds activity to a session, as the application does.
func (b *bed) insert(ctx context.Context, session int) error {
	_, err := b.db.ExecContext(ctx, "INSERT INTO propositions (session_id, title) VALUES ($1, 'a song')", session)
	return err
}

// Of the sessions 1 to s.Sessions, the first 40% are to be deleted, the next 40% to be deactivated, and the rest is in
// use. More to delete would exceed the deletion limit.
func (s Sizes) deletable() int { return s.Sessions * 2 / 5 }
func (s Sizes) due() int       { return s.Sessions * 4 / 5 }

// alive is the n-th session that is in use, and stale the n-th to be deactivated, both counted in circles.
func (s Sizes) alive(n int) int { return s.due() + 1 + n%(s.Sessions-s.due()) }
func (s Sizes) stale(n int) int { return s.deletable() + 1 + n%(s.due()-s.deletable()) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
