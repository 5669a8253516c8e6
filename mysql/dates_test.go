package mysql_test

import "testing"

// A date says the day only: the session may have been used until its end.
func TestTheBackfillReadsADateAsItsEnd(t *testing.T) {
	t.Parallel()
	const used = "UTC_DATE() - INTERVAL 1 DAY"
	for name, c := range map[string]struct{ sql, day string }{
		"the update":   {"CREATE TABLE sessions (id INT PRIMARY KEY, updated_at DATE); INSERT INTO sessions VALUES (1, " + used + ")", "updated_at"},
		"the creation": {"CREATE TABLE sessions (id INT PRIMARY KEY, created_at DATE); INSERT INTO sessions VALUES (1, " + used + ")", "created_at"},
		"an activity": {"CREATE TABLE sessions (id INT PRIMARY KEY, created_at DATE); INSERT INTO sessions VALUES (1, UTC_DATE() - INTERVAL 9 DAY);" +
			"CREATE TABLE votes (id INT PRIMARY KEY, session_id INT REFERENCES sessions (id), created_at DATE); INSERT INTO votes VALUES (1, 1, " + used + ")", "(SELECT v.created_at FROM votes AS v)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, d := adopted(t, c.sql)
			if !value[bool](t, d, "SELECT last_activity = CAST("+c.day+" AS DATETIME) + INTERVAL 1 DAY FROM sessions") {
				t.Errorf("the last activity is %s, want the end of the day", value[string](t, d, "SELECT CONCAT(last_activity, ' ', "+c.day+") FROM sessions"))
			}
		})
	}
}
