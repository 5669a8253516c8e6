package sqlite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// Two installations with a name and without, each with tag columns, rules for their tags, views and an archive.
func TestInstallationsWithEverythingAtOnceWorkAndLeaveNothing(t *testing.T) {
	t.Parallel()
	path, app := newApp(t, `
		CREATE TABLE sessions (id INTEGER PRIMARY KEY AUTOINCREMENT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);
		CREATE TABLE rooms (id INTEGER PRIMARY KEY AUTOINCREMENT, plan VARCHAR(20), active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, updated_at DATETIME);`)
	before := dump(t, app, false)
	policy := sessioncleanup.Policy{Rules: "plan:gold: delete=never; plan:long: delete=200d", Archive: sessioncleanup.On}
	for range 2 {
		tagged := func(name, table string) *sqlite.Store {
			store := open(t, path, sqlite.Config{Name: name, Schema: sessioncleanup.Schema{Table: table, TagColumns: []string{"plan"}}, Migrate: sessioncleanup.MigrateOptions{View: true}})
			if err := store.Migrate(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
			return store
		}
		stores := map[string]*sqlite.Store{"sessions": tagged("", "sessions"), "rooms": tagged("live", "rooms")}
		for table, store := range stores {
			execute(t, app, "INSERT INTO "+table+" (id, plan) VALUES (1, 'Gold'), (2, 'long'), (3, NULL), (4, 'gold'); UPDATE "+table+" SET plan = 'free' WHERE id = 4")
			execute(t, app, "UPDATE "+table+" SET active = FALSE")
			execute(t, app, "UPDATE "+table+" SET last_activity = datetime('now', '-100 days'), deactivated_at = datetime('now', '-100 days')")
			view := map[string]string{"sessions": "sessions_cleanup_view", "rooms": "live_sessions_cleanup_view"}[table]
			if got := line(t, app, "SELECT group_concat(id) FROM "+view+" WHERE status = 'to_delete'"); got != "3,4" {
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
			left := line(t, app, "SELECT group_concat(id) FROM "+table)
			if result.Deleted() != 2 || left != "1,2" {
				t.Errorf("the run over %s deleted %d and left %s, want 1,2", table, result.Deleted(), left)
			}
			execute(t, app, "UPDATE "+table+" SET plan = NULL WHERE id = 1")
			if result, err = manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 1 {
				t.Errorf("the run over %s after the tag went deleted %d, %v; want 1", table, result.Deleted(), err)
			}
			execute(t, app, "INSERT INTO "+table+" (id, plan) VALUES (4, 'gold')") // in the way
			restored, err := manager.Restore(t.Context(), []string{"1", "3", "4"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
			if err != nil || len(restored.Entries) != 3 {
				t.Fatalf("Restore: %+v, %v", restored, err)
			}
			tags := map[string]string{"sessions": "sessioncleanup_tags", "rooms": "live_sessioncleanup_tags"}[table]
			if got := line(t, app, "SELECT group_concat(tag) FROM (SELECT * FROM "+tags+" ORDER BY tag) JOIN "+table+" AS s ON s.id = session_id"); got != "plan:free,plan:gold,plan:long" {
				t.Errorf("after the restore the tags are %s", got)
			}
			execute(t, app, "DELETE FROM "+table)
		}
		for _, store := range stores {
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		after := dump(t, app, false)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("the database (-before +after):\n%s", diff)
		}
	}
}
