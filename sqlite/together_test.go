package sqlite_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/besides"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestInstallationsWithEverythingAtOnceWorkAndLeaveNothing(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY AUTOINCREMENT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);
		CREATE TABLE rooms (id INTEGER PRIMARY KEY AUTOINCREMENT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);`)
	besides.Everything{
		Open: func(name, table string, policy sessioncleanup.Policy) sessioncleanup.Store {
			store := open(t, path, sqlite.Config{Name: name, Schema: sessioncleanup.Schema{Table: table, TagColumns: []string{"plan"}}, Migrate: sessioncleanup.MigrateOptions{View: true}})
			migrateWith(t, store, policy)
			return store
		},
		Execute: func(statement string) { execute(t, app, statement) },
		List: func(column, from string) string {
			return line(t, app, "SELECT group_concat("+column+") FROM (SELECT "+column+" FROM "+from+" ORDER BY 1)")
		},
		Ago: "datetime('now', '-100 days')",
		Named: func(name, object string) string {
			if name == "" {
				return object
			}
			return name + "_" + object
		},
		Describe: func() any { return dump(t, app, false) },
	}.WorkAndLeaveNothing(t)
}
