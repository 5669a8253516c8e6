package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// sqliteTables are the guide's.
const sqliteTables = `
	CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL);
	CREATE TABLE sessions (
		id INTEGER PRIMARY KEY, streamer_id INTEGER REFERENCES users (id), name TEXT, code TEXT,
		active BOOLEAN NOT NULL DEFAULT 1, created_at TEXT, updated_at TEXT);
	CREATE TABLE propositions (
		id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, title TEXT, created_at TEXT);
	CREATE INDEX propositions_session ON propositions (session_id)`

// sqliteColumns are what somebody adds who cleans up by hand.
const sqliteColumns = `
	ALTER TABLE sessions ADD last_activity TEXT;
	ALTER TABLE sessions ADD auto_cleanup BOOLEAN NOT NULL DEFAULT 1;
	CREATE INDEX sessions_last_activity ON sessions (last_activity)`

const (
	sqliteToDelete     = "NOT active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days')"
	sqliteToDeactivate = "active AND auto_cleanup AND last_activity < strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day')"
)

var sqliteByHand = handQueries{
	del:            "DELETE FROM sessions WHERE " + sqliteToDelete,
	deactivate:     "UPDATE sessions SET active = 0 WHERE " + sqliteToDeactivate,
	delSome:        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE " + sqliteToDelete + " LIMIT 1000)",
	deactivateSome: "UPDATE sessions SET active = 0 WHERE id IN (SELECT id FROM sessions WHERE " + sqliteToDeactivate + " LIMIT 1000)",
}

// sqliteBed is what beds in SQLite have in common.
type sqliteBed struct {
	s    *scope
	path string
	db   *sql.DB
	l    layout
}

// openFile opens a database as a service would: a log of changes, patience, foreign keys.
func (s *scope) openFile(path string) *sql.DB {
	db, err := sql.Open("sqlite", fileURL(path))
	if err != nil {
		s.Fatal(err)
	}
	db.SetMaxOpenConns(clients + returners)
	s.Cleanup(func() { _ = db.Close() })
	return db
}

func fileURL(path string) string {
	options := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"}}
	return "file:" + path + "?" + options.Encode()
}

func (s *scope) execFile(db *sql.DB, script string, args ...any) {
	if _, err := db.ExecContext(s.ctx, script, args...); err != nil {
		s.Fatalf("%.200s: %w", script, err)
	}
}

// openSQLiteCopy copies the file that fill makes when it is asked for first.
func openSQLiteCopy(s *scope, t *templates, key string, l layout, fill func(s *scope, path string)) sqliteBed {
	key = fmt.Sprintf("%s/%s/%d/%d", onSQLite, key, l.size, l.due)
	if t.names[key] == "" {
		path := filepath.Join(t.owner.TempDir(), "template.db")
		if err := within(s.ctx, func(s *scope) error {
			fill(s, path)
			s.execFile(s.openFile(path), "ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")
			return nil
		}); err != nil {
			s.Fatal(err)
		}
		t.names[key] = path
	}
	data, err := os.ReadFile(t.names[key])
	path := filepath.Join(s.TempDir(), "copy.db")
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		s.Fatal(err)
	}
	return sqliteBed{s, path, s.openFile(path), l}
}

func (b sqliteBed) wal() int64 { return 0 }

func (b sqliteBed) bytes() int64 {
	var pages, free, size int64
	for pragma, n := range map[string]*int64{"page_count": &pages, "freelist_count": &free, "page_size": &size} {
		if err := b.db.QueryRowContext(b.s.ctx, "PRAGMA "+pragma).Scan(n); err != nil {
			b.s.Fatal(err)
		}
	}
	return (pages - free) * size
}

// fillSQLite adds the sessions of a layout, like fillGuide.
func fillSQLite(s *scope, db *sql.DB, l layout) {
	s.execFile(db, `INSERT INTO users WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 / 20) SELECT i, 'user ' || i FROM n`, l.size)
	s.execFile(db, `
		INSERT INTO sessions (id, streamer_id, name, code, active, created_at, updated_at, last_activity)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1),
		s (i, at) AS (SELECT i, strftime('%Y-%m-%d %H:%M:%f', 'now', printf('-%d seconds',
			CASE WHEN i <= ?2 THEN 7776000 - i * 4320000 / ?1 WHEN i <= ?3 THEN 1728000 - i * 1296000 / ?1 ELSE 72000 - i * 68400 / ?1 END)) FROM n)
		SELECT i, i % (?1 / 20 + 1), 'session ' || i, printf('%X', i * 7919), i > ?2, at, at, at FROM s`, l.size, l.toDelete(), l.dueCount())
	s.execFile(db, `INSERT INTO propositions (session_id, title, created_at)
		SELECT s.id, 'a song', s.last_activity FROM sessions s, (SELECT 1 UNION ALL SELECT 2) ORDER BY s.id`)
	s.execFile(db, "UPDATE sessions SET last_activity = updated_at") // triggers may have noted the activity as new
}

func (b sqliteBed) use(ctx context.Context, n int) error {
	_, err := b.db.ExecContext(ctx, "INSERT INTO propositions (session_id, title) VALUES (?, 'a song')", b.l.alive(n))
	return err
}

type oursSQLite struct {
	sqliteBed
	m *sessioncleanup.Manager
}

func openOursSQLite(s *scope, t *templates, size, due int) bed {
	l := layout{size, due}
	b := openSQLiteCopy(s, t, "ours", l, func(s *scope, path string) {
		db := s.openFile(path)
		s.execFile(db, sqliteTables)
		store := s.fileStore(path)
		if err := store.Migrate(s.ctx, sessioncleanup.Policy{}); err != nil {
			s.Fatal(err)
		}
		fillSQLite(s, db, l)
	})
	return oursSQLite{b, s.manager(s.fileStore(b.path))}
}

func (s *scope) fileStore(path string) *sqlite.Store {
	store, err := sqlite.Open(s.ctx, path, sqlite.Config{})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = store.Close() })
	return store
}

func (b oursSQLite) clean(ctx context.Context) (cleaned, error) { return cleanUp(ctx, b.m) }

func (b oursSQLite) comeBack() func(ctx context.Context, n int) error {
	return func(ctx context.Context, n int) error {
		_, err := b.db.ExecContext(ctx, "INSERT INTO propositions (session_id, title) VALUES (?, 'a song')", b.l.stale(n))
		return err
	}
}

type sqliteHandBed struct {
	sqliteBed
	way byHand
}

func openSQLiteByHand(way byHand) func(s *scope, t *templates, size, due int) bed {
	return func(s *scope, t *templates, size, due int) bed {
		l := layout{size, due}
		return sqliteHandBed{openSQLiteCopy(s, t, "by hand", l, func(s *scope, path string) {
			db := s.openFile(path)
			s.execFile(db, sqliteTables+";"+sqliteColumns)
			fillSQLite(s, db, l)
		}), way}
	}
}

func (b sqliteHandBed) clean(ctx context.Context) (cleaned, error) {
	script := b.s.openFile(b.path) // a process of its own in life
	script.SetMaxOpenConns(1)
	return b.way(ctx, func(ctx context.Context, statement string) (int, error) {
		result, err := script.ExecContext(ctx, statement)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		return int(n), err
	}, sqliteByHand)
}

func (b sqliteHandBed) comeBack() func(ctx context.Context, n int) error {
	return func(ctx context.Context, n int) error {
		id := b.l.stale(n)
		if _, err := b.db.ExecContext(ctx, "INSERT INTO propositions (session_id, title) VALUES (?, 'a song')", id); err != nil {
			return err
		}
		_, err := b.db.ExecContext(ctx, "UPDATE sessions SET last_activity = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = ?", id)
		return err
	}
}

type scsSQLite struct {
	sqliteBed
	store *sqlite3store.SQLite3Store
}

func openSQLite3store(s *scope, t *templates, size, due int) bed {
	l := layout{size, due}
	b := openSQLiteCopy(s, t, "scs", l, func(s *scope, path string) {
		db := s.openFile(path)
		s.execFile(db, `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
			CREATE INDEX sessions_expiry_idx ON sessions (expiry)`) // as in its documentation
		s.execFile(db, `INSERT INTO sessions WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			SELECT printf('token-%010d', i), ?3, julianday('now') + CASE WHEN i <= ?2 THEN -1.0 * i / ?1 - 0.01 ELSE 1 END FROM n`,
			size, l.dueCount(), payload)
	})
	return scsSQLite{b, sqlite3store.NewWithConfig(b.db, sqlite3store.Config{})}
}

func (b scsSQLite) clean(ctx context.Context) (cleaned, error) {
	w := newWatch("DELETE FROM sessions WHERE expiry")
	db := sql.OpenDB(watched{fileURL(b.path), b.db.Driver(), w})
	b.s.Cleanup(func() { _ = db.Close() })
	asked := time.Now()
	cleaner := sqlite3store.NewWithConfig(db, sqlite3store.Config{CleanUpInterval: scsInterval})
	done, err := w.until(ctx, oneStatement)
	cleaner.StopCleanup()
	done.asked = asked
	return done, err
}

func (b scsSQLite) use(_ context.Context, n int) error {
	return b.store.Commit(token(b.l.alive(n)), payload, time.Now().Add(24*time.Hour))
}

func (b scsSQLite) comeBack() func(ctx context.Context, n int) error {
	return func(_ context.Context, n int) error {
		return b.store.Commit(token(b.l.anyDue(n)), payload, time.Now().Add(24*time.Hour))
	}
}

// watched opens connections whose statements are timed.
type watched struct {
	dsn string
	d   driver.Driver
	w   *watch
}

// Connect opens a connection.
func (c watched) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.d.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return watchedConn{conn, c.w}, nil
}

// Driver is the one underneath.
func (c watched) Driver() driver.Driver { return c.d }

type watchedConn struct {
	driver.Conn
	w *watch
}

// ExecContext runs a statement and notes how long it took.
func (c watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	execer, ok := c.Conn.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	from := time.Now()
	result, err := execer.ExecContext(ctx, query, args)
	if strings.Contains(query, c.w.contains) {
		rows := int64(0)
		if err == nil {
			rows, err = result.RowsAffected()
		}
		c.w.statement(from, int(rows), err)
	}
	return result, err
}
