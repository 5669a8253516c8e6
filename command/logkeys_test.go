package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/monitoring.md has a line for each key of the logs, and for no other: people write queries with them.
func TestEachKeyOfTheLogsIsDocumented(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, dir := range []string{"..", "../command", "../httpapi", "../metrics", "../notify", "../postgres", "../sqlite", "../internal/adopt"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				logKeys(t, file, keys)
			}
		}
	}
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## Logs\n")
	if !ok {
		t.Fatal("docs/monitoring.md has no section Logs")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(section, -1) {
		for key := range strings.SplitSeq(row[1], ", ") { // a line may be about several
			documented[strings.Trim(key, "`")] = true
		}
	}
	if !maps.Equal(keys, documented) {
		t.Errorf("keys of the logs:\n%v\ndocumented:\n%v", slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(documented)))
	}
}

// logKeys adds the keys of the attributes in a file's calls of loggers.
func logKeys(t *testing.T, file string, keys map[string]bool) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(args []ast.Expr) {
		for i := 0; i < len(args); i += 2 {
			if literal, ok := args[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				key, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				keys[key] = true
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			called, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				if name, isName := n.Fun.(*ast.Ident); isName && name.Name == "append" && len(n.Args) > 1 {
					if to, isName := n.Args[0].(*ast.Ident); isName && to.Name == "attrs" {
						add(n.Args[1:])
					}
				}
				return true
			}
			switch called.Sel.Name {
			case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
				add(n.Args[min(2, len(n.Args)):])
			case "With":
				add(n.Args)
			}
		case *ast.AssignStmt: // attrs := []any{…}
			to, isName := n.Lhs[0].(*ast.Ident)
			list, isList := n.Rhs[0].(*ast.CompositeLit)
			if isName && isList && to.Name == "attrs" {
				add(list.Elts)
			}
		}
		return true
	})
}
