package sqlite_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestASessionThatTheApplicationDeletesLeavesNoTags(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, appTables)
	execute(t, app, "INSERT INTO sessions (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c')")
	execute(t, app, "INSERT INTO sessioncleanup_tags SELECT id, 'vip' FROM sessions")
	execute(t, app, "DELETE FROM sessions WHERE id = 1")
	execute(t, app, "INSERT INTO sessions (id, name) VALUES (1, 'again')")
	execute(t, app, "INSERT OR REPLACE INTO sessions (id, name) VALUES (2, 'still the same')")
	for id, want := range map[string]int{"1": 0, "2": 1, "3": 1} {
		if s := get(t, store, id); len(s.Tags) != want {
			t.Errorf("session %s has the tags %q, want %d", id, s.Tags, want)
		}
	}
	if n := line(t, app, "SELECT group_concat(session_id) FROM sessioncleanup_tags"); n != "2,3" {
		t.Errorf("the sessions %s have tags, want 2,3", n)
	}
}

func TestIdsThatAreBytesHaveTags(t *testing.T) {
	t.Parallel()
	store, app := adopt(t, "CREATE TABLE sessions (id BLOB PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT 1, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
	execute(t, app, "INSERT INTO sessions (id, name) VALUES (x'0a0b', 'a')")
	execute(t, app, "INSERT INTO sessioncleanup_tags SELECT lower(hex(id)), 'vip' FROM sessions")
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := m.Tag(t.Context(), "0a0b", sessioncleanup.TagChange{Add: []string{"test"}}); err != nil || len(s.Tags) != 2 {
		t.Errorf("the session has the tags %q, %v; want two", s.Tags, err)
	}
	if tags, err := m.Tags(t.Context(), ""); err != nil || len(tags) != 2 {
		t.Errorf("the tags in use are %v, %v; want two", tags, err)
	}
	execute(t, app, "DELETE FROM sessions")
	if n := line(t, app, "SELECT count(*) FROM sessioncleanup_tags"); n != "0" {
		t.Errorf("%s tags are left", n)
	}
}
