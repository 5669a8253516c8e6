package besides

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// Everything is a database with two tables, sessions and rooms, each with the columns id, plan, active, created_at and updated_at. Two
// installations, one with a name, have tag columns, rules for their tags, views and an archive.
type Everything struct {
	// Open opens and migrates an installation, with Schema.TagColumns of plan, and its view.
	Open    func(name, table string, policy sessioncleanup.Policy) sessioncleanup.Store
	Execute func(statement string)
	// List is a column of the rows of a query, in their order, separated by commas.
	List func(column, from string) string
	// Ago is the expression for a time 100 days ago.
	Ago string
	// Named is what a view or a table is called, of an installation with a name.
	Named func(name, object string) string
	// Describe is everything that the database has.
	Describe func() any
}

// WorkAndLeaveNothing uses both, uninstalls them, and does so again.
func (e Everything) WorkAndLeaveNothing(t *testing.T) {
	t.Helper()
	before := e.Describe()
	policy := sessioncleanup.Policy{Rules: "plan:gold: delete=never; plan:long: delete=200d", Archive: sessioncleanup.On}
	for range 2 {
		names := map[string]string{"sessions": "", "rooms": "live"}
		stores := map[string]sessioncleanup.Store{}
		for table, name := range names {
			stores[table] = e.Open(name, table, policy)
		}
		for table, store := range stores {
			e.use(t, store, policy, table, names[table])
		}
		for _, store := range stores {
			installer, ok := sessioncleanup.InstallerOf(store)
			if !ok {
				t.Fatal("the store cannot be uninstalled")
			}
			if err := installer.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(before, e.Describe()); diff != "" {
			t.Fatalf("the database (-before +after):\n%s", diff)
		}
	}
}

// use deletes sessions by their tags, and restores them.
func (e Everything) use(t *testing.T, store sessioncleanup.Store, policy sessioncleanup.Policy, table, name string) {
	t.Helper()
	e.Execute("INSERT INTO " + table + " (id, plan) VALUES (1, 'Gold'), (2, 'long'), (3, NULL), (4, 'gold'); UPDATE " + table + " SET plan = 'free' WHERE id = 4")
	e.Execute("UPDATE " + table + " SET active = FALSE")
	e.Execute("UPDATE " + table + " SET last_activity = " + e.Ago + ", deactivated_at = " + e.Ago)
	if got := e.List("id", e.Named(name, "sessions_cleanup_view")+" WHERE status = 'to_delete'"); got != "3,4" {
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
	if left := e.List("id", table); result.Deleted() != 2 || left != "1,2" {
		t.Errorf("the run over %s deleted %d and left %s, want 1,2", table, result.Deleted(), left)
	}
	e.Execute("UPDATE " + table + " SET plan = NULL WHERE id = 1")
	if result, err = manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 1 {
		t.Errorf("the run over %s after the tag went deleted %d, %v; want 1", table, result.Deleted(), err)
	}
	e.Execute("INSERT INTO " + table + " (id, plan) VALUES (4, 'gold')") // in the way
	restored, err := manager.Restore(t.Context(), []string{"1", "3", "4"}, sessioncleanup.RestoreOptions{OnConflict: sessioncleanup.ConflictNewID})
	if err != nil || len(restored.Entries) != 3 {
		t.Fatalf("Restore: %+v, %v", restored, err)
	}
	if got := e.List("tag", e.Named(name, "sessioncleanup_tags")+" JOIN "+table+" AS s ON s.id = session_id"); got != "plan:free,plan:gold,plan:long" {
		t.Errorf("after the restore the tags are %s", got)
	}
	e.Execute("DELETE FROM " + table)
}
