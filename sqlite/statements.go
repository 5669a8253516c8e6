package sqlite

import (
	"embed"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

//go:embed sql/*.sql
var queries embed.FS

// statements holds all SQL of this backend by name: goose runs the migrations that have a number.
var statements = sqlfile.MustLoad(sqlfile.Folder{Files: queries, Pattern: "sql/*.sql"}, sqlfile.Folder{Files: migrations.SQLite(), Pattern: "[a-z]*.sql"}).Bare()

// filled returns a statement with its placeholders filled in.
func filled(name string, names sqlfile.Names) string { return statements.MustFill(name, names) }

// on fills a statement about one table, or one column of it.
func on(name, table, column string) string {
	return filled(name, sqlfile.Names{"table": sqlfile.Column(table), "column": sqlfile.Column(column)})
}
