package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// dsn names a database for the driver. A missing file is not created: that is Migrate's to do.
func dsn(path string, busy time.Duration, readOnly bool) string {
	options := url.Values{
		"_busy_timeout": {fmt.Sprint(busy.Milliseconds())},
		"_foreign_keys": {"1"},
		"_error_rc":     {"1"},
	}
	if readOnly {
		options.Set("_query_only", "1")
	} else {
		// A batch changes thousands of pages. They should not go to disk, nor be read again, before it commits.
		// Batches see to checkpoints themselves: a commit makes one only when the log has grown to 64 MB.
		options["_pragma"] = []string{"cache_size(-8192)", "temp_store(2)", "wal_autocheckpoint(16000)"} // KiB; memory; pages
	}
	if path == memoryPath {
		return "file::memory:?" + options.Encode()
	}
	options.Set("mode", "rw")
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive of Windows
		path = "/" + path
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
}

// keptStatements is the number of prepared statements that a connection keeps. There are fewer, but for lists with
// every combination of filters.
const keptStatements = 100

var errClosed = errors.New("the store is closed")

// pool hands out connections. One that it opened itself keeps its prepared statements: what the library asks SQLite is
// always the same, and to understand it often costs more than to do it.
type pool struct {
	db     *sql.DB
	places chan *connection // a place without a connection is nil; a nil channel leaves connections to database/sql
	closed atomic.Bool
}

// connection is one connection at work.
type connection struct {
	*sql.Conn
	statements map[string]*sql.Stmt // nil where none are kept
	broken     bool                 // not to be used again
}

// openPool makes a pool of so many connections.
func openPool(dsn string, connections int) (*pool, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	p := &pool{db: db, places: make(chan *connection, connections)}
	for range connections {
		p.places <- nil
	}
	db.SetMaxOpenConns(connections + 1) // and one for goose
	return p, nil
}

// openMemory makes a pool of the one connection that is the database.
func openMemory(dsn string) (*pool, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &pool{db: db}, nil
}

// take waits for a connection.
func (p *pool) take(ctx context.Context) (*connection, error) {
	if p.places == nil {
		c, err := p.db.Conn(ctx)
		return &connection{Conn: c}, err
	}
	if p.closed.Load() {
		return nil, errClosed
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case c := <-p.places:
		if c != nil {
			return c, nil
		}
		conn, err := p.db.Conn(ctx)
		if err != nil {
			p.places <- nil
			return nil, err
		}
		return &connection{Conn: conn, statements: map[string]*sql.Stmt{}}, nil
	}
}

// give takes a connection back.
func (p *pool) give(c *connection) {
	if c.broken {
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
	switch {
	case p.places == nil:
		_ = c.Close()
	case c.broken || p.closed.Load():
		c.close()
		p.places <- nil
	default:
		p.places <- c
		if p.closed.Load() { // in between: close has passed by
			p.drain()
		}
	}
}

// close closes the connections that are not at work; the others close when they are given back.
func (p *pool) close() error {
	p.closed.Store(true)
	p.drain()
	return p.db.Close()
}

// drain closes the connections that are not at work.
func (p *pool) drain() {
	for range cap(p.places) {
		select {
		case c := <-p.places:
			if c != nil {
				c.close()
			}
			p.places <- nil
		default:
		}
	}
}

func (c *connection) close() {
	for _, statement := range c.statements {
		_ = statement.Close()
	}
	_ = c.Close()
}

// prepared gives a statement that was prepared before, or prepares it; nil where statements are not kept.
func (c *connection) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if c.statements == nil {
		return nil, nil
	}
	if statement, ok := c.statements[text]; ok {
		return statement, nil
	}
	if len(c.statements) >= keptStatements {
		for text, statement := range c.statements {
			_ = statement.Close()
			delete(c.statements, text)
		}
	}
	statement, err := c.PrepareContext(ctx, text)
	if err == nil {
		c.statements[text] = statement
	}
	return statement, err
}

// connect takes a connection out of a pool. The function gives it back.
func (s *Store) connect(ctx context.Context, p *pool, writes bool) (*connection, func(), error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	undo := func() {}
	if s.host && writes {
		if undo, err = s.prepare(ctx, c); err != nil {
			p.give(c)
			return nil, nil, err
		}
	}
	return c, func() {
		undo()
		p.give(c)
	}, nil
}

// prepare gives a connection of the host's the settings that writing needs. The function sets them back.
func (s *Store) prepare(ctx context.Context, c *connection) (undo func(), err error) {
	var keys, busy int64
	if err := c.QueryRowContext(ctx, "PRAGMA foreign_keys").Scan(&keys); err != nil {
		return nil, err
	}
	if err := c.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&busy); err != nil {
		return nil, err
	}
	set := func(ctx context.Context, keys, busy int64) error {
		if _, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA foreign_keys = %d", keys)); err != nil {
			return err
		}
		_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busy))
		return err
	}
	undo = func() {
		if err := set(context.WithoutCancel(ctx), keys, busy); err != nil {
			c.broken = true
		}
	}
	if err := set(ctx, 1, s.busy.Milliseconds()); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}
