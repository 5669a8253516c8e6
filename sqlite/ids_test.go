package sqlite_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// A column may hold values of several types, which read alike. Only those that an ID leads back to are sessions, so that
// nothing is deleted that is not archived.
func TestWhatIsDeletedIsInTheArchiveWhateverTheTypesOfIDs(t *testing.T) {
	t.Parallel()
	for declared, c := range map[string]struct {
		ids   string // of the rows, as SQL
		named int    // how many of them are sessions
	}{
		"":           {"1, '1', x'31', 1.5, 1e300, 'abc', '007', ' 2', '1e2', 9223372036854775807, NULL", 3},
		"BLOB":       {"x'00ff', x'', 'text', 7, 1.5, NULL", 2},
		"TEXT":       {"'a', 'A', 7, 1.5, x'61', x'ff', NULL", 4},
		"INTEGER":    {"1, -1, '2', 'abc', 1.5, x'31', NULL", 4},
		"NUMERIC":    {"1, '1e2', 1.5, 'abc', '0x10', NULL", 4},
		"REAL":       {"1, 1.5, 'abc', NULL", 1},
		"VARCHAR(9)": {"'12345678901', 1, NULL", 2},
	} {
		t.Run(declared, func(t *testing.T) {
			t.Parallel()
			path, app := newApp(t, "CREATE TABLE sessions (id "+declared+" UNIQUE, updated_at TIMESTAMP)",
				"INSERT INTO sessions SELECT column1, '2020-01-01' FROM (VALUES ("+strings.ReplaceAll(c.ids, ", ", "), (")+"))")
			total := strings.Count(c.ids, ",") + 1
			store := open(t, path, sqlite.Config{Schema: sessioncleanup.Schema{Table: "sessions", ID: "id"}})
			migrate(t, store)
			m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On, DeleteAfter: 30 * 24 * time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "cannot be named") {
				t.Errorf("Validate: %v, want an ErrInvalid about what cannot be named", err)
			}
			const all = "SELECT group_concat(q) FROM (SELECT quote(id) q FROM sessions ORDER BY typeof(id), id)"
			before := line(t, app, all)
			deactivated, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
			if err != nil || deactivated.Deactivated() != c.named {
				t.Fatalf("%d sessions are deactivated, %v; want %d", deactivated.Deactivated(), err, c.named)
			}
			line(t, app, "UPDATE sessions SET deactivated_at = '2020-01-01' WHERE NOT active RETURNING 1")
			deleted, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
			if err != nil || deleted.Deleted() != c.named {
				t.Errorf("%d sessions are deleted, %v; want %d", deleted.Deleted(), err, c.named)
			}
			entries, err := m.Archived(t.Context(), sessioncleanup.ArchiveOptions{})
			if err != nil || len(entries) != c.named {
				t.Errorf("%d sessions are archived, %v; want %d", len(entries), err, c.named)
			}
			if left := lines(t, app, "SELECT quote(id) FROM sessions"); len(left) != total-c.named {
				t.Errorf("left are %v, want %d", left, total-c.named)
			}
			var ids []string
			for _, e := range entries {
				ids = append(ids, e.SessionID)
			}
			if _, err := m.Restore(t.Context(), ids, sessioncleanup.RestoreOptions{}); err != nil {
				t.Error(err)
			}
			if after := line(t, app, all); after != before {
				t.Errorf("restored to %s, want %s", after, before)
			}
		})
	}
}
