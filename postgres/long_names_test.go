package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/longnames"
)

func TestALongNameIsCut(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, `CREATE TABLE users (id int PRIMARY KEY, name text);
		CREATE TABLE sessions (id int PRIMARY KEY, owner_id int REFERENCES users, name text, active boolean NOT NULL DEFAULT true)`, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool := connect(t, url)
	for _, id := range []string{"1", "2", "3"} {
		mustExec(t, pool, "INSERT INTO users VALUES ($1::text::int, $2)", id, longnames.Name(id))
		mustExec(t, pool, "INSERT INTO sessions (id, owner_id, name) VALUES ($1::text::int, $1::text::int, $2)", id, longnames.Name(id))
	}
	longnames.Check(t, store)
}
