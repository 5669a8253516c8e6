package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

var tagged = postgres.Config{Schema: sessioncleanup.Schema{TagColumns: []string{"plan"}}}

// partitionedTables are partitioned sessions, two of which are due, with a partitioned activity table.
const partitionedTables = `CREATE TABLE sessions (id int PRIMARY KEY, plan text, updated_at timestamptz, last_activity timestamptz DEFAULT now() - interval '3 days') PARTITION BY RANGE (id);
	CREATE TABLE sessions_1 PARTITION OF sessions FOR VALUES FROM (0) TO (100); CREATE TABLE sessions_2 PARTITION OF sessions FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
	CREATE TABLE sessions_3 PARTITION OF sessions_2 FOR VALUES FROM (100) TO (200);
	CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions, created_at timestamptz) PARTITION BY RANGE (session_id);
	CREATE TABLE votes_1 PARTITION OF votes FOR VALUES FROM (0) TO (100);
	INSERT INTO sessions SELECT 90 + 20 * n FROM generate_series(0, 1) n`

func TestARunRefusesToWorkWhileATriggerIsOffInOnePartition(t *testing.T) {
	t.Parallel()
	for statement, want := range thorough.Some(2, map[string]string{
		"ALTER TABLE sessions_1 DISABLE TRIGGER USER":                                                                                      `the trigger sessioncleanup_untag on public.sessions_1 is disabled`,
		"ALTER TABLE sessions_3 DISABLE TRIGGER sessioncleanup_tag_columns":                                                                `the trigger sessioncleanup_tag_columns on public.sessions_3 is disabled`,
		`ALTER TABLE sessions_3 ENABLE REPLICA TRIGGER "~sessioncleanup_observe"`:                                                          `the trigger ~sessioncleanup_observe on public.sessions_3 is disabled`,
		`ALTER TABLE ONLY sessions ENABLE REPLICA TRIGGER "~sessioncleanup_observe"`:                                                       `the trigger ~sessioncleanup_observe on public.sessions is disabled`,
		"ALTER TABLE votes_1 ENABLE REPLICA TRIGGER sessioncleanup_insert_session_id":                                                      `the trigger sessioncleanup_insert_session_id on public.votes_1 is disabled`,
		"ALTER TABLE votes DISABLE TRIGGER USER":                                                                                           `the trigger sessioncleanup_update_session_id on public.votes is disabled`,
		"ALTER TABLE sessioncleanup_tags DISABLE TRIGGER sessioncleanup_retagged_insert":                                                   `the trigger sessioncleanup_retagged_insert on public.sessioncleanup_tags is disabled`,
		"ALTER TABLE sessioncleanup_touches DISABLE TRIGGER USER":                                                                          `the trigger sessioncleanup_commit on public.sessioncleanup_touches is disabled`,
		"ALTER TABLE sessions DISABLE TRIGGER USER; ALTER TABLE sessions ENABLE TRIGGER USER; ALTER TABLE sessions_2 DISABLE TRIGGER USER": `on public.sessions_3 is disabled`,
	}) {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Prepared(t, "tagged "+partitionedTables, func(ctx context.Context, url string) error {
				if err := pgapps.Exec(ctx, url, partitionedTables); err != nil {
					return err
				}
				store, err := postgres.Open(ctx, url, tagged)
				if err != nil {
					return err
				}
				defer store.Close()
				return store.Migrate(ctx, sessioncleanup.Policy{})
			})
			store, pool := open(t, url, tagged), connect(t, url)
			mustRun(t, pool, statement)
			for name, err := range map[string]error{"Validate": store.Validate(t.Context()), "a run": runOnce(t, store)} {
				if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want an ErrNotInstalled that says %q", name, err, want)
				}
			}
			if _, err := pool.Exec(t.Context(), "SELECT * FROM cleanup_inactive_sessions()"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("cleanup_inactive_sessions: %v, want %q", err, want)
			}
			migrate(t, store)
			for name, err := range map[string]error{"Validate": store.Validate(t.Context()), "a run": runOnce(t, store)} {
				if err != nil {
					t.Errorf("%s after the next Migrate: %v", name, err)
				}
			}
		})
	}
}

func TestARunSaysWhichTablesOfActivityCameLater(t *testing.T) {
	t.Parallel()
	store, url, log := shaped(t, partitionedTables, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool := connect(t, url)
	log.Reset()
	if err := runOnce(t, store); err != nil || strings.Contains(log.String(), "votes") {
		t.Errorf("a run: %v, and logs %s", err, log)
	}
	mustRun(t, pool, "CREATE TABLE votes_2 PARTITION OF votes FOR VALUES FROM (100) TO (200)")
	const warning = "rows written directly to public.votes_2, a partition of public.votes, do not count as activity until the next migrate"
	if err := runOnce(t, store); err != nil || strings.Count(log.String(), warning) != 1 || strings.Contains(log.String(), "votes_1") {
		t.Errorf("a run with a new partition: %v, and logs %s, want once %q", err, log, warning)
	}

	store, url, _ = shaped(t, `CREATE TABLE sessions (id int PRIMARY KEY, last_activity timestamptz DEFAULT now() - interval '3 days');
		CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions, created_at timestamptz); INSERT INTO sessions VALUES (1)`, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	pool = connect(t, url)
	mustRun(t, pool, "CREATE TABLE votes_2 () INHERITS (votes)")
	const refusal = "rows of table public.votes_2, which inherits from public.votes, do not count as activity"
	if err := runOnce(t, store); !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), refusal) {
		t.Errorf("a run with a table that inherits: %v, want an ErrNotInstalled that says %q", err, refusal)
	}
	migrate(t, store)
	if err := runOnce(t, store); err != nil {
		t.Errorf("a run after the next Migrate: %v", err)
	}
}

// runOnce does a run and returns its error.
func runOnce(t *testing.T, store sessioncleanup.Store) error {
	t.Helper()
	_, err := manage(t, store).Cleanup(t.Context(), sessioncleanup.Run{})
	return err
}
