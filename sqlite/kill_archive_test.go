//go:build unix

package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

var kills = flag.Int("kills", 5, "how often each of the kill tests kills")

// withArchive does something with a Manager that archives in small batches.
func withArchive(path string, do func(context.Context, *sessioncleanup.Manager) error) error {
	store, err := sqlite.Open(context.Background(), path, sqlite.Config{})
	if err != nil {
		return err
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{BatchSize: 5, Archive: sessioncleanup.On}})
	if err == nil {
		err = do(context.Background(), m)
	}
	return errors.Join(err, store.Close())
}

// archiveDue runs a cleanup.
func archiveDue(ctx context.Context, m *sessioncleanup.Manager) error {
	_, err := m.Cleanup(ctx, sessioncleanup.Run{Force: true})
	return err
}

func TestKilledArchivingAndRestoringLeaveEachSessionInOnePlace(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Killed)
	const count = 300
	path, app := newApp(t, appTables, fmt.Sprintf(`
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO sessions (id, name) SELECT i, 'room ' || i FROM n`, count),
		"INSERT INTO propositions (session_id) SELECT id FROM sessions UNION ALL SELECT id FROM sessions")
	store := open(t, path, sqlite.Config{})
	migrateWith(t, store, sessioncleanup.Policy{Archive: sessioncleanup.On})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	kill := func(role string) bool {
		t.Helper()
		const events = "SELECT coalesce(max(id), 0) FROM sessioncleanup_events"
		before := line(t, app, events)
		c := process(t, role, path)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		eventually(t, "for the first batch of "+role, func() bool { return line(t, app, events) != before })
		kill := time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = c.Process.Kill() })
		defer kill.Stop()
		hit := <-ended != nil
		execute(t, app, "DELETE FROM sessioncleanup_leases")
		return hit
	}
	archivetest.Archiving{
		Manager: m, Count: count, Kill: kill,
		MakeDue: func() {
			execute(t, app, "UPDATE sessions SET active = 0, last_activity = datetime('now', '-60 days'), deactivated_at = datetime('now', '-50 days')")
		},
		Misplaced: func() int {
			return number(t, app, fmt.Sprintf(`
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d), place AS (
					SELECT (SELECT count(*) FROM sessions WHERE id = i) AS there, (SELECT count(*) FROM propositions WHERE session_id = i) AS rows,
					       (SELECT count(*) FROM sessioncleanup_archive WHERE session = i || '') AS entries,
					       (SELECT coalesce(sum(json_array_length("row")), 0) FROM sessioncleanup_archive_rows WHERE entry IN (SELECT id FROM sessioncleanup_archive WHERE session = i || '')) AS archived
					  FROM n)
				SELECT sum(NOT ((there, rows, entries, archived) = (1, 2, 0, 0) OR (there, rows, entries, archived) = (0, 0, 1, 3))) FROM place`, count))
		},
		Archived: func() int { return number(t, app, "SELECT count(*) FROM sessioncleanup_archive") },
	}.Killed(t, *kills)
	if got := line(t, app, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}

// number is the answer of a query.
func number(t *testing.T, app *sql.DB, query string) (n int) {
	t.Helper()
	if err := app.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
