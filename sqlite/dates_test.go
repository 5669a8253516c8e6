package sqlite_test

import "testing"

// A date says the day only: the session may have been used until its end.
func TestTheBackfillReadsADateAsItsEnd(t *testing.T) {
	t.Parallel()
	const used = "date('now', '-1 day')"
	for name, c := range map[string]struct{ schema, rows, day string }{
		"the update":   {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, updated_at DATE)", "INSERT INTO sessions VALUES (1, " + used + ")", "updated_at"},
		"the creation": {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at DATE)", "INSERT INTO sessions VALUES (1, " + used + ")", "created_at"},
		"an activity": {"CREATE TABLE sessions (id INTEGER PRIMARY KEY, created_at DATE); CREATE TABLE votes (session_id INTEGER REFERENCES sessions, created_at DATE)",
			"INSERT INTO sessions VALUES (1, date('now', '-9 days')); INSERT INTO votes VALUES (1, " + used + ")", "(SELECT created_at FROM votes)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, app := adopt(t, c.schema, c.rows)
			if got := line(t, app, "SELECT last_activity = strftime('%Y-%m-%d %H:%M:%f', "+c.day+", '+1 day') FROM sessions"); got != "1" {
				t.Errorf("the last activity is %s, want the end of the day", line(t, app, "SELECT last_activity, "+c.day+" FROM sessions"))
			}
		})
	}
}
