package mysql

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/migrations"
)

//go:embed sql
var files embed.FS

// statements are those of this package, and those of the migrations that have a name.
var statements = load()

func load() sqlfile.Statements {
	var sources []string
	for _, folder := range []struct {
		fs      fs.FS
		pattern string
	}{{files, "sql/*.sql"}, {migrations.MySQL(), "[a-z]*.sql"}} {
		names, err := fs.Glob(folder.fs, folder.pattern)
		if err != nil {
			panic(err) // the patterns are constants
		}
		for _, name := range names {
			source, err := fs.ReadFile(folder.fs, name)
			if err != nil {
				panic(err)
			}
			sources = append(sources, string(source))
		}
	}
	loaded := sqlfile.MustParse(sources...)
	for name, statement := range loaded { // a comment would be sent with each statement
		loaded[name] = comment.ReplaceAllString(statement, "")
	}
	return loaded
}

var comment = regexp.MustCompile(`(?m)^ *--.*\n?`)

// filled returns a statement with its placeholders filled in. Both are this package's own, so a name that is missing is a
// mistake in it.
func filled(name string, names sqlfile.Names) string {
	text, err := statements.Fill(name, names)
	if err != nil {
		panic(fmt.Sprintf("mysql: statement %q: %v", name, err))
	}
	return text
}
