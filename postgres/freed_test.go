package postgres_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestARunSaysHowManyRowsItDeletedAndAboutWhatTheyTook(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool := connect(t, url)
	mustExec(t, pool, `
		CREATE TABLE sessions (id bigint PRIMARY KEY, name text, updated_at timestamptz);
		CREATE TABLE messages (id bigserial PRIMARY KEY, session_id bigint REFERENCES sessions ON DELETE CASCADE, text text);
		CREATE TABLE notes (id bigserial PRIMARY KEY, message_id bigint REFERENCES messages ON DELETE CASCADE) PARTITION BY HASH (id);
		CREATE TABLE notes_all PARTITION OF notes FOR VALUES WITH (MODULUS 1, REMAINDER 0);
		CREATE TABLE kept (id bigserial PRIMARY KEY, session_id bigint REFERENCES sessions ON DELETE SET NULL);
		CREATE INDEX ON messages (session_id); CREATE INDEX ON notes (message_id);
		INSERT INTO sessions SELECT i, 'room', now() - CASE WHEN i <= 300 THEN interval '90 days' ELSE '1 hour' END FROM generate_series(1, 310) i;
		INSERT INTO messages (session_id, text) SELECT s.id, repeat('x', 900) FROM sessions s, generate_series(1, 10);
		INSERT INTO notes (message_id) SELECT min(id) FROM messages GROUP BY session_id;
		INSERT INTO kept (session_id) SELECT id FROM sessions`)
	store := open(t, url, postgres.Config{})
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	m := manage(t, store)
	mustExec(t, pool, `UPDATE sessions SET active = false, last_activity = now() - interval '60 days' WHERE id <= 300;
		UPDATE sessions SET deactivated_at = now() - interval '60 days' WHERE id <= 300; ANALYZE sessions, messages, notes_all`)
	for _, c := range []struct {
		archive sessioncleanup.Switch
		ids     string
		rows    int
		bytes   [2]int64 // from, to
	}{
		{archive: sessioncleanup.Off, ids: "id <= 150", rows: 150 * 12, bytes: [2]int64{150 * 10 * 900, 150 * 10 * 1300}},
		{archive: sessioncleanup.On, ids: "true", rows: 150 * 12},
	} {
		mustExec(t, pool, "UPDATE sessions SET auto_cleanup = "+c.ids)
		if err := store.Migrate(t.Context(), sessioncleanup.Policy{Archive: c.archive}); err != nil {
			t.Fatal(err)
		}
		archiving, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: c.archive, BatchSize: 40}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := archiving.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
		if err != nil || res.Deleted() != 150 {
			t.Fatalf("deleted %d, %v", res.Deleted(), err)
		}
		if res.Rows != c.rows || res.Bytes < c.bytes[0] || res.Bytes > c.bytes[1] {
			t.Errorf("archive %v: the run deleted %d rows that took %d bytes, want %d rows and %v bytes", c.archive, res.Rows, res.Bytes, c.rows, c.bytes)
		}
	}
	a, err := m.Analytics(t.Context())
	if err != nil || len(a.History) != 1 || a.History[0].Rows != 300*12 || a.History[0].Bytes == 0 {
		t.Errorf("the history: %+v, %v", a.History, err)
	}
}
