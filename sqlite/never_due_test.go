package sqlite_test

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

func TestValidateAndStatsCountWhatCanNeverBecomeDue(t *testing.T) {
	t.Parallel()
	for tables, want := range map[string]struct {
		never   int
		warning string
	}{
		"CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN DEFAULT 1, auto_cleanup BOOLEAN DEFAULT 1, last_activity, expires_at)": {
			5, "5 active sessions can never become due: they have no expiry, and their last_activity is unknown"},
		"CREATE TABLE sessions (id INTEGER PRIMARY KEY, active BOOLEAN DEFAULT 1)": {
			7, "7 active sessions can never become due: they have no expiry, and nothing shows when they are used"},
	} {
		var log strings.Builder
		path, app := newApp(t, tables)
		store := open(t, path, sqlite.Config{Logger: logTo(&log)})
		migrate(t, store)
		execute(t, app, `
			INSERT INTO sessions (id, last_activity, expires_at, active, auto_cleanup) VALUES
				(1, '9999-12-31', NULL, 1, 1), (2, '9000-01-01', '9999-12-31', 1, 1), (3, 253402300799, NULL, 1, 1), (4, 'infinity', 0, 1, 1),
				(5, 'infinity', datetime('now', '+1 day'), 1, 1), (6, 'infinity', NULL, 1, 0), (7, 'infinity', NULL, 0, 1),
				(8, datetime('now'), NULL, 1, 1), (9, datetime('now', '-90 days'), NULL, 1, 1), (10, 'infinity', 'infinity', 1, 1)`)
		if err := store.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), want.warning) {
			t.Errorf("the log says %s, want %q", log.String(), want.warning)
		}
		for _, f := range []sessioncleanup.Filter{{}, {Text: "0"}, {Text: "1"}, {ID: "2"}} {
			all := 0
			for _, id := range []string{"1", "2", "3", "4", "10", "8", "9"}[:want.never] {
				if f.Matches(sessioncleanup.Session{ID: id}) {
					all++
				}
			}
			counts, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Filter: f})
			if err != nil || counts.NeverDue != all {
				t.Errorf("%+v: %d sessions can never become due, %v; want %d", f, counts.NeverDue, err, all)
			}
		}
		execute(t, app, "UPDATE sessions SET last_activity = 'someday' WHERE id = 9")   // what cannot be read makes nothing due
		execute(t, app, "INSERT INTO sessions (id, expires_at) VALUES (11, 'someday')") // used now, as the trigger notes
		counts, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{})
		if unreadable := map[int]int{5: 6, 7: 8}[want.never]; err != nil || counts.NeverDue != unreadable {
			t.Errorf("%d sessions can never become due, %v; want %d", counts.NeverDue, err, unreadable)
		}
	}
}
