package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// What a subscription writes fires no trigger that notices activity. The catalog has a table of a subscription once its
// publisher was asked, which the test leaves out.
func TestARunRefusesToWorkWhereRowsArriveByLogicalReplication(t *testing.T) {
	t.Parallel()
	const tables = `CREATE TABLE sessions (id int PRIMARY KEY, updated_at timestamptz DEFAULT now() - interval '9 days');
		CREATE TABLE votes (session_id int NOT NULL REFERENCES sessions, created_at timestamptz DEFAULT now()) PARTITION BY RANGE (session_id);
		CREATE TABLE votes_1 PARTITION OF votes DEFAULT; CREATE TABLE other (id int); INSERT INTO sessions VALUES (1), (2)`
	for table, refused := range map[string]bool{"sessions": true, "votes": true, "votes_1": true, "other": false} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, tables, sessioncleanup.MigrateOptions{})
			migrate(t, store)
			pool := connect(t, url)
			name := strings.ReplaceAll(value[string](t, pool, "SELECT current_database()"), "-", "_")
			mustExec(t, pool, "CREATE SUBSCRIPTION "+name+" CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
			t.Cleanup(func() { // the database cannot be dropped before
				if _, err := pool.Exec(context.WithoutCancel(t.Context()), "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)"); err != nil {
					t.Error(err)
				}
				if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP SUBSCRIPTION "+name); err != nil {
					t.Error(err)
				}
			})
			mustRun(t, pool, "SET allow_system_table_mods = on; INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, '"+table+"'::regclass, 'r' FROM pg_subscription WHERE subname = '"+name+"';"+
				"SET session_replication_role = replica; INSERT INTO votes VALUES (1)")
			_, errSQL := pool.Exec(t.Context(), "SELECT cleanup_inactive_sessions()")
			for doing, err := range map[string]error{"a run": runOnce(t, store), "a run in SQL": errSQL, "Validate": store.Validate(t.Context())} {
				if !refused {
					if err != nil {
						t.Errorf("%s: %v", doing, err)
					}
				} else if err == nil || !strings.Contains(err.Error(), "public."+table+" (subscription "+name+")") || doing != "a run in SQL" && !errors.Is(err, sessioncleanup.ErrInvalid) {
					t.Errorf("%s gave %v, want an ErrInvalid that names %s and the subscription", doing, err, table)
				}
			}
			if !refused {
				return
			}
			mustExec(t, pool, "DELETE FROM pg_subscription_rel")
			migrate(t, open(t, url, postgres.Config{Migrate: sessioncleanup.MigrateOptions{Reread: true}}))
			if err := runOnce(t, store); err != nil {
				t.Fatal(err)
			}
			if active := value[string](t, pool, "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM sessions WHERE active"); active != "1" {
				t.Errorf("once the rows are written here, sessions %q are active after a run, want 1, which was used", active)
			}
		})
	}
}

// After a switch to a subscriber the rows are there, but sequences begin again.
func TestNumbersContinueAfterASwitchByLogicalReplication(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]string{
		"as they are":               "",
		"of a log that was emptied": "INSERT INTO sessioncleanup_positions VALUES ('reader', 500); DELETE FROM sessioncleanup_events;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, url, _ := shaped(t, usedTables, sessioncleanup.MigrateOptions{})
			migrate(t, store)
			if err := runOnce(t, store); err != nil {
				t.Fatal(err)
			}
			pool := connect(t, url)
			used := value[int](t, pool, "SELECT max(id) FROM sessioncleanup_events")
			mustRun(t, pool, lost+"ALTER TABLE sessioncleanup_events ALTER id RESTART; ALTER TABLE sessioncleanup_touches ALTER id RESTART;"+
				"INSERT INTO sessioncleanup_touches (id, session_id, at) OVERRIDING SYSTEM VALUE VALUES (1, 50, now()), (2, 51, now())")
			mustExec(t, pool, "UPDATE sessions SET last_activity = now() - interval '2 days' WHERE id > 40")
			for doing, err := range map[string]error{"a run": runOnce(t, store), "Validate": store.Validate(t.Context())} {
				if !errors.Is(err, sessioncleanup.ErrNotInstalled) {
					t.Errorf("%s gave %v, want an ErrNotInstalled", doing, err)
				}
			}
			migrate(t, store)
			mustExec(t, pool, "DELETE FROM sessioncleanup_leases") // that of the run that could not be recorded expires later
			mustExec(t, pool, "INSERT INTO messages (session_id) VALUES (52)")
			if err := runOnce(t, store); err != nil {
				t.Fatal(err)
			}
			if lost != "" {
				used = 500
			}
			if first := value[int](t, pool, "SELECT min(id) FROM sessioncleanup_events WHERE at > now() - interval '1 minute' AND id > $1", used); first != used+1 {
				t.Errorf("the log continues with %d, want %d", first, used+1)
			}
			if active := value[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sessions WHERE active"); active != "50 51 52" {
				t.Errorf("sessions %q are active, want 50 51 52, which were used", active)
			}
		})
	}
}
