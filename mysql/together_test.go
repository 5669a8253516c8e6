package mysql_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/besides"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

func TestInstallationsWithEverythingAtOnceWorkAndLeaveNothing(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, `
		CREATE TABLE sessions (id INT AUTO_INCREMENT PRIMARY KEY, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);
		CREATE TABLE rooms (id INT AUTO_INCREMENT PRIMARY KEY, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);`)
	besides.Everything{
		Open: func(name, table string, policy sessioncleanup.Policy) sessioncleanup.Store {
			store := open(t, d, mysql.Config{Name: name, Schema: sessioncleanup.Schema{Table: table, TagColumns: []string{"plan"}}, Migrate: sessioncleanup.MigrateOptions{View: true}})
			if err := store.Migrate(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
			return store
		},
		Execute: func(statement string) { execute(t, d.DB, statement) },
		List: func(column, from string) string {
			return value[string](t, d, "SELECT GROUP_CONCAT(listed."+column+" ORDER BY listed."+column+") FROM (SELECT "+column+" FROM "+from+") AS listed")
		},
		Ago: "UTC_TIMESTAMP() - INTERVAL 100 DAY",
		Named: func(name, object string) string {
			if name == "" {
				return object
			}
			return name + "_" + object
		},
		Describe: func() any {
			all, err := describe(t.Context(), d.DB)
			if err != nil {
				t.Fatal(err)
			}
			return all
		},
	}.WorkAndLeaveNothing(t)
}
