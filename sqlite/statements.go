package sqlite

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

//go:embed sql/*.sql
var queries embed.FS

// statements holds all SQL of this backend by name, without comments: fragments are filled into others, and the database
// keeps the text of what Migrate creates.
var statements = loadStatements()

func loadStatements() sqlfile.Statements {
	var sources []string
	for _, folder := range []struct {
		files   fs.FS
		pattern string
	}{{queries, "sql/*.sql"}, {migrations.SQLite(), "[a-z]*.sql"}} { // goose runs those with a number
		names, err := fs.Glob(folder.files, folder.pattern)
		if err != nil {
			panic(err) // the pattern is a constant
		}
		for _, name := range names {
			source, err := fs.ReadFile(folder.files, name)
			if err != nil {
				panic(err) // the files are embedded
			}
			sources = append(sources, string(source))
		}
	}
	loaded := sqlfile.MustParse(sources...)
	for name, statement := range loaded {
		loaded[name] = strings.TrimSpace(comment.ReplaceAllString(statement, ""))
	}
	return loaded
}

var comment = regexp.MustCompile(`(?m)^ *--.*\n?`)

// filled returns a statement with its placeholders filled in. Both are this package's own, so a name that is missing is
// a mistake in it.
func filled(name string, names sqlfile.Names) string {
	sql, err := statements.Fill(name, names)
	if err != nil {
		panic(fmt.Sprintf("sqlite: statement %q: %v", name, err))
	}
	return sql
}

// on fills a statement about one table, or one column of it.
func on(name, table, column string) string {
	return filled(name, sqlfile.Names{"table": sqlfile.Column(table), "column": sqlfile.Column(column)})
}
