package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
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
		// The log may grow to 16 MB before a commit moves it into the database: batches in a row change the same pages.
		options["_pragma"] = []string{"cache_size(-32768)", "temp_store(2)", "wal_autocheckpoint(4000)"} // KiB; memory; pages
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

func openPool(dsn string, connections int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// connect takes a connection out of a pool. The function gives it back.
func (s *Store) connect(ctx context.Context, pool *sql.DB, writes bool) (*sql.Conn, func(), error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	undo := func() {}
	if s.host && writes {
		if undo, err = s.prepare(ctx, c); err != nil {
			_ = c.Close()
			return nil, nil, err
		}
	}
	return c, func() {
		undo()
		_ = c.Close()
	}, nil
}

// prepare gives a connection of the host's the settings that writing needs. The function sets them back.
func (s *Store) prepare(ctx context.Context, c *sql.Conn) (undo func(), err error) {
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
			discard(c)
		}
	}
	if err := set(ctx, 1, s.busy.Milliseconds()); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// discard keeps a connection in an unknown state from being used again.
func discard(c *sql.Conn) {
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
}
