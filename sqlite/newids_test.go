package sqlite_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestASessionComesBackUnderANewIDWithAllThatRefersToIt(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(8))))"} {
		path, app := newApp(t, `
			CREATE TABLE sessions (id `+id+`, name TEXT, parent_id REFERENCES sessions (id) ON DELETE SET NULL);
			CREATE TABLE votes (session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE, number INTEGER, PRIMARY KEY (session_id, number)) WITHOUT ROWID;
			CREATE TABLE songs (title TEXT, session_id TEXT, number INTEGER, other REFERENCES sessions (id), FOREIGN KEY (session_id, number) REFERENCES votes ON DELETE CASCADE);
			CREATE TABLE bills (id INTEGER PRIMARY KEY, session_id REFERENCES sessions (id) ON DELETE SET NULL);
			INSERT INTO sessions (id, name) VALUES (1, 'one'), (2, 'two');
			INSERT INTO votes VALUES (1, 1), (1, 2), (2, 1);
			INSERT INTO songs SELECT 'a', 1, 1, id FROM sessions WHERE name = 'two';
			INSERT INTO songs SELECT 'b', 1, 2, id FROM sessions WHERE name = 'one';
			INSERT INTO songs VALUES ('1', 2, 1, NULL);
			INSERT INTO bills SELECT id + 0, id FROM sessions;
			UPDATE sessions SET parent_id = (SELECT id FROM sessions WHERE name = 'one') WHERE name = 'two'`)
		policy := sessioncleanup.Policy{Archive: sessioncleanup.On}
		store := open(t, path, sqlite.Config{})
		migrateWith(t, store, policy)
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		execute(t, app, "INSERT INTO sessions (id, name) VALUES (1, 'another'), (3, 'third')")
		done, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if err != nil || len(done.NewIDs) != 1 || done.Relinked != 2 {
			t.Fatalf("%s: a restore under a new id: %+v, %v; want a new id, and two rows linked again", id, done, err)
		}
		now := done.NewIDs[done.Entries[0].ID]
		const dump = `SELECT (SELECT group_concat(x, ',') FROM (SELECT id || ' ' || name || ' ' || coalesce(parent_id, '') AS x FROM sessions ORDER BY name)) || ';' ||
			(SELECT group_concat(x, ',') FROM (SELECT session_id || ' ' || number AS x FROM votes ORDER BY length(session_id), session_id, number)) || ';' ||
			(SELECT group_concat(x, ',') FROM (SELECT title || ' ' || session_id || ' ' || number || ' ' || coalesce(other, '') AS x FROM songs ORDER BY title)) || ';' ||
			(SELECT group_concat(x, ',') FROM (SELECT id || ' ' || session_id AS x FROM bills ORDER BY id))`
		want := strings.ReplaceAll("1 another ,N one ,3 third ,2 two N;2 1,N 1,N 2;1 2 1 ,a N 1 2,b N 2 N;1 N,2 2", "N", now)
		if got := line(t, app, dump); got != want {
			t.Errorf("%s: the tables have %q, want %q", id, got, want)
		}
	}
}

func TestASessionWhoseIDIsNotGeneratedGetsNoNewOne(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"TEXT PRIMARY KEY": "does not generate the IDs", "TEXT PRIMARY KEY DEFAULT (lower('1'))": "that are in use"} {
		path, app := newApp(t, "CREATE TABLE sessions (id "+id+", name TEXT); INSERT INTO sessions VALUES ('1', 'one')")
		policy := sessioncleanup.Policy{Archive: sessioncleanup.On}
		store := open(t, path, sqlite.Config{})
		migrateWith(t, store, policy)
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		execute(t, app, "INSERT INTO sessions (id, name) VALUES ('1', 'another')")
		_, err = m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
		if got := line(t, app, "SELECT count(*) FROM sessions"); got != "1" {
			t.Errorf("%s: there are %s sessions, want 1", id, got)
		}
	}
}
