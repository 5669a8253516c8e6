package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestAChangeOfAnyColumnOfASealedEventIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	app := openApp(t, path)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "INSERT INTO sessions (id, owner_id, name, active, last_activity) VALUES ('1', '7', 'Room', 1, datetime('now', '-2 days'))")
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{Reason: "test", Filter: sessioncleanup.Filter{OwnerID: "7"}}); err != nil {
		t.Fatal(err)
	}
	mismatch := func() *sessioncleanup.Mismatch {
		v, err := m.VerifyEvents(t.Context(), "")
		if err != nil || v.Unsealed > 0 {
			t.Fatalf("VerifyEvents: %+v, %v", v, err)
		}
		return v.Mismatch
	}
	if wrong := mismatch(); wrong != nil {
		t.Fatalf("before: %v", wrong)
	}
	changes := map[string]string{
		"id": "-id", "at": "'2001-01-01 00:00:00.000'", "action": "'x'", "actor": "'x'", "reason": "'x'", "run_id": "'x'", "proof": "randomblob(16)",
		"sessions": `'[{"id":"2"}]'`, "run": `json_set(coalesce(run, '{}'), '$.forced', json('true'))`,
	}
	more := map[string][]string{
		"at": {"'when'", "''"}, "sessions": {"'['", "NULL", `'[{"id":"1","owner_id":"7","name":"Rooms"}]'`, `'[{"id":"1","owner_id":"8","name":"Room"}]'`},
		"run": {"'{'", `json_set(coalesce(run, '{}'), '$.filter.OwnerID', '8')`}, "proof": {"NULL", "x''"},
	}
	rows, err := app.QueryContext(t.Context(), "SELECT name FROM pragma_table_info('sessioncleanup_events')")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var columns []string
	for rows.Next() {
		columns = append(columns, "")
		if err := rows.Scan(&columns[len(columns)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	execute(t, app, "CREATE TABLE was AS SELECT * FROM sessioncleanup_events")
	for _, column := range columns {
		change, ok := changes[column]
		if !ok {
			t.Errorf("column %s is new: say here how to change it", column)
		}
		for _, to := range append(more[column], change) {
			sql := fmt.Sprintf("UPDATE sessioncleanup_events SET %s = %s WHERE id = 1", column, to)
			execute(t, app, sql)
			if wrong := mismatch(); wrong == nil {
				t.Errorf("%s: nothing is found", sql)
			}
			execute(t, app, "DELETE FROM sessioncleanup_events")
			execute(t, app, "INSERT INTO sessioncleanup_events SELECT * FROM was")
		}
	}
	if wrong := mismatch(); wrong != nil {
		t.Errorf("after all is as it was: %v", wrong)
	}
}

func TestEventsOfAnEarlierVersionAreSealed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	app := openApp(t, path)
	store := open(t, path, sqlite.Config{})
	migrate(t, store)
	execute(t, app, "DROP TRIGGER sessioncleanup_session_deleted")
	execute(t, app, "DROP TABLE sessioncleanup_seals")
	execute(t, app, "ALTER TABLE sessioncleanup_events DROP COLUMN proof")
	for _, table := range []string{"archive", "archive_rows", "archive_numbers", "tombstones", "positions", "notices", "values", "tags", "rules", "stored_rules"} {
		execute(t, app, "DROP TABLE sessioncleanup_"+table)
	}
	for _, column := range []string{"archive", "archive_keep_seconds", "archive_max_rows", "archive_max_bytes", "backup", "warn_before_seconds", "undeliverable_proceed", "rules"} {
		execute(t, app, "ALTER TABLE sessioncleanup_settings DROP COLUMN "+column)
	}
	execute(t, app, "DELETE FROM sessioncleanup_migrations WHERE version_id >= 3")
	execute(t, app, "INSERT INTO sessioncleanup_events (at, action, actor) VALUES ('2026-01-01 00:00:00.000', 'scheduled', 'owner:7'), ('2026-01-02 00:00:00.000', 'scheduled', 'system')")
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate: %v, want ErrNotInstalled", err)
	}
	migrate(t, store)
	if err := store.Validate(t.Context()); err != nil {
		t.Errorf("Validate after Migrate: %v", err)
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if seal, err := m.SealEvents(t.Context()); err != nil || seal.Entries != 2 {
		t.Fatalf("SealEvents: %+v, %v; want 2 entries", seal, err)
	}
	if n, err := store.EraseOwner(t.Context(), "7"); err != nil || n != 1 {
		t.Errorf("EraseOwner: %d, %v; want 1", n, err)
	}
	if v, err := m.VerifyEvents(t.Context(), ""); err != nil || v.Mismatch != nil || v.Entries != 2 || v.Erased != 1 {
		t.Errorf("VerifyEvents: %+v, %v; want 2 entries, one erased in part", v, err)
	}
}
