package sqlite_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/longnames"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestALongNameIsCut(t *testing.T) {
	t.Parallel()
	path, host := newHost(t, "CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT)",
		"CREATE TABLE sessions (id TEXT PRIMARY KEY, owner_id TEXT REFERENCES users, name TEXT, active BOOLEAN DEFAULT true)")
	for _, id := range []string{"1", "2", "3"} {
		execute(t, host, "INSERT INTO users VALUES (?, ?)", id, longnames.Name(id))
		execute(t, host, "INSERT INTO sessions (id, owner_id, name) VALUES (?, ?, ?)", id, id, longnames.Name(id))
	}
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	longnames.Check(t, store)
}
