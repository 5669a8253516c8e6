package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql
var sqlite embed.FS

// SQLite gives the migrations for SQLite.
func SQLite() fs.FS {
	files, err := fs.Sub(sqlite, "sqlite")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return files
}
