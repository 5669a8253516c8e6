package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// tables are the application's own. They know nothing of this library, which adds what it needs.
var tables = []string{
	"CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL UNIQUE)",
	`CREATE TABLE IF NOT EXISTS rooms (id TEXT PRIMARY KEY, host_id TEXT NOT NULL REFERENCES people (id), title TEXT NOT NULL,
		created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
	`CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, room_id TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE, text TEXT NOT NULL,
		sent_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
	"CREATE INDEX IF NOT EXISTS messages_room ON messages (room_id)",
	"CREATE INDEX IF NOT EXISTS rooms_host ON rooms (host_id)",
}

func openTables(ctx context.Context, url string) (*sql.DB, error) {
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", path+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}
