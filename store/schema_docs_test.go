package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/store"
)

var example = regexp.MustCompile("(?s)\n## ([^\n]+)\n.*?\n```sql( postgres)?\n(.*?)```\n+```go\n(.*?)```\n+```text\n(.*?)```")

// TestTheExamplesOfTheDocsDoWhatTheySay adopts the tables of docs/schema.md and lists their sessions.
func TestTheExamplesOfTheDocsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllStringSubmatch(string(docs), -1)
	if want := strings.Count(string(docs), "\n## "); len(examples) != want || want < 10 {
		t.Fatalf("%d of %d examples can be read, want all and at least 10", len(examples), want)
	}
	for _, e := range examples {
		name, only, tables, code, want := e[1], e[2], e[3], e[4], e[5]
		expression, err := parser.ParseExpr(strings.TrimSpace(code))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var schema sessioncleanup.Schema
		evaluate(t, expression, reflect.ValueOf(&schema).Elem())
		for engine, prepare := range map[string]func(*testing.T, string) string{"SQLite": sqliteWith, "PostgreSQL": postgresWith} {
			if engine == "SQLite" && only != "" {
				continue
			}
			t.Run(name+" on "+engine, func(t *testing.T) {
				t.Parallel()
				if diff := cmp.Diff(want, listed(t, prepare(t, tables), schema)); diff != "" {
					t.Errorf("sessions (-docs +got):\n%s", diff)
				}
			})
		}
	}
}

func sqliteWith(t *testing.T, tables string) string {
	path := filepath.Join(t.TempDir(), "app.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), tables)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func postgresWith(t *testing.T, tables string) string {
	url := pgtest.Empty(t)
	if err := pgapps.Exec(t.Context(), url, tables); err != nil {
		t.Fatal(err)
	}
	return url
}

// listed migrates a database and lists its sessions by their ids, as the docs do. Another Migrate changes nothing, and
// Validate finds nothing wrong.
func listed(t *testing.T, url string, schema sessioncleanup.Schema) string {
	t.Helper()
	db, err := store.OpenWith(t.Context(), url, store.Config{Schema: schema, Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	installer, _ := sessioncleanup.StoreAs[sessioncleanup.Installer](db)
	for _, step := range []func(context.Context) error{migrate(installer), migrate(installer), installer.Validate} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	manager, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := manager.List(t.Context(), sessioncleanup.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range page.Sessions {
		owner := s.OwnerName
		if owner == "" {
			owner = s.OwnerID
		}
		lines = append(lines, strings.Join(slices.DeleteFunc([]string{s.ID, string(s.Status), owner, s.Name}, func(s string) bool { return s == "" }), " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func migrate(installer sessioncleanup.Installer) func(context.Context) error {
	return func(ctx context.Context) error { return installer.Migrate(ctx, sessioncleanup.Policy{}) }
}

// evaluate sets a value to what a Go expression of literals says.
func evaluate(t *testing.T, e ast.Expr, v reflect.Value) {
	t.Helper()
	switch e := e.(type) {
	case *ast.UnaryExpr:
		v.Set(reflect.New(v.Type().Elem()))
		evaluate(t, e.X, v.Elem())
	case *ast.CompositeLit:
		for _, element := range e.Elts {
			if v.Kind() == reflect.Slice {
				v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
				evaluate(t, element, v.Index(v.Len()-1))
				continue
			}
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok {
				t.Fatalf("a field of %v has no name", v.Type())
			}
			evaluate(t, pair.Value, v.FieldByName(fmt.Sprint(pair.Key)))
		}
	case *ast.SelectorExpr:
		if e.Sel.Name != "None" {
			t.Fatalf("%v is no constant of a schema", e.Sel)
		}
		v.SetString(sessioncleanup.None)
	case *ast.Ident:
		v.SetBool(e.Name == "true")
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil || e.Kind != token.STRING {
			t.Fatalf("%s is no text: %v", e.Value, err)
		}
		v.SetString(text)
	default:
		t.Fatalf("%T is no literal", e)
	}
}
