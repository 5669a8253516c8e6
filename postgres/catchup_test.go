package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

func TestMigrateFillsInTheActivityThatNoTriggerNoticed(t *testing.T) {
	t.Parallel()
	const votes = "CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions, created_at timestamptz DEFAULT now())"
	for name, c := range map[string]struct {
		tables, use string
		reread      bool
	}{
		"a trigger was dropped":           {tables: votes, use: "DROP TRIGGER sessioncleanup_insert_session_id ON votes; INSERT INTO votes VALUES (1)"},
		"triggers were disabled":          {tables: votes, use: "ALTER TABLE votes DISABLE TRIGGER USER; INSERT INTO votes VALUES (1)"},
		"the table was made again":        {tables: votes, use: "DROP TABLE votes; " + votes + "; INSERT INTO votes VALUES (1)"},
		"rows have no time":               {tables: "CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions)", use: "ALTER TABLE votes DISABLE TRIGGER USER; INSERT INTO votes VALUES (1)"},
		"a row has no time":               {tables: votes, use: "ALTER TABLE votes DISABLE TRIGGER USER; INSERT INTO votes VALUES (1, NULL), (2, now() - interval '9 days')"},
		"rows went to a new partition":    {tables: votes + " PARTITION BY LIST (session_id)", use: "CREATE TABLE votes_1 PARTITION OF votes DEFAULT; INSERT INTO votes_1 VALUES (1)"},
		"rows of a partition have none":   {tables: "CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions) PARTITION BY LIST (session_id)", use: "CREATE TABLE votes_1 PARTITION OF votes DEFAULT; INSERT INTO votes_1 VALUES (1)"},
		"a table was made later":          {use: votes + "; INSERT INTO votes VALUES (1)"},
		"it was made active meanwhile":    {tables: votes, use: "UPDATE sessions SET active = false; ALTER TABLE sessions DISABLE TRIGGER USER; UPDATE sessions SET active = true WHERE id = 1; UPDATE sessions SET last_activity = now() - interval '9 days'"},
		"its own row was changed":         {use: "ALTER TABLE sessions DISABLE TRIGGER USER; UPDATE sessions SET updated_at = now() WHERE id = 1"},
		"the connection left out all":     {tables: votes, use: "SET session_replication_role = replica; INSERT INTO votes VALUES (1)", reread: true},
		"triggers were off for some time": {tables: votes, use: "ALTER TABLE votes DISABLE TRIGGER USER; INSERT INTO votes VALUES (1); ALTER TABLE votes ENABLE TRIGGER USER", reread: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, "CREATE TABLE sessions (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true, updated_at timestamptz DEFAULT now() - interval '9 days');"+
				"INSERT INTO sessions VALUES (1), (2); "+c.tables, sessioncleanup.MigrateOptions{})
			migrate(t, store)
			mustRun(t, connect(t, url), c.use)
			migrate(t, open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{Reread: c.reread}}))
			if err := runOnce(t, store); err != nil {
				t.Fatal(err)
			}
			if active := value[string](t, connect(t, url), "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM sessions WHERE active"); active != "1" {
				t.Errorf("sessions %q are active after a run, want 1, which was used", active)
			}
		})
	}
}

// A migration that was interrupted after it made a trigger again has not yet filled in what was not noticed.
func TestRunsFailUntilUnnoticedActivityIsFilledIn(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, usedTables, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool := connect(t, url)
	mustRun(t, pool, "ALTER TABLE messages DISABLE TRIGGER USER; INSERT INTO messages (session_id) VALUES (30); ALTER TABLE messages ENABLE TRIGGER USER;"+
		"UPDATE sessioncleanup_settings SET backfilled = false; INSERT INTO sessions (id, active) VALUES (99, false); UPDATE sessions SET deactivated_at = NULL WHERE id = 99")
	if err := runOnce(t, store); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), "run migrate") {
		t.Errorf("a run gave %v, want an ErrNotInstalled", err)
	}
	migrate(t, store)
	if err := runOnce(t, store); err != nil {
		t.Fatal(err)
	}
	if active := value[bool](t, pool, "SELECT active FROM sessions WHERE id = 30"); !active {
		t.Error("the session that was used is inactive")
	}
	if since := value[bool](t, pool, "SELECT deactivated_at > now() - interval '1 minute' FROM sessions WHERE id = 99"); !since {
		t.Error("a session that became inactive after the adoption was dated before it")
	}
}

func TestATableThatMigrateMakesIsNotFilledInLater(t *testing.T) {
	t.Parallel()
	store, _, log := shaped(t, "", sessioncleanup.MigrateOptions{})
	migrate(t, store)
	before := log.Len()
	migrate(t, store)
	if again := log.String()[before:]; strings.Contains(again, "migrate:") {
		t.Errorf("a second migration did more: %s", again)
	}
}
