// Package migrations holds the SQL that changes a database, per backend. Files with a number make the library's own
// tables, once, in order. The others hold named statements that Migrate repeats: columns and indexes of the
// application's tables, functions, views and triggers. Names in double quotes and braces are filled in by the backend
// (internal/sqlfile).
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed mysql postgres sqlite
var files embed.FS

// MySQL returns the files for MariaDB and MySQL.
func MySQL() fs.FS { return folder("mysql") }

// Postgres returns the files for PostgreSQL.
func Postgres() fs.FS { return folder("postgres") }

// SQLite returns the files for SQLite.
func SQLite() fs.FS { return folder("sqlite") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}
