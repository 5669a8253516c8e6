package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// The archive compares IDs as bytes, whatever collation they have in the application's tables.
func TestTheArchiveFindsIDsOfEveryCollation(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"text", `text COLLATE "POSIX"`, "mark"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			pool := connect(t, url)
			mustRun(t, pool, `
				CREATE DOMAIN mark AS text COLLATE "POSIX";
				CREATE TABLE sessions (id `+kind+` PRIMARY KEY, owner_id `+kind+`, updated_at timestamptz);
				CREATE TABLE votes (id int PRIMARY KEY, session_id `+kind+` REFERENCES sessions (id) ON DELETE CASCADE);
				INSERT INTO sessions VALUES ('a', 'me', '2026-01-01'), ('A', 'Me', '2026-01-01');
				INSERT INTO votes VALUES (1, 'a'), (2, 'a'), (3, 'A');`)
			policy := sessioncleanup.Policy{Archive: sessioncleanup.On}
			store := open(t, url, postgres.Config{})
			if err := store.Migrate(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
			m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"a", "A"} {
				if _, err := m.Delete(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			mine, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{OwnerID: "me"})
			if err != nil || len(mine) != 1 || mine[0].SessionID != "a" || mine[0].Rows != 2 {
				t.Errorf("the archive of an owner has %+v, %v; want the session a with two rows", mine, err)
			}
			if n := value[int](t, pool, "SELECT row_count FROM restore_archived_session('A')"); n != 1 {
				t.Errorf("restore_archived_session restores %d rows, want 1", n)
			}
			if _, err := m.Restore(t.Context(), []string{"a"}, sessioncleanup.RestoreOptions{}); err != nil {
				t.Error(err)
			}
			if got := value[string](t, pool, "SELECT string_agg(id || session_id, ' ' ORDER BY id) FROM votes"); got != "1a 2a 3A" {
				t.Errorf("the rows are %s, want 1a 2a 3A", got)
			}
		})
	}
}
