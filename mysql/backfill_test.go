package mysql_test

import "testing"

func TestALastActivityOfTheApplicationIsCorrectedWhereActivityShowsThatItLags(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, `CREATE TABLE sessions (id INT PRIMARY KEY, last_activity DATETIME, updated_at DATETIME);
		CREATE TABLE votes (id INT PRIMARY KEY AUTO_INCREMENT, session_id INT NOT NULL, created_at DATETIME, FOREIGN KEY (session_id) REFERENCES sessions (id));
		INSERT INTO sessions VALUES (1, '2026-01-01 08:00', NULL), (2, '2026-01-01 08:00', NULL), (3, '2026-01-01 08:00', NULL);
		INSERT INTO votes (session_id, created_at) VALUES (1, '2026-01-05 10:00'), (1, '2026-01-02 10:00'), (2, '2026-01-01 09:00')`)
	for id, want := range map[string]string{"1": "2026-01-05 10:00", "2": "2026-01-01 08:00", "3": "2026-01-01 08:00"} {
		if got := value[string](t, d, "SELECT DATE_FORMAT(last_activity, '%Y-%m-%d %H:%i') FROM sessions WHERE id = "+id); got != want {
			t.Errorf("session %s was last used at %s, want %s", id, got, want)
		}
	}
}
