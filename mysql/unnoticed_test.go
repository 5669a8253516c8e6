package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

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
