package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// templates are databases that were prepared once, as the statements that make another one like them.
var templates sync.Map // of *template, by name

type template struct {
	once   sync.Once
	source Database
	script string
}

// Prepared is a copy of a database that prepare made, once for all tests that ask for one of that name. Making one from its
// statements takes a fraction of the time of a migration.
func Prepared(t testing.TB, name string, prepare func(t testing.TB, d Database)) Database {
	t.Helper()
	value, _ := templates.LoadOrStore(name, &template{})
	made := value.(*template) //nolint:forcetypeassert // nothing else is stored
	made.once.Do(func() {
		made.source = create(t)
		prepare(t, made.source)
		script, err := dump(t.Context(), made.source)
		if err != nil {
			t.Fatal(err)
		}
		made.script = script
	})
	if made.script == "" {
		t.Fatalf("the database %q could not be prepared", name)
	}
	d := New(t)
	if _, err := d.DB.ExecContext(t.Context(), made.script); err != nil {
		t.Fatal(err)
	}
	return d
}

// dump is the statements that make a database like d: its tables with their rows, and its triggers.
func dump(ctx context.Context, d Database) (string, error) {
	tables, err := Texts(ctx, d.DB, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()", 0)
	if err != nil {
		return "", err
	}
	script := []string{"SET foreign_key_checks = 0, sql_mode = ''"}
	for _, table := range tables {
		create, err := Texts(ctx, d.DB, "SHOW CREATE TABLE `"+table+"`", 1)
		if err != nil {
			return "", err
		}
		script = append(script, create[0])
		rows, err := Texts(ctx, d.DB, "SELECT EXISTS (SELECT 1 FROM `"+table+"`)", 0)
		if err != nil {
			return "", err
		}
		if rows[0] == "1" {
			script = append(script, fmt.Sprintf("INSERT INTO `%s` SELECT * FROM `%s`.`%s`", table, d.Name, table))
		}
	}
	triggers, err := Texts(ctx, d.DB, "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()", 0)
	if err != nil {
		return "", err
	}
	for _, trigger := range triggers {
		mode, err := Texts(ctx, d.DB, "SHOW CREATE TRIGGER `"+trigger+"`", 1)
		if err != nil {
			return "", err
		}
		create, err := Texts(ctx, d.DB, "SHOW CREATE TRIGGER `"+trigger+"`", 2)
		if err != nil {
			return "", err
		}
		script = append(script, "SET sql_mode = '"+mode[0]+"'", create[0])
	}
	return strings.Join(append(script, "SET foreign_key_checks = 1, sql_mode = ''"), ";\n"), nil
}

// Texts is one column of the answer to a query.
func Texts(ctx context.Context, db *sql.DB, query string, column int) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var found []string
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		dest := make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		found = append(found, values[column].String)
	}
	return found, rows.Err()
}
