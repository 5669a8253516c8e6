package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestASessionComesBackUnderANewIDWithAllThatRefersToIt(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ id, refers string }{
		"identity":     {"int PRIMARY KEY GENERATED ALWAYS AS IDENTITY", "bigint"},
		"a sequence":   {"bigint PRIMARY KEY DEFAULT nextval('numbers')", "int"},
		"another type": {"numeric PRIMARY KEY DEFAULT nextval('numbers')", "numeric(9, 2)"},
	} {
		url := pgtest.Empty(t)
		pool := connect(t, url)
		mustRun(t, pool, `
			CREATE SEQUENCE numbers;
			CREATE TABLE sessions (id `+c.id+`, name text, parent_id `+c.refers+` REFERENCES sessions (id) ON DELETE SET NULL);
			CREATE TABLE votes (session_id `+c.refers+` REFERENCES sessions (id) ON DELETE CASCADE, number int, PRIMARY KEY (session_id, number));
			CREATE TABLE songs (title text, session_id `+c.refers+`, number int, other `+c.refers+` REFERENCES sessions (id) ON DELETE CASCADE, FOREIGN KEY (session_id, number) REFERENCES votes ON DELETE CASCADE);
			CREATE TABLE bills (id int PRIMARY KEY, session_id `+c.refers+` REFERENCES sessions (id) ON DELETE SET NULL);
			INSERT INTO sessions (name) VALUES ('one'), ('two');
			INSERT INTO votes VALUES (1, 1), (1, 2), (2, 1);
			INSERT INTO songs VALUES ('a', 1, 1, 2), ('b', 1, 2, 1), ('1', 2, 1, NULL);
			INSERT INTO bills VALUES (1, 1), (2, 2);
			UPDATE sessions SET parent_id = 1 WHERE id = 2`)
		policy := sessioncleanup.Policy{Archive: sessioncleanup.On}
		store := open(t, url, postgres.Config{})
		if err := store.Migrate(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, pool, "INSERT INTO sessions (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'another'), (3, 'third')") // the next number is 3
		var blocked *sessioncleanup.ObstructedError
		if _, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{}); !errors.As(err, &blocked) {
			t.Errorf("%s: a restore over another session: %v, want obstacles", what, err)
		}
		done, err := m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if err != nil || len(done.NewIDs) != 1 || done.Relinked != 2 {
			t.Fatalf("%s: a restore under a new id: %+v, %v; want a new id, and two rows linked again", what, done, err)
		}
		now := done.NewIDs[done.Entries[0].ID]
		if now == "1" || now == "2" || now == "3" {
			t.Errorf("%s: the new id is %s, which another session has", what, now)
		}
		const dump = `SELECT concat_ws(';', (SELECT string_agg(concat_ws(' ', id, name, parent_id), ',' ORDER BY name) FROM sessions),
			(SELECT string_agg(concat_ws(' ', session_id, number), ',' ORDER BY session_id, number) FROM votes),
			(SELECT string_agg(concat_ws(' ', title, session_id, number, other), ',' ORDER BY title) FROM songs),
			(SELECT string_agg(concat_ws(' ', id, session_id), ',' ORDER BY id) FROM bills))`
		want := strings.ReplaceAll("1 another,N one,3 third,2 two N;2 1,N 1,N 2;1 2 1,a N 1 2,b N 2 N;1 N,2 2", "N", now)
		if got := strings.ReplaceAll(value[string](t, pool, dump), ".00", ""); got != want {
			t.Errorf("%s: the tables have %q, want %q", what, got, want)
		}
	}
}

func TestASessionWhoseIDIsNotGeneratedGetsNoNewOne(t *testing.T) {
	t.Parallel()
	for tables, want := range map[string]string{
		"CREATE TABLE sessions (id int PRIMARY KEY)":                "does not generate the ids",
		"CREATE TABLE sessions (id int PRIMARY KEY DEFAULT 1)":      "does not generate the ids",
		"CREATE TABLE sessions (id int PRIMARY KEY DEFAULT abs(1))": "generates no free id",
	} {
		url := pgtest.Empty(t)
		pool := connect(t, url)
		mustRun(t, pool, tables)
		policy := sessioncleanup.Policy{Archive: sessioncleanup.On}
		store := open(t, url, postgres.Config{})
		if err := store.Migrate(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		mustRun(t, pool, "INSERT INTO sessions (id) VALUES (1)")
		if _, err := m.Delete(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, pool, "INSERT INTO sessions (id) VALUES (1)")
		_, err = m.Restore(t.Context(), []string{"1"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tables, err, want)
		}
		if n := value[int](t, pool, "SELECT count(*) FROM sessions"); n != 1 {
			t.Errorf("%s: there are %d sessions, want 1", tables, n)
		}
	}
}
