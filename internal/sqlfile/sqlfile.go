// Package sqlfile keeps SQL in .sql files and out of Go strings: a file holds named statements, in which "{key}", in double
// quotes, stands for the name of a table or column of the application, so that the file is valid SQL as it is.
//
//	-- name: touch
//	UPDATE "{sessions}" SET "{last_activity}" = now() WHERE "{id}" = ANY ($1);
//
//	statements, err := sqlfile.Parse(source)
//	sql, err := statements.Fill("touch", sqlfile.Names{"sessions": sqlfile.Table("app.rooms"), …})
package sqlfile

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Statements maps the names of statements to their text.
type Statements map[string]string

// Names maps the keys of placeholders to the SQL that replaces them: a quoted identifier made by Column or Table, another
// fixed expression, such as NULL for a column that the application does not have, or a fragment: a statement that was
// filled in before and holds no further fragment. Never a user's value.
type Names map[string]string

var (
	nameLine    = regexp.MustCompile(`(?m)^-- name: (\w+)[ \t]*\n`)
	placeholder = regexp.MustCompile(`"\{(\w+)\}"`)
)

// Parse splits sources into their named statements. Text before the first name is an error, as is a duplicate name.
func Parse(sources ...string) (Statements, error) {
	out := Statements{}
	for _, source := range sources {
		heads := nameLine.FindAllStringSubmatchIndex(source, -1)
		if len(heads) == 0 || strings.TrimSpace(stripComments(source[:heads[0][0]])) != "" {
			return nil, fmt.Errorf("sqlfile: text outside a named statement: %.60q", source)
		}
		for i, head := range heads {
			end := len(source)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			name := source[head[2]:head[3]]
			if _, twice := out[name]; twice {
				return nil, fmt.Errorf("sqlfile: statement %q is duplicated", name)
			}
			out[name] = strings.TrimSpace(source[head[1]:end])
		}
	}
	return out, nil
}

// MustParse is Parse for sources that are embedded in the program.
func MustParse(sources ...string) Statements {
	out, err := Parse(sources...)
	if err != nil {
		panic(err)
	}
	return out
}

// Folder is where files are.
type Folder struct {
	Files   fs.FS
	Pattern string // as fs.Glob has it
}

// MustLoad is MustParse for the files of some folders.
func MustLoad(folders ...Folder) Statements {
	var sources []string
	for _, folder := range folders {
		names, err := fs.Glob(folder.Files, folder.Pattern)
		for _, name := range names {
			var source []byte
			if err == nil {
				source, err = fs.ReadFile(folder.Files, name)
			}
			sources = append(sources, string(source))
		}
		if err != nil {
			panic(err) // the pattern is a constant, and the files are embedded
		}
	}
	return MustParse(sources...)
}

var comment = regexp.MustCompile(`(?m)^ *--.*\n?`)

// Bare are the statements without comments, which would be sent, or be stored by the database, with each of them.
func (s Statements) Bare() Statements {
	bare := make(Statements, len(s))
	for name, statement := range s {
		bare[name] = strings.TrimSpace(comment.ReplaceAllString(statement, ""))
	}
	return bare
}

// MustFill is Fill for names and keys that are a program's own, so that one that does not exist is a mistake in it.
func (s Statements) MustFill(name string, names Names) string {
	text, err := s.Fill(name, names)
	if err != nil {
		panic(fmt.Sprintf("statement %q: %v", name, err))
	}
	return text
}

// Fill returns the named statement with its placeholders filled in. A name or a key that does not exist is an error.
func (s Statements) Fill(name string, names Names) (string, error) {
	text, ok := s[name]
	if !ok {
		return "", fmt.Errorf("sqlfile: no statement %q", name)
	}
	return Fill(text, names)
}

// Fill fills the placeholders of one statement.
func Fill(text string, names Names) (string, error) {
	var missing []string
	filled := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		key := match[2 : len(match)-2]
		value, ok := names[key]
		if !ok {
			missing = append(missing, key)
		}
		return value
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		return "", fmt.Errorf("sqlfile: nothing to fill in for %s", strings.Join(slices.Compact(missing), ", "))
	}
	return filled, nil
}

// Column quotes a column's name.
func Column(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Table quotes a table's name, which may have a schema before it; see Split.
func Table(name string) string {
	parts := Split(name)
	for i, part := range parts {
		parts[i] = Column(part)
	}
	return strings.Join(parts, ".")
}

// Qualified is the name of a table with its schema, as Split takes it apart.
func Qualified(schema, table string) string { return Plain(schema) + "." + Plain(table) }

// Plain is the name of a table without its schema, as Split takes it apart: with a dot or a quote in it, it is quoted.
func Plain(table string) string {
	if strings.ContainsAny(table, `."`) {
		return Column(table)
	}
	return table
}

// Split takes a name apart at the dots that are not within double quotes.
func Split(name string) []string {
	var parts []string
	var part []byte
	quoted := false
	for i := range len(name) {
		switch b := name[i]; {
		case b == '"':
			if !quoted && i > 0 && name[i-1] == '"' {
				part = append(part, b) // a quote within quotes is doubled
			}
			quoted = !quoted
		case b == '.' && !quoted:
			parts, part = append(parts, string(part)), nil
		default:
			part = append(part, b)
		}
	}
	return append(parts, string(part))
}

func stripComments(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), "--")
	}), "\n")
}
