package sqlite

import (
	"embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// text holds every statement and every part of one, by name, without comments: parts are put into one another.
var text = loadText()

func loadText() sqlfile.Statements {
	entries, err := sqlFiles.ReadDir("sql")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	var sources []string
	for _, entry := range entries {
		source, err := sqlFiles.ReadFile("sql/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sources = append(sources, string(source))
	}
	statements := sqlfile.MustParse(sources...)
	for name, statement := range statements {
		statements[name] = strings.TrimSpace(comment.ReplaceAllString(statement, ""))
	}
	return statements
}

var comment = regexp.MustCompile(`(?m)^ *--.*\n?`)

// filled gives a statement with its placeholders filled in. The statements and what is filled in are this package's
// own, so one that does not fit is a mistake in it.
func filled(name string, names sqlfile.Names) string {
	sql, err := text.Fill(name, names)
	if err != nil {
		panic(fmt.Sprintf("sqlite: statement %q: %v", name, err))
	}
	return sql
}

// on fills a statement about one table, or one column of it.
func on(name, table, column string) string {
	return filled(name, sqlfile.Names{"table": sqlfile.Column(table), "column": sqlfile.Column(column)})
}
