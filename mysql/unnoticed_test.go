package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// TestATriggerThatTheUserMayNotSeeIsNotMissing: the server shows nobody the triggers of a table who may only read it, as runs need no
// more of an activity table.
func TestATriggerThatTheUserMayNotSeeIsNotMissing(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, rooms+"INSERT INTO sessions (id, active, updated_at) VALUES (1, TRUE, '2026-01-01')")
	execute(t, d.DB, "DELETE FROM sessioncleanup_touches")
	grant := "GRANT SELECT ON votes TO %[1]s; GRANT SELECT, UPDATE, DELETE ON sessions TO %[1]s"
	for _, table := range texts(t, d, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'sessioncleanup%'") {
		grant += "; GRANT SELECT, INSERT, UPDATE, DELETE ON " + table + " TO %[1]s"
	}
	runner := open(t, d.Granted(t, grant), mysql.Config{})
	reader := open(t, d.As(t, "SELECT"), mysql.Config{})
	expect := func(who string, err error, told []string, not ...string) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: no error", who)
		}
		for _, words := range told {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %s", who, err, words)
			}
		}
		for _, words := range not {
			if strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want nothing about %s", who, err, words)
			}
		}
	}
	const hidden = `the user of the database URL may not see the triggers of "votes"`
	expect("the runner", runner.Validate(t.Context()), []string{hidden}, "run migrate", `"sessions"`)
	expect("the reader", reader.Validate(t.Context()), []string{hidden, `"sessions"`}, "run migrate")
	cleaned(t, manage(t, runner), 1, 0)
	execute(t, d.DB, "DROP TRIGGER sessioncleanup_session_updated")
	expect("the runner without a trigger that it may see", runner.Validate(t.Context()), []string{hidden, "the trigger sessioncleanup_session_updated"})
	if _, err := manage(t, runner).Cleanup(t.Context(), sessioncleanup.Run{}); !errors.Is(err, sessioncleanup.ErrNotInstalled) || strings.Contains(err.Error(), "votes") {
		t.Errorf("a run without a trigger that the user may see: %v, want it named", err)
	}
}

func TestARunRefusesToWorkWhileTriggersAreMissing(t *testing.T) {
	t.Parallel()
	const tables = `CREATE TABLE sessions (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, last_activity DATETIME, created_at DATETIME);
		CREATE TABLE votes (id INT PRIMARY KEY AUTO_INCREMENT, session_id INT NOT NULL, at DATETIME, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)`
	for what, c := range map[string]struct{ statements, names string }{
		"of an activity table":         {"DROP TRIGGER sessioncleanup_votes_session_id_inserted", "sessioncleanup_votes_session_id_inserted"},
		"of the sessions":              {"DROP TRIGGER sessioncleanup_session_updated", "sessioncleanup_session_updated"},
		"of the tags":                  {"DROP TRIGGER sessioncleanup_tag_added", "sessioncleanup_tag_added"},
		"of a table that was rebuilt":  {"CREATE TABLE new LIKE votes; DROP TABLE votes; RENAME TABLE new TO votes", "sessioncleanup_votes_session_id_updated"},
		"of a table that is no longer": {"DROP TABLE votes", "sessioncleanup_votes_session_id_inserted"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, tables)
			execute(t, d.DB, "INSERT INTO sessions (id, last_activity) VALUES (1, '2026-01-01'); "+c.statements)
			m := manage(t, store)
			result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
			if !errors.Is(err, sessioncleanup.ErrNotInstalled) || !strings.Contains(err.Error(), c.names) || result.Deactivated() > 0 {
				t.Errorf("a run deactivated %d, error %v; want none, and an ErrNotInstalled that names %s", result.Deactivated(), err, c.names)
			}
			if what == "of a table that is no longer" {
				return
			}
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			cleaned(t, m, 1, 0)
		})
	}
}
