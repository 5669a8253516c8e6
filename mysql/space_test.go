package mysql_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestARunSaysHowManyRowsItDeletedAndWhatThatFreed(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, `CREATE TABLE sessions (id INT PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, updated_at DATETIME);
		CREATE TABLE messages (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT, text TEXT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE);
		CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, message_id INT, FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE);
		CREATE TABLE kept (id INT AUTO_INCREMENT PRIMARY KEY, session_id INT, FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL);
		INSERT INTO sessions (id, active, updated_at) SELECT seq, seq > 300, NOW() - INTERVAL IF(seq > 300, 0, 90) DAY FROM seq_1_to_310;
		INSERT INTO messages (session_id, text) SELECT s.id, REPEAT('a', 100) FROM sessions AS s JOIN seq_1_to_10;
		INSERT INTO notes (message_id) SELECT MIN(id) FROM messages GROUP BY session_id;
		INSERT INTO kept (session_id) SELECT id FROM sessions;
		ANALYZE TABLE sessions, messages, notes, kept`)
	m := manage(t, store)
	execute(t, d.DB, "SET @sessioncleanup_own = 1; UPDATE sessions SET last_activity = '2020-01-01', deactivated_at = '2020-01-01' WHERE id <= 300; SET @sessioncleanup_own = NULL")
	r, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil || r.Deleted() != 300 {
		t.Fatalf("deleted %d, %v", r.Deleted(), err)
	}
	if r.Rows != 300*12 || r.Bytes < 300_000 || r.Bytes > 3_000_000 {
		t.Errorf("the run deleted %d rows and freed %d bytes, want %d rows, and about a megabyte", r.Rows, r.Bytes, 300*12)
	}
	analytics, err := m.Analytics(t.Context())
	if err != nil || len(analytics.History) != 1 || analytics.History[0].Rows != r.Rows {
		t.Errorf("the history: %+v, %v", analytics.History, err)
	}
}
