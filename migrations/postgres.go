// Package migrations holds the SQL that makes the library's own tables, as goose migrations. Names in double quotes
// and braces are filled in by the backend that runs them (internal/sqlfile).
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed postgres/*.sql
var postgres embed.FS

// Postgres gives the migrations for PostgreSQL.
func Postgres() fs.FS {
	files, err := fs.Sub(postgres, "postgres")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return files
}
