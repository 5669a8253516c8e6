package mysql_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// tagsOf are the tags of a session.
func tagsOf(t *testing.T, store *mysql.Store, id string) []string {
	t.Helper()
	page, err := store.List(t.Context(), sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: id}, Limit: 1})
	if err != nil || len(page.Sessions) != 1 {
		t.Fatalf("session %s: %+v, %v", id, page.Sessions, err)
	}
	return page.Sessions[0].Tags
}

// runDeletions does the first batch of a run's deletions.
func runDeletions(t *testing.T, store *mysql.Store) {
	t.Helper()
	now, err := store.Now(t.Context())
	if err == nil {
		_, err = store.Sweep(t.Context(), sessioncleanup.Batch{
			Action: sessioncleanup.ActionDeleted, Limit: 100, Cause: sessioncleanup.Cause{Actor: "test"}, Cutoffs: sessioncleanup.Policy{}.CutoffsAt(now),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Rows that a foreign key deletes fire no trigger, and neither does TRUNCATE.
func TestAnIdThatIsUsedAgainHasNoTagsHoweverItsSessionWasDeleted(t *testing.T) {
	t.Parallel()
	const tables = `CREATE TABLE users (id INT PRIMARY KEY);
		CREATE TABLE sessions (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, user_id INT, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME,
			FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
		INSERT INTO users VALUES (1);
		INSERT INTO sessions (id, user_id) VALUES ('one', 1), ('two', 1)`
	for name, deletion := range map[string]string{
		"DELETE":                     "DELETE FROM sessions",
		"DELETE of several tables":   "DELETE u, s FROM users AS u JOIN sessions AS s ON s.user_id = u.id",
		"a cascade":                  "DELETE FROM users",
		"TRUNCATE":                   "TRUNCATE TABLE sessions",
		"without foreign key checks": "SET foreign_key_checks = 0; TRUNCATE TABLE sessions; SET foreign_key_checks = 1",
		"REPLACE":                    "REPLACE INTO sessions (id, user_id) SELECT id, 1 FROM (SELECT 'one' AS id UNION SELECT 'two') AS again",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, tables)
			execute(t, d.DB, "INSERT INTO sessions (id, user_id) VALUES ('three', NULL); INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions")
			if tags := tagsOf(t, store, "one"); len(tags) != 1 {
				t.Fatalf("before the deletion the session has the tags %q, want one", tags)
			}
			execute(t, d.DB, deletion)
			execute(t, d.DB, `INSERT IGNORE INTO users VALUES (1);
				INSERT IGNORE INTO sessions (id, user_id) VALUES ('one', 1), ('two', 1), ('three', 1);
				INSERT INTO sessioncleanup_tags (session_id, tag) VALUES ('two', 'vip')`)
			if tags := tagsOf(t, store, "one"); len(tags) != 0 {
				t.Errorf("the new session has the tags %q of the old one", tags)
			}
			if tags := tagsOf(t, store, "two"); len(tags) != 1 {
				t.Errorf("the new session that was tagged has the tags %q, want one", tags)
			}
			counts, err := store.Tags(t.Context(), "1")
			if err != nil || len(counts) != 1 || counts[0].Sessions > 2 {
				t.Errorf("Tags = %+v, %v; want those of the new sessions", counts, err)
			}
			runDeletions(t, store)
			if left := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_tags WHERE session_id <> 'three'"); left != 1 {
				t.Errorf("%d tags are in the table after a run, want only the new one", left)
			}
		})
	}
}

// SELECT * leaves out invisible columns, and a table that is created anew has none.
func TestATableThatIsRebuiltKeepsItsTags(t *testing.T) {
	t.Parallel()
	const create = "CREATE TABLE %s (id INT PRIMARY KEY, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME, last_activity DATETIME(3), deactivated_at DATETIME, expires_at DATETIME, auto_cleanup BOOLEAN)"
	const swap = "; RENAME TABLE sessions TO old, fresh TO sessions; DROP TABLE old"
	const columns = "id, active, created_at, last_activity, deactivated_at, expires_at, auto_cleanup"
	for what, rebuild := range map[string]string{
		"with a copy of the definition": "CREATE TABLE fresh LIKE sessions; INSERT INTO fresh SELECT * FROM sessions" + swap,
		"anew":                          fmt.Sprintf(create, "fresh") + "; INSERT INTO fresh SELECT " + columns + " FROM sessions" + swap,
		"exactly":                       "CREATE TABLE fresh LIKE sessions; INSERT INTO fresh (" + columns + ", sessioncleanup_since, sessioncleanup_class) SELECT " + columns + ", sessioncleanup_since, sessioncleanup_class FROM sessions" + swap,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store, d := adopted(t, fmt.Sprintf(create, "sessions")+"; INSERT INTO sessions (id) VALUES (1)")
			ruled(t, store, "vip: delete=never; test: delete=1d")
			// 1 is of before the adoption, 2 and 5 are new sessions, 3 has no tag, 4 is the second with this ID.
			execute(t, d.DB, "INSERT INTO sessions (id) VALUES (2), (3), (4), (5); INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'vip'), (2, 'vip'), (4, 'vip'), (5, 'test')")
			execute(t, d.DB, "DELETE FROM sessions WHERE id = 4; INSERT INTO sessions (id) VALUES (4)")
			execute(t, d.DB, rebuild+"; DELETE FROM sessions WHERE id = 5; INSERT INTO sessions (id, created_at) VALUES (5, UTC_TIMESTAMP() + INTERVAL 2 DAY), (6, NULL)")
			for range 2 {
				ruled(t, store, "vip: delete=never; test: delete=1d")
				if got, want := classes(t, d), "1=vip, 2=vip, 3=-, 4=-, 5=-, 6=-"; what == "exactly" && got != want {
					t.Errorf("classes: %s, want %s", got, want)
				} else if want = "1=vip, 2=vip, 3=-, 4=vip, 5=-, 6=-"; what != "exactly" && got != want { // whether 4 is another one cannot be told
					t.Errorf("classes: %s, want %s", got, want)
				}
			}
			if n := value[int](t, d, "SELECT COUNT(*) FROM sessions WHERE last_activity IS NULL"); n > 0 {
				t.Errorf("of %d sessions the last activity is not known", n)
			}
			if err := store.Validate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestASessionThatTheLibraryDeletesLeavesNoTags(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+`INSERT INTO sessions (id, active) VALUES (1, FALSE), (2, TRUE), (3, TRUE);
		INSERT INTO sessions (id, parent_id) VALUES (4, 2)`)
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions")
	execute(t, d.DB, "UPDATE sessions SET last_activity = '2020-01-01', deactivated_at = '2020-01-01' WHERE id = 1")
	runDeletions(t, store)
	_, err := store.Delete(t.Context(), sessioncleanup.Target{ID: "2", Cascade: true}, sessioncleanup.Cause{Actor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if left := value[string](t, d, "SELECT GROUP_CONCAT(session_id) FROM sessioncleanup_tags"); left != "3" {
		t.Errorf("the sessions %s have tags, want only 3", left)
	}
}

func TestTheTriggerRefusesATagOfNoSession(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1)")
	if _, err := d.DB.ExecContext(t.Context(), "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (2, 'vip')"); err == nil {
		t.Error("a tag of no session was accepted")
	}
	execute(t, d.DB, "INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (1, 'vip'); UPDATE sessions SET id = 2; UPDATE sessioncleanup_tags SET session_id = 2")
	if tags := tagsOf(t, store, "2"); len(tags) != 1 {
		t.Errorf("the session whose id changed has the tags %q, want the one that was moved", tags)
	}
}

// Transactions of the application that insert sessions and tag them, at the server's default isolation level, lock no
// gaps for each other.
func TestApplicationsThatTagNewSessionsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	_, d := adopted(t, guide.tables+"; INSERT INTO sessions (name) VALUES ('a')")
	const clients, each = 8, 20
	failures := make(chan error, clients*each)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range each {
				_, err := d.DB.ExecContext(t.Context(), `START TRANSACTION; INSERT INTO sessions (name) VALUES ('new'); SET @id = LAST_INSERT_ID();
					INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (@id, 'vip'), (@id, 'test'); COMMIT`)
				if err != nil {
					failures <- err
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Fatalf("a transaction of the application failed: %v", err)
	}
	if n := value[int](t, d, "SELECT COUNT(*) FROM sessioncleanup_tags"); n != 2*clients*each {
		t.Errorf("there are %d tags, want %d", n, 2*clients*each)
	}
}

func TestMigrateAddsTagsToAnEarlierInstallation(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, rooms+"INSERT INTO sessions (id) VALUES (1)")
	execute(t, d.DB, `DROP TABLE sessioncleanup_tags; DROP TRIGGER sessioncleanup_session_inserted;
		ALTER TABLE sessions DROP COLUMN sessioncleanup_since`)
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
		t.Fatal(err)
	}
	execute(t, d.DB, "INSERT INTO sessions (id) VALUES (2); INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions")
	for _, id := range []string{"1", "2"} {
		if tags := tagsOf(t, store, id); len(tags) != 1 {
			t.Errorf("session %s has the tags %q, want one", id, tags)
		}
	}
	var columns []string
	columns, err := mysqltest.Texts(t.Context(), d.DB, "SHOW COLUMNS FROM sessions LIKE 'sessioncleanup_since'", 5)
	if err != nil || len(columns) != 1 || columns[0] != "INVISIBLE" {
		t.Errorf("the column is %q, %v; want an invisible one", columns, err)
	}
}
