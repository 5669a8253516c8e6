package mysql_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// Two installations with a name and without, each with tag columns, rules for their tags, views and an archive.
func TestInstallationsWithEverythingAtOnceWorkAndLeaveNothing(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, `
		CREATE TABLE sessions (id INT AUTO_INCREMENT PRIMARY KEY, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);
		CREATE TABLE rooms (id INT AUTO_INCREMENT PRIMARY KEY, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);`)
	before, err := describe(t.Context(), d.DB)
	if err != nil {
		t.Fatal(err)
	}
	policy := sessioncleanup.Policy{Rules: "plan:gold: delete=never; plan:long: delete=200d", Archive: sessioncleanup.On}
	for range 2 {
		tagged := func(name, table string) *mysql.Store {
			store := open(t, d, mysql.Config{Name: name, Schema: sessioncleanup.Schema{Table: table, TagColumns: []string{"plan"}}, Migrate: sessioncleanup.MigrateOptions{View: true}})
			if err := store.Migrate(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
			return store
		}
		stores := map[string]*mysql.Store{"sessions": tagged("", "sessions"), "rooms": tagged("live", "rooms")}
		for table, store := range stores {
			execute(t, d.DB, "INSERT INTO "+table+" (id, plan) VALUES (1, 'Gold'), (2, 'long'), (3, NULL), (4, 'gold'); UPDATE "+table+" SET plan = 'free' WHERE id = 4")
			execute(t, d.DB, "UPDATE "+table+" SET active = FALSE")
			execute(t, d.DB, "UPDATE "+table+" SET last_activity = UTC_TIMESTAMP() - INTERVAL 100 DAY, deactivated_at = UTC_TIMESTAMP() - INTERVAL 100 DAY")
			view := map[string]string{"sessions": "sessions_cleanup_view", "rooms": "live_sessions_cleanup_view"}[table]
			if got := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM "+view+" WHERE status = 'to_delete'"); got != "3,4" {
				t.Errorf("the view has %s to delete, want 3,4", got)
			}
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
			if err != nil {
				t.Fatal(err)
			}
			left := value[string](t, d, "SELECT GROUP_CONCAT(id ORDER BY id) FROM "+table)
			if result.Deleted() != 2 || left != "1,2" {
				t.Errorf("the run over %s deleted %d and left %s, want 1,2", table, result.Deleted(), left)
			}
			execute(t, d.DB, "UPDATE "+table+" SET plan = NULL WHERE id = 1")
			if result, err = manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 1 {
				t.Errorf("the run over %s after the tag went deleted %d, %v; want 1", table, result.Deleted(), err)
			}
			execute(t, d.DB, "INSERT INTO "+table+" (id, plan) VALUES (4, 'gold')") // in the way
			restored, err := manager.Restore(t.Context(), []string{"1", "3", "4"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
			if err != nil || len(restored.Entries) != 3 {
				t.Fatalf("Restore: %+v, %v", restored, err)
			}
			tags := map[string]string{"sessions": "sessioncleanup_tags", "rooms": "live_sessioncleanup_tags"}[table]
			if got := value[string](t, d, "SELECT GROUP_CONCAT(tag ORDER BY tag) FROM "+tags+" JOIN "+table+" AS s ON s.id = session_id"); got != "plan:free,plan:gold,plan:long" {
				t.Errorf("after the restore the tags are %s", got)
			}
			execute(t, d.DB, "DELETE FROM "+table)
		}
		for _, store := range stores {
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		after, err := describe(t.Context(), d.DB)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("the database (-before +after):\n%s", diff)
		}
	}
}
